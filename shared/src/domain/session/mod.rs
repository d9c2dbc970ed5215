//! Sessions, which begin with a login, and the refresh tokens that extend them.

mod device;
mod refresh_token;
mod repeats;
mod view;

#[cfg(test)]
mod tests;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::SecretBox;

use crate::domain::account::Account;
use crate::domain::id::{SessionId, UserId};
use crate::domain::throttle::Source;
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;
use crate::platform::settings::{
    REFRESH_GRACE_SECONDS, REFRESH_IDLE_SECONDS, REFRESH_MAX_SECONDS, REFRESH_REPEATS,
};

pub use device::Device;
pub use refresh_token::RefreshToken;
pub use repeats::{Count, NetworkName, Repeat, Repeats};
pub use view::SessionView;

/// The limits of sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionPolicy {
    /// The time that a session lives after its last use, in seconds.
    pub idle_seconds: u64,
    /// The time that a session lives in all, in seconds. Use never extends it.
    pub max_seconds: u64,
    /// The time after a token's replacement during which its repeats from the same network are
    /// free, in seconds.
    pub grace_seconds: u64,
    /// The number of repeats from other networks that a session survives.
    pub repeats: u64,
}

impl SessionPolicy {
    /// How many times as many repeats a session survives from the network that replaced the token.
    const FROM_SAME_NETWORK: u64 = 10;

    /// Reads [`REFRESH_IDLE_SECONDS`], [`REFRESH_MAX_SECONDS`], [`REFRESH_GRACE_SECONDS`] and
    /// [`REFRESH_REPEATS`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is not a number in its range.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            idle_seconds: env.setting(&REFRESH_IDLE_SECONDS)?,
            max_seconds: env.setting(&REFRESH_MAX_SECONDS)?,
            grace_seconds: env.setting(&REFRESH_GRACE_SECONDS)?,
            repeats: env.setting(&REFRESH_REPEATS)?,
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
    /// The network that last replaced it. If it is unknown, every network counts as this one.
    pub network: NetworkName,
    /// The repeats that count against the session.
    pub repeats: Repeats,
    /// The account's password epoch when the session began. A change of the password ends the
    /// session.
    pub password_epoch: u64,
    /// The time when the session began.
    pub created_at: u64,
    /// The time when its owner last gave the password for it: the `auth_time` of its access tokens.
    pub authenticated_at: u64,
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
    /// The token was replaced, and nobody has used its successor: the answer was lost, or another
    /// tab was faster, or somebody has a copy. Log it.
    Repeated {
        /// How it was presented.
        repeat: Repeat,
        /// What to do.
        verdict: Verdict,
    },
    /// The token was replaced, and its successor was used, so somebody has a copy. End the session.
    Reused,
    /// The token does not belong to this session, or the session has ended. Do nothing.
    Unknown,
}

/// What to do about a replaced token that is presented again.
#[derive(Debug)]
pub enum Verdict {
    /// Return this successor, which already exists. There is nothing to store.
    Free(RefreshToken),
    /// Store the session's repeats, and return the successor, which already exists.
    Counted {
        /// The repeats with this one.
        repeats: Repeats,
        /// The token's successor.
        successor: RefreshToken,
    },
    /// Too many repeats; somebody has a copy. End the session.
    TooMany,
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
        let nonce = random::octets();
        let session = Self {
            user_id: account.id,
            id: token.session_id,
            refresh_hash: token.hash(),
            counter: 0,
            nonce,
            rotated_at: now,
            network: NetworkName::new(&Source::of(&device.ip), &nonce),
            repeats: Repeats::default(),
            password_epoch: account.password_epoch,
            created_at: now,
            authenticated_at: now,
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

    /// Returns the status of `token`, which `source` presents at `now`.
    ///
    /// Old tokens are not stored. Each secret's successor is derived from it, so an old secret can
    /// be advanced to the current one and compared. A token is therefore recognised however old it
    /// is, and a guess is not mistaken for one.
    pub fn present(
        &self,
        token: &RefreshToken,
        source: &Source,
        policy: &SessionPolicy,
        now: u64,
    ) -> Presented {
        let of_this = (token.user_id, token.session_id) == (self.user_id, self.id);
        if !of_this || !self.is_live(policy, now) {
            return Presented::Unknown;
        }
        match self.counter.checked_sub(token.counter) {
            Some(0) if self.is_current(token) => {
                let successor = token.successor(&self.nonce);
                let next = self.with_token(&successor, self.nonce, source, policy, now);
                Presented::Current { next, successor }
            }
            // If the successor had been used, the counter would be one higher.
            Some(1) if self.is_current(&token.successor(&self.nonce)) => {
                let repeat = self.repeat(source, policy, now);
                let verdict = self.verdict(&repeat, token.successor(&self.nonce), policy, now);
                Presented::Repeated { repeat, verdict }
            }
            Some(_) if self.is_ancestor(token) => Presented::Reused,
            _ => Presented::Unknown,
        }
    }

    /// Returns the session after a change of its owner's password to one with this epoch, and its
    /// new token. The owner has just given the password. No token from before leads to it: whoever has copied one cannot compute it.
    pub fn with_new_token(
        &self,
        password_epoch: u64,
        source: &Source,
        policy: &SessionPolicy,
        now: u64,
    ) -> (Self, RefreshToken) {
        let token = RefreshToken {
            user_id: self.user_id,
            session_id: self.id,
            counter: self.counter.saturating_add(1),
            secret: SecretBox::new(Box::new(random::octets())),
        };
        let next = Self {
            password_epoch,
            authenticated_at: now,
            repeats: Repeats::default(),
            ..self.with_token(&token, random::octets(), source, policy, now)
        };
        (next, token)
    }

    /// Returns the session with `token` as its current one, at the request of `source`.
    fn with_token(
        &self,
        token: &RefreshToken,
        nonce: [u8; 32],
        source: &Source,
        policy: &SessionPolicy,
        now: u64,
    ) -> Self {
        Self {
            refresh_hash: token.hash(),
            counter: token.counter,
            nonce,
            rotated_at: now,
            network: NetworkName::new(source, &nonce),
            repeats: self.repeats.after_replacing(self.counter),
            last_used_at: now,
            expires_at: policy.end(self.created_at, now),
            ..self.clone()
        }
    }

    /// Returns how `source` presents a token that was replaced by the current one.
    fn repeat(&self, source: &Source, policy: &SessionPolicy, now: u64) -> Repeat {
        let network = NetworkName::new(source, &self.nonce);
        Repeat {
            network,
            from_other_network: ![NetworkName::UNKNOWN, network].contains(&self.network),
            // Without a grace time, not even the very second of the replacement is free.
            within_grace: policy.grace_seconds > 0 && now <= self.rotated_at + policy.grace_seconds,
        }
    }

    fn verdict(
        &self,
        repeat: &Repeat,
        successor: RefreshToken,
        policy: &SessionPolicy,
        now: u64,
    ) -> Verdict {
        if repeat.is_free() {
            return Verdict::Free(successor);
        }
        let repeats = self.repeats.with(repeat, self.counter, now);
        if repeats == self.repeats {
            Verdict::Free(successor)
        } else if repeats.are_too_many(policy) {
            Verdict::TooMany
        } else {
            Verdict::Counted { repeats, successor }
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
