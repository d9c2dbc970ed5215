//! The mails that events ask for.

use std::fmt;
use std::str::FromStr;

use crate::domain::event::Subject;
use crate::domain::id::{EventId, UserId};
use crate::domain::session::Device;
use crate::platform::config::{ConfigError, Env};
use crate::platform::settings::{MAILS_PER_ADDRESS, MAILS_PER_SOURCE};

/// A mail that an event asks for. The function `mailer` sends it to whom the event concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mail {
    /// A link that sets a new password, if the address has an account.
    PasswordReset,
    /// A link that proves the address of an account, if it has one that is not proven yet.
    EmailVerification,
    /// A link that opens the account of a pending registration; or, if the address has an account,
    /// a note that says so.
    Registration,
    /// A link that moves an account to a new address, and a notice to the old one.
    EmailChange,
    /// A notice: the password was changed.
    PasswordChanged,
    /// A notice to the old address: the account has a new one.
    EmailChanged,
    /// A notice: a login came from a source that the account does not know.
    NewSource,
    /// A notice: a session ended because its refresh token was used twice.
    TokenReused,
    /// A link that sets the first password of an account that an operator has opened.
    Invitation,
}

/// What a stored event asks the function `mailer` for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRequest {
    /// The event, which holds its time.
    pub id: EventId,
    /// Whom the event is about.
    pub subject: Subject,
    /// The mail.
    pub mail: Mail,
    /// The account that a pending registration opens.
    pub pending: Option<UserId>,
    /// The request for a link whose use the event is.
    pub link: Option<EventId>,
    /// Where the request came from.
    pub device: Device,
}

/// The limits on the mails that requests ask for, whether their addresses have accounts or not, and
/// on notices.
#[derive(Debug, Clone, Copy)]
pub struct MailPolicy {
    /// The number of mails of each kind to one address in a window, and of notices of each kind.
    /// Mails may be up to twice as many, if others than the first sources ask for them.
    pub of_address: u64,
    /// The number of mails that one source asks for in a window.
    pub of_source: u64,
}

impl MailPolicy {
    /// The time over which mails are counted, in seconds.
    const WINDOW: u64 = 60 * 60;

    /// Reads `MAILS_PER_ADDRESS` (1 to 100, default 5) and `MAILS_PER_SOURCE` (1 to 1,000,000,
    /// default 50).
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is not a number in its range.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            of_address: env.setting(&MAILS_PER_ADDRESS)?,
            of_source: env.setting(&MAILS_PER_SOURCE)?,
        })
    }

    /// Returns the begin and the end of the window that contains `now`, in seconds since the epoch.
    pub fn window(now: u64) -> (u64, u64) {
        let begin = now - now % Self::WINDOW;
        (begin, begin + Self::WINDOW)
    }
}

/// An error: the text names no mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a mail")]
pub struct UnknownMail;

impl Mail {
    /// All variants.
    pub const ALL: [Self; 9] = [
        Self::PasswordReset,
        Self::EmailVerification,
        Self::Registration,
        Self::EmailChange,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::NewSource,
        Self::TokenReused,
        Self::Invitation,
    ];

    /// Returns whether the deployment sends mail: whether `MAIL_FROM` is set.
    pub fn is_sent(env: &Env<'_>) -> bool {
        env.optional("MAIL_FROM").is_some()
    }

    /// Returns the name, as the attribute `mail` of an event holds it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::EmailVerification => "email_verification",
            Self::Registration => "registration",
            Self::EmailChange => "email_change",
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged => "email_changed",
            Self::NewSource => "new_source",
            Self::TokenReused => "token_reused",
            Self::Invitation => "invitation",
        }
    }
}

impl FromStr for Mail {
    type Err = UnknownMail;

    fn from_str(text: &str) -> Result<Self, UnknownMail> {
        let mut all = Self::ALL.into_iter();
        all.find(|mail| mail.name() == text).ok_or(UnknownMail)
    }
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_are_counted_by_the_hour() {
        assert_eq!(MailPolicy::window(7_199), (3_600, 7_200));
        assert_eq!(MailPolicy::window(7_200), (7_200, 10_800));
    }

    #[test]
    fn each_mail_has_a_name_of_its_own() {
        for mail in Mail::ALL {
            assert_eq!(mail.name().parse(), Ok(mail));
        }
        assert_eq!("other".parse::<Mail>(), Err(UnknownMail));
    }
}
