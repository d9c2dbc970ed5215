//! The links in mails: tokens that prove that somebody reads the mail of an address.
//!
//! The secret of a link is made by the function `mailer` and lies in the mail alone. The table
//! holds its hash. A link is good for one purpose, once, until it expires, and for as long as the
//! account keeps the password that it had.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret as _, SecretBox};

use crate::domain::email::Email;
use crate::domain::id::{EventId, SessionId, UserId};
use crate::domain::secret_text;
use crate::platform::random;

/// What a link is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To set a new password.
    PasswordReset,
    /// To prove the address of an account.
    EmailVerification,
    /// To move an account to the address.
    EmailChange,
    /// To open the account of a pending registration.
    Registration,
    /// To set the first password of an account that an operator has opened.
    Invitation,
}

impl Purpose {
    /// All variants.
    pub const ALL: [Self; 5] = [
        Self::PasswordReset,
        Self::EmailVerification,
        Self::EmailChange,
        Self::Registration,
        Self::Invitation,
    ];

    /// Returns the name, as the table holds it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::EmailVerification => "email_verification",
            Self::EmailChange => "email_change",
            Self::Registration => "registration",
            Self::Invitation => "invitation",
        }
    }

    /// Returns how long a link is good after it was asked for, in seconds.
    pub fn seconds(self) -> u64 {
        const HOUR: u64 = 60 * 60;
        match self {
            Self::PasswordReset | Self::EmailChange => HOUR,
            Self::EmailVerification | Self::Registration => 24 * HOUR,
            // Nobody waits for it in front of a screen.
            Self::Invitation => 7 * 24 * HOUR,
        }
    }

    /// Returns the purpose of a name, or `None` if there is no such purpose.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// A link as the table holds it. Its secret is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The account, or the account that a pending registration opens.
    pub user_id: UserId,
    /// The event that asked for the link.
    pub id: EventId,
    /// What it is good for.
    pub purpose: Purpose,
    /// The address that it was sent to.
    pub email: Email,
    /// The address that a change of address leaves. Other links have none.
    pub from: Option<Email>,
    /// The number of passwords that the account had had. 0 for a pending registration.
    pub password_epoch: u64,
    /// The session that asked for a change of address, which goes on after it.
    pub session_id: Option<SessionId>,
    /// Whether its address has got its mail, so that only the notice of a change of address to the
    /// old one is to be sent.
    pub told: bool,
    /// When it expires, in seconds since the epoch.
    pub expires_at: u64,
    /// SHA-256 of each of its secrets. There is none before a mail is sent and after it was used.
    pub hashes: Vec<[u8; 32]>,
}

/// The reason why a link was refused. The client is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRefusal {
    /// The text does not have the form of a token.
    Malformed,
    /// Nobody was sent the token, or its link has expired and was removed.
    Unknown,
    /// The link was used.
    Used,
    /// The link has expired.
    Expired,
    /// The link is good for something else.
    OtherPurpose,
    /// The account is gone, disabled or being deleted.
    AccountGone,
    /// The account has another password or another address by now.
    AccountChanged,
}

impl fmt::Display for LinkRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::OtherPurpose => "other_purpose",
            Self::AccountGone => "account_gone",
            Self::AccountChanged => "account_changed",
        })
    }
}

impl Link {
    /// Checks that `token` is one of the link's, and good for one of `purposes` at `now`. Only a
    /// conditional write decides whether it was used in the meantime.
    ///
    /// # Errors
    ///
    /// Returns the reason if it is not.
    pub fn check(
        &self,
        token: &LinkToken,
        purposes: &[Purpose],
        now: u64,
    ) -> Result<(), LinkRefusal> {
        let presented = token.hash();
        let is_one = |hash: &[u8; 32]| verify_slices_are_equal(hash, &presented).is_ok();
        if self.hashes.is_empty() {
            Err(LinkRefusal::Used)
        } else if !self.hashes.iter().any(is_one) {
            Err(LinkRefusal::Unknown)
        } else if !purposes.contains(&self.purpose) {
            Err(LinkRefusal::OtherPurpose)
        } else if self.expires_at <= now {
            Err(LinkRefusal::Expired)
        } else {
            Ok(())
        }
    }
}

/// The token in a link: opaque to people, in one mail, never stored.
///
/// It contains the account, the event that asked for it, and 256 secret bits.
pub struct LinkToken {
    user_id: UserId,
    id: EventId,
    secret: SecretBox<[u8; 32]>,
}

impl LinkToken {
    /// The prefix that marks the token for people and secret scanners.
    const PREFIX: &str = "lkm_";
    /// The number of octets: two identifiers, the secret.
    const LENGTH: usize = 16 + 16 + 32;

    /// Returns a new token for the event `id`.
    pub fn new(user_id: UserId, id: EventId) -> Self {
        Self {
            user_id,
            id,
            secret: SecretBox::new(Box::new(random::octets())),
        }
    }

    /// Returns the token's text, for the one mail that carries it.
    pub fn expose(&self) -> String {
        let (user, id) = (self.user_id.as_bytes(), self.id.as_bytes());
        let secret = self.secret.expose_secret();
        secret_text::write(Self::PREFIX, &[user, id, secret])
    }

    /// Parses a presented token. Returns `None` if it does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = secret_text::read::<{ Self::LENGTH }>(Self::PREFIX, text)?;
        let (user_id, rest) = octets.split_first_chunk()?;
        let (id, secret) = rest.split_first_chunk()?;
        Some(Self {
            user_id: UserId::from_bytes(*user_id),
            id: EventId::from_bytes(*id),
            secret: SecretBox::new(Box::new(secret.try_into().ok()?)),
        })
    }

    /// Returns the account that the token claims.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Returns the event that the token claims.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Returns SHA-256 of the secret, which is stored.
    pub fn hash(&self) -> [u8; 32] {
        secret_text::hash(self.secret.expose_secret())
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_in_no_other_form() {
        let token = LinkToken::new(UserId::new(1), EventId::new(2));
        let text = token.expose();
        let read = LinkToken::parse(&text).unwrap();
        assert_eq!(
            (read.user_id(), read.id(), read.hash()),
            (token.user_id(), token.id(), token.hash())
        );
        for other in [
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}A"),
            &format!("{text}="),
            &text.replace("lkm_", "lkr_"),
            &format!(" {text}"),
            "",
            "lkm_",
        ] {
            assert!(LinkToken::parse(other).is_none(), "{other}");
        }
        assert_eq!(format!("{token:?}"), "LinkToken");
    }

    #[test]
    fn a_link_is_good_for_its_tokens_and_its_purpose_until_it_expires_or_is_used() {
        let (user_id, id) = (UserId::new(1), EventId::new(2));
        let tokens = [LinkToken::new(user_id, id), LinkToken::new(user_id, id)];
        let purpose = Purpose::PasswordReset;
        let mut link = Link {
            user_id,
            id,
            purpose,
            email: Email::parse("ada@example.com").unwrap(),
            from: None,
            password_epoch: 1,
            session_id: None,
            told: false,
            expires_at: 1_000,
            hashes: tokens.iter().map(LinkToken::hash).collect(),
        };
        for token in &tokens {
            assert_eq!(link.check(token, &[purpose], 999), Ok(()));
            assert_eq!(
                link.check(token, &[purpose], 1_000),
                Err(LinkRefusal::Expired)
            );
            for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
                let refused = link.check(token, &[other], 999);
                assert_eq!(refused, Err(LinkRefusal::OtherPurpose));
            }
        }
        // What is known of a link by its owner is not told to others: an unknown secret is unknown,
        // whatever else is wrong.
        let guessed = LinkToken::new(user_id, id);
        let refused = link.check(&guessed, &[Purpose::Registration], 2_000);
        assert_eq!(refused, Err(LinkRefusal::Unknown));
        link.hashes.clear();
        let refused = link.check(&tokens[0], &[purpose], 999);
        assert_eq!(refused, Err(LinkRefusal::Used));
    }

    #[test]
    fn each_purpose_has_a_name_of_its_own() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::named(purpose.name()), Some(purpose));
        }
        assert_eq!(Purpose::named("other"), None);
    }
}
