//! Registrations: whether people can register, whether they prove their addresses, and what waits
//! for the proof.

use super::account::{Account, NewAccount};
use super::id::UserId;
use super::password::hash::PasswordHash;
use crate::platform::config::{ConfigError, Env};

/// Whether people can register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody can.
    Open,
    /// Nobody can.
    Closed,
}

/// Whether people prove that an address is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailVerification {
    /// They do not.
    Off,
    /// They do after the account was opened.
    Later,
    /// They do before the account is opened.
    First,
}

/// A registration that waits until its address is proven. There is no account yet, and there may be
/// others for the same address.
#[derive(Debug, Clone)]
pub struct PendingRegistration {
    /// The account that it opens.
    pub account_id: UserId,
    /// What the person gave.
    pub new: NewAccount,
    /// The hash of the password.
    pub password: PasswordHash,
    /// When it is forgotten, in seconds since the epoch.
    pub expires_at: u64,
}

impl Registration {
    /// Reads `REGISTRATION`: `open`, the default, or `closed`.
    ///
    /// # Errors
    ///
    /// Returns an error if it is something else.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        match env.optional("REGISTRATION").as_deref() {
            None | Some("open") => Ok(Self::Open),
            Some("closed") => Ok(Self::Closed),
            Some(other) => Err(ConfigError::new(format!(
                "REGISTRATION is \"{other}\"; set it to open or closed"
            ))),
        }
    }
}

impl EmailVerification {
    /// Reads `EMAIL_VERIFICATION`: `off`, the default, `later` or `first`. The last two need
    /// `MAIL_FROM`.
    ///
    /// # Errors
    ///
    /// Returns an error if it is something else, or needs `MAIL_FROM` and this is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let verification = match env.optional("EMAIL_VERIFICATION").as_deref() {
            None | Some("off") => return Ok(Self::Off),
            Some("later") => Self::Later,
            Some("first") => Self::First,
            Some(other) => {
                return Err(ConfigError::new(format!(
                    "EMAIL_VERIFICATION is \"{other}\"; set it to off, later or first"
                )));
            }
        };
        env.required(
            "MAIL_FROM",
            "the address that mails come from, or set EMAIL_VERIFICATION to off",
        )?;
        Ok(verification)
    }
}

impl PendingRegistration {
    /// Returns the account that is opened at `millis` milliseconds since the epoch, after its
    /// address was proven.
    pub fn account(&self, millis: u64) -> Account {
        Account {
            id: self.account_id,
            email_verified: true,
            ..Account::open(self.new.clone(), millis)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(verification: &str, mail_from: &str) -> Result<EmailVerification, String> {
        let lookup = |name: &str| match name {
            "EMAIL_VERIFICATION" => Some(verification.to_owned()),
            "MAIL_FROM" => Some(mail_from.to_owned()),
            _ => None,
        };
        EmailVerification::from_env(&Env::new(&lookup)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_proven_only_if_there_is_mail() {
        assert_eq!(read("", ""), Ok(EmailVerification::Off));
        assert_eq!(read("off", ""), Ok(EmailVerification::Off));
        for (word, mode) in [
            ("later", EmailVerification::Later),
            ("first", EmailVerification::First),
        ] {
            assert_eq!(read(word, "no-reply@example.com"), Ok(mode));
            assert_eq!(
                read(word, "").unwrap_err(),
                "MAIL_FROM is not set; set it to the address that mails come from, or set \
                 EMAIL_VERIFICATION to off"
            );
        }
        assert_eq!(
            read("soon", "no-reply@example.com").unwrap_err(),
            "EMAIL_VERIFICATION is \"soon\"; set it to off, later or first"
        );
    }
}
