//! Whether access tokens of an account stay within what gateways and verifiers accept.

use shared::domain::{Account, AccountChange};
use shared::tokens::TokenSize;

use super::super::Failure;
use super::super::target::Target;
use super::named;

/// Checks that an account with these roles and claims still gets access tokens.
///
/// # Errors
///
/// Returns an error if its tokens would be too long.
pub(super) fn check(target: &Target, account: &Account) -> Result<(), Failure> {
    match token_size(target)?.fits(account, None) {
        true => Ok(()),
        false => Err(too_long(account)),
    }
}

/// Checks that an account still gets access tokens after a change, so far as the change is about what
/// they say and does not make them shorter.
///
/// # Errors
///
/// Returns an error if its tokens would be too long.
pub(super) fn check_change(
    target: &Target,
    change: &AccountChange,
    read: &Account,
) -> Result<(), Failure> {
    match token_size(target)?.takes(change, read, None) {
        true => Ok(()),
        false => Err(too_long(read)),
    }
}

fn token_size(target: &Target) -> anyhow::Result<TokenSize> {
    match target.may_have_ed25519 {
        true => target.setting(TokenSize::from_env),
        false => target.setting(TokenSize::without_ed25519),
    }
}

fn too_long(account: &Account) -> Failure {
    Failure::Refused(format!(
        "the access tokens of {} would be too long: give fewer or shorter roles and claims",
        named(account)
    ))
}
