//! Asks for the password again, before what a token alone may not do.

use super::problem::Problem;
use crate::people::account::Account;
use crate::people::hasher::{Hasher, PasswordHash};
use crate::people::password::Password;
use crate::store::Store;

/// The kept hash that `password` of `account` was verified with.
///
/// # Errors
///
/// 403 where it is not the account's password.
pub async fn verify(
    store: &Store,
    hasher: &Hasher,
    account: &Account,
    password: &Password,
) -> Result<PasswordHash, Problem> {
    let credential = store.credential(&account.email).await?;
    // An address that has been given up may be another account's by now.
    let kept = credential.filter(|credential| credential.user_id == account.id);
    let kept = kept.ok_or(Problem::WrongPassword)?.password;
    if hasher.verify(password, &kept).await? {
        Ok(kept)
    } else {
        Err(Problem::WrongPassword)
    }
}
