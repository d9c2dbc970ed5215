//! Whom a mail goes to.

use std::fmt;

use super::email::Email;
use super::id::UserId;
use super::locale::Locale;

/// What a mail needs to know of an account. The function `mailer` reads nothing else of it, and no
/// hash of a password.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The account.
    pub user_id: UserId,
    /// The address of the account.
    pub email: Email,
    /// The language of mails to the owner, if they have chosen one.
    pub locale: Option<Locale>,
    /// Whether the account may be used.
    pub is_active: bool,
    /// Whether the owner has proven the address.
    pub is_verified: bool,
    /// Whether no mail to the address has come back, and nobody has complained about one.
    pub is_reachable: bool,
    /// The number of passwords that the account has had.
    pub password_epoch: u64,
}

/// What is known against sending mail to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailState {
    /// A mail came back, and others will too.
    Bounced,
    /// Its owner has called a mail spam.
    Complained,
}

impl fmt::Display for EmailState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        })
    }
}
