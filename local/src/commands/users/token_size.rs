//! Whether access tokens of an account stay within what gateways and verifiers accept.

use shared::domain::Account;
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
    let size = target.setting(TokenSize::from_env)?;
    match size.fits(account, None) {
        true => Ok(()),
        false => Err(Failure::Refused(format!(
            "the access tokens of {} would be too long: give fewer or shorter roles and claims",
            named(account)
        ))),
    }
}
