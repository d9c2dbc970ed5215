//! Sessions: what a login leaves behind, and the refresh token that keeps it alive.

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

pub use device::Device;
pub use refresh_token::RefreshToken;

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct SessionPolicy {
    /// How long a session lives after it was last used, in seconds.
    pub idle_seconds: u64,
    /// How long a session lives in all, in seconds; use never extends it.
    pub max_seconds: u64,
}

impl SessionPolicy {
    /// Reads `REFRESH_IDLE_SECONDS` (one minute to 400 days, 30 days without it) and
    /// `REFRESH_MAX_SECONDS` (the same, 90 days without it).
    ///
    /// # Errors
    ///
    /// Where one of them is not such a number.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        const DAY: u64 = 24 * 60 * 60;
        Ok(Self {
            idle_seconds: env.number("REFRESH_IDLE_SECONDS", 60..=400 * DAY, 30 * DAY)?,
            max_seconds: env.number("REFRESH_MAX_SECONDS", 60..=400 * DAY, 90 * DAY)?,
        })
    }

    /// When a session that began at `created_at` and is used at `now` ends unless it is used again.
    fn end(&self, created_at: u64, now: u64) -> u64 {
        (now + self.idle_seconds).min(created_at + self.max_seconds)
    }
}

/// A session as it is stored. Nothing in it can be turned into a refresh token. Times are seconds
/// since the epoch.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose it is.
    pub user_id: UserId,
    /// The `sid` of its access tokens.
    pub id: SessionId,
    /// SHA-256 of the current refresh token's secret.
    pub refresh_hash: [u8; 32],
    /// How often the refresh token has been replaced.
    pub counter: u64,
    /// What each secret's successor is derived with; it never leaves the table.
    pub nonce: [u8; 32],
    /// When the refresh token was last replaced.
    pub rotated_at: u64,
    /// Which of the account's passwords it was begun with: a change of the password ends it.
    pub password_epoch: u64,
    /// When it began.
    pub created_at: u64,
    /// When it was last used.
    pub last_used_at: u64,
    /// When it ends unless it is used before.
    pub expires_at: u64,
    /// What it was begun from.
    pub device: Device,
}

/// What a presented refresh token is worth.
#[derive(Debug)]
#[must_use]
pub enum Presented {
    /// It is the current one: keep the session as it is here, and give out the successor.
    Current {
        /// The session with its token replaced.
        next: Session,
        /// The token's successor.
        successor: RefreshToken,
    },
    /// It was replaced a moment ago, by another tab or in an answer that was lost: give out the
    /// successor that is already there.
    JustReplaced(RefreshToken),
    /// It was replaced, and comes again: somebody has a copy. End the session.
    Reused,
    /// It is none of this session's, or the session is over. Nothing follows.
    Unknown,
}

impl Session {
    /// Begins a session at `millis` milliseconds since the epoch, and makes the refresh token that
    /// its owner is shown once.
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

    /// Whether the session is still on at `now`. DynamoDB removes what is over days later.
    pub fn is_live(&self, policy: &SessionPolicy, now: u64) -> bool {
        now < self.expires_at && now < self.created_at + policy.max_seconds
    }

    /// What `token` is worth at `now`. `grace_seconds` is how long after its replacement a token
    /// may still come.
    ///
    /// Nothing of old tokens is kept: each secret's successor is derived from it, so an old secret
    /// can be led forward to the current one and compared. However old a token is, it is
    /// recognised, and a guess is not mistaken for one.
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
                // At the very second of the replacement too where there is no grace.
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

    /// Whether `token` is this session's, current or replaced, whatever the time.
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
