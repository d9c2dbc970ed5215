//! Refresh tokens, which extend sessions.

use std::fmt;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretBox};

use crate::domain::id::{SessionId, UserId};
use crate::domain::secret_text;

/// A refresh token (RFC 6749 section 1.5): opaque to clients, shown once, never stored.
///
/// It contains the account, the session, the number of tokens before it, and 256 secret bits.
pub struct RefreshToken {
    pub(super) user_id: UserId,
    pub(super) session_id: SessionId,
    pub(super) counter: u64,
    pub(super) secret: SecretBox<[u8; 32]>,
}

impl RefreshToken {
    /// The prefix that marks the token for people and secret scanners. Never change it: tokens live
    /// long.
    pub(super) const PREFIX: &str = "lkr_";
    /// The number of octets: two identifiers, the counter, the secret.
    pub(super) const LENGTH: usize = 16 + 16 + 8 + 32;
    /// The limit on the steps by which an old token is advanced: about 30 ms of work. With the
    /// shortest access tokens, a session reaches it in 45 days.
    pub const MAX_STEPS: u64 = 65_536;

    /// Returns the token's text, for the one response that carries it.
    pub fn expose(&self) -> String {
        let (user, session) = (self.user_id.as_bytes(), self.session_id.as_bytes());
        let (counter, secret) = (self.counter.to_be_bytes(), self.secret.expose_secret());
        secret_text::write(Self::PREFIX, &[user, session, &counter, secret])
    }

    /// Parses a presented token. Returns `None` if it does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = secret_text::read::<{ Self::LENGTH }>(Self::PREFIX, text)?;
        let (user_id, rest) = octets.split_first_chunk()?;
        let (session_id, rest) = rest.split_first_chunk()?;
        let (counter, secret) = rest.split_first_chunk()?;
        Some(Self {
            user_id: UserId::from_bytes(*user_id),
            session_id: SessionId::from_bytes(*session_id),
            counter: u64::from_be_bytes(*counter),
            secret: SecretBox::new(Box::new(secret.try_into().ok()?)),
        })
    }

    /// Returns the account that the token claims.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Returns the session that the token claims.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Returns the number of tokens that the token claims to follow.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Returns SHA-256 of the secret, which is stored.
    pub fn hash(&self) -> [u8; 32] {
        secret_text::hash(self.secret.expose_secret())
    }

    /// Returns the token that replaces this one. Its secret is HMAC-SHA256 of `nonce` under the
    /// secret of this one, so the table alone is not enough to compute a token.
    pub(super) fn successor(&self, nonce: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose_secret());
        let mut secret = Box::new([0; 32]);
        secret.copy_from_slice(hmac::sign(&key, nonce).as_ref());
        Self {
            user_id: self.user_id,
            session_id: self.session_id,
            counter: self.counter.saturating_add(1),
            secret: SecretBox::new(secret),
        }
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken")
    }
}
