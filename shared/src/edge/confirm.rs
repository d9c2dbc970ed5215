//! Asks for the password again, before what a token alone may not do.

use super::problem::Problem;
use crate::people::account::Account;
use crate::people::hasher::Hasher;
use crate::people::password::Password;
use crate::store::Store;

/// Verifies that `password` is the one of `account`, as it was when `account` was read.
///
/// # Errors
///
/// 403 where it is not.
pub async fn verify_password(
    store: &Store,
    hasher: &Hasher,
    account: &Account,
    password: &Password,
) -> Result<(), Problem> {
    let credential = store.credential(&account.email).await?;
    // An address that has been given up may be another account's by now.
    let kept = credential.filter(|credential| {
        credential.user_id == account.id && credential.password_epoch == account.password_epoch
    });
    let kept = kept.ok_or(Problem::WrongPassword)?.password;
    if hasher.verify(password, &kept).await? {
        Ok(())
    } else {
        Err(Problem::WrongPassword)
    }
}
