//! What the credential at an account's address is to the account, if it is not as it should be.

use aws_sdk_dynamodb::types::CancellationReason;

use super::item;
use crate::domain::account::Account;

/// What the credential at an account's address is to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// The account's, with the same epoch, so far as is known.
    Whole,
    /// The account's, with this other epoch: one of the two items was brought back without the other.
    /// Nobody can log in with it.
    Torn(u64),
    /// There is none.
    Missing,
    /// It is another account's.
    Lost,
}

impl Bond {
    /// Returns the bond of an account and the credential that refused a write.
    pub(super) fn of(account: &Account, refused: &CancellationReason) -> Self {
        let Some(found) = refused.item().filter(|item| !item.is_empty()) else {
            return Self::Missing;
        };
        match found.get("user_id") == Some(&item::text(account.id.to_string())) {
            true => {
                let epoch = found.get("password_epoch").and_then(|it| it.as_n().ok());
                Self::Torn(epoch.and_then(|it| it.parse().ok()).unwrap_or_default())
            }
            false => Self::Lost,
        }
    }

    /// Returns the next epoch of the account: one that none of its credentials and sessions has had,
    /// so far as is known.
    pub(super) fn next_epoch(self, account: &Account) -> u64 {
        let epoch = match self {
            Self::Torn(epoch) => epoch.max(account.password_epoch),
            Self::Whole | Self::Missing | Self::Lost => account.password_epoch,
        };
        epoch.saturating_add(1)
    }
}
