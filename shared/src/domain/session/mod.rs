//! Sessions, which begin with a login, and the refresh tokens that extend them.

mod device;
mod refresh_token;

#[cfg(test)]
mod tests;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::SecretBox;

use crate::domain::account::Account;
use crate::domain::id::{SessionId, UserId};
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;
use crate::platform::settings::{REFRESH_IDLE_SECONDS, REFRESH_MAX_SECONDS};

pub use device::Device;
pub use refresh_token::RefreshToken;

/// The limits on the lifetime of sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionPolicy {
    /// The time that a session lives after its last use, in seconds.
    pub idle_seconds: u64,
    /// The time that a session lives in all, in seconds. Use never extends it.
    pub max_seconds: u64,
}

impl SessionPolicy {
    /// Reads [`REFRESH_IDLE_SECONDS`] and [`REFRESH_MAX_SECONDS`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is not a number in its range.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            idle_seconds: env.setting(&REFRESH_IDLE_SECONDS)?,
            max_seconds: env.setting(&REFRESH_MAX_SECONDS)?,
        })
    }

    /// Returns when a session that began at `created_at` and is used at `now` ends unless it is
    /// used again.
    fn end(&self, created_at: u64, now: u64) -> u64 {
        (now + self.idle_seconds).min(created_at + self.max_seconds)
    }
}

/// A stored session. No refresh token can be computed from it. Times are seconds since the epoch.
#[derive(Debug, Clone)]
pub struct Session {
    /// The account that owns the session.
    pub user_id: UserId,
    /// The `sid` of its access tokens.
    pub id: SessionId,
    /// SHA-256 of the current refresh token's secret.
    pub refresh_hash: [u8; 32],
    /// The number of times that the refresh token has been replaced.
    pub counter: u64,
    /// The key material from which each secret's successor is derived. It never leaves the table.
    pub nonce: [u8; 32],
    /// The time when the refresh token was last replaced.
    pub rotated_at: u64,
    /// The account's password epoch when the session began. A change of the password ends the
    /// session.
    pub password_epoch: u64,
    /// The time when the session began.
    pub created_at: u64,
    /// The time when the session was last used.
    pub last_used_at: u64,
    /// The time when the session ends unless it is used again.
    pub expires_at: u64,
    /// The device on which the session began.
    pub device: Device,
}

/// The status of a presented refresh token.
#[derive(Debug)]
#[must_use]
pub enum Presented {
    /// The token is current. Store the session `next` and return the successor.
    Current {
        /// The session with its token replaced.
        next: Session,
        /// The token's successor.
        successor: RefreshToken,
    },
    /// The token was replaced a moment ago, by another tab or in a response that was lost. Return
    /// this successor, which already exists.
    JustReplaced(RefreshToken),
    /// The token was replaced and is presented again, so somebody has a copy. End the session.
    Reused,
    /// The token does not belong to this session, or the session has ended. Do nothing.
    Unknown,
}

impl Session {
    /// Begins a session at `millis` milliseconds since the epoch, and creates the refresh token
    /// that its owner receives once.
    pub fn begin(
        account: &Account,
        device: Device,
        policy: &SessionPolicy,
        millis: u64,
    ) -> (Self, RefreshToken) {
        let now = millis / 1000;
        let token = RefreshToken {
            user_id: account.id,
            session_id: SessionId::new(millis),
            counter: 0,
            secret: SecretBox::new(Box::new(random::octets())),
        };
        let session = Self {
            user_id: account.id,
            id: token.session_id,
            refresh_hash: token.hash(),
            counter: 0,
            nonce: random::octets(),
            rotated_at: now,
            password_epoch: account.password_epoch,
            created_at: now,
            last_used_at: now,
            expires_at: policy.end(now, now),
            device,
        };
        (session, token)
    }

    /// Returns whether the session has not ended at `now`. DynamoDB removes ended sessions days
    /// later.
    pub fn is_live(&self, policy: &SessionPolicy, now: u64) -> bool {
        now < self.expires_at && now < self.created_at + policy.max_seconds
    }

    /// Returns the status of `token` at `now`. `grace_seconds` is how long after its replacement a
    /// token is still accepted.
    ///
    /// Old tokens are not stored. Each secret's successor is derived from it, so an old secret can
    /// be advanced to the current one and compared. A token is therefore recognised however old it
    /// is, and a guess is not mistaken for one.
    pub fn present(
        &self,
        token: &RefreshToken,
        policy: &SessionPolicy,
        grace_seconds: u64,
        now: u64,
    ) -> Presented {
        let of_this = (token.user_id, token.session_id) == (self.user_id, self.id);
        if !of_this || !self.is_live(policy, now) {
            return Presented::Unknown;
        }
        match self.counter.checked_sub(token.counter) {
            Some(0) if self.is_current(token) => {
                let successor = token.successor(&self.nonce);
                let next = Self {
                    refresh_hash: successor.hash(),
                    counter: successor.counter,
                    rotated_at: now,
                    last_used_at: now,
                    expires_at: policy.end(self.created_at, now),
                    ..self.clone()
                };
                Presented::Current { next, successor }
            }
            Some(1) if self.is_current(&token.successor(&self.nonce)) => {
                // Without a grace time, this also applies in the very second of the replacement.
                if grace_seconds > 0 && now <= self.rotated_at + grace_seconds {
                    Presented::JustReplaced(token.successor(&self.nonce))
                } else {
                    Presented::Reused
                }
            }
            Some(_) if self.is_ancestor(token) => Presented::Reused,
            _ => Presented::Unknown,
        }
    }

    /// Returns whether `token` is this session's, current or replaced, at any time.
    pub fn is_ours(&self, token: &RefreshToken) -> bool {
        (token.user_id, token.session_id) == (self.user_id, self.id)
            && (self.is_current(token) || self.is_ancestor(token))
    }

    fn is_current(&self, token: &RefreshToken) -> bool {
        token.counter == self.counter
            && verify_slices_are_equal(&token.hash(), &self.refresh_hash).is_ok()
    }

    fn is_ancestor(&self, token: &RefreshToken) -> bool {
        let Some(steps) = self.counter.checked_sub(token.counter) else {
            return false;
        };
        if steps == 0 || steps > RefreshToken::MAX_STEPS {
            return false;
        }
        let mut led = token.successor(&self.nonce);
        for _ in 1..steps {
            led = led.successor(&self.nonce);
        }
        self.is_current(&led)
    }
}
