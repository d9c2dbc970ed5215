//! Asks for the password again, before what a token alone may not do.

use lambda_http::Request;

use super::problem::Problem;
use super::throttle::Throttle;
use crate::domain::account::Account;
use crate::domain::password::Password;
use crate::domain::password::hasher::Hasher;
use crate::observe::audit::AuditEvent;
use crate::store::Store;

/// Verifies that `password` is the one of `account`, as it was when `account` was read, with the
/// same throttle as at login: a stolen token must not open a second door to guess at.
///
/// # Errors
///
/// 403 where it is not, 429 where too many were tried.
pub async fn verify_password(
    store: &Store,
    hasher: &Hasher,
    throttle: &Throttle,
    account: &Account,
    password: &Password,
    (request, now): (&Request, u64),
) -> Result<(), Problem> {
    let begun = throttle.admit(store, &account.email, request, now);
    let (attempt, credential) = begun.await?;
    // An address that has been given up may be another account's by now.
    let kept = credential.filter(|credential| {
        credential.user_id == account.id && credential.password_epoch == account.password_epoch
    });
    let kept = kept.ok_or(Problem::WrongPassword)?.password;
    let (matches, counted) = tokio::join!(
        hasher.verify(password, &kept),
        attempt.reserve(account.login())
    );
    let counted = counted?;
    if !matches? {
        AuditEvent::PasswordRefused.of(account.id).log();
        return Err(Problem::WrongPassword);
    }
    Ok(counted.succeeded().await?)
}
