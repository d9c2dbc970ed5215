//! Repeats: replaced refresh tokens that are presented again although nobody has used their
//! successor. An answer was lost, two tabs refreshed at once, or somebody has a copy.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::SessionPolicy;
use crate::domain::throttle::Source;

/// The name of a source in one session. It is keyed with the session's nonce, so the log, which has
/// no nonce, tells whether two sources are the same and not which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkName([u8; NetworkName::LENGTH]);

impl NetworkName {
    /// The length in octets.
    pub const LENGTH: usize = 12;
    /// The name in sessions that were stored before names were.
    pub const UNKNOWN: Self = Self([0; Self::LENGTH]);

    /// Returns the name of `source` in the session with this nonce.
    pub(super) fn new(source: &Source, nonce: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, nonce);
        let tag = hmac::sign(&key, source.octets());
        let mut name = [0; Self::LENGTH];
        for (octet, of_tag) in name.iter_mut().zip(tag.as_ref()) {
            *octet = *of_tag;
        }
        Self(name)
    }

    /// Returns the name that is stored as these octets.
    pub fn from_bytes(octets: [u8; Self::LENGTH]) -> Self {
        Self(octets)
    }

    /// Returns the octets to store.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// How a replaced token was presented again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// The source that presented it.
    pub network: NetworkName,
    /// Whether another network than this replaced the token.
    pub from_other_network: bool,
    /// Whether the token was replaced no longer ago than the grace time.
    pub within_grace: bool,
}

impl Repeat {
    /// Returns whether the repeat is free: a moment after the replacement, from the same network.
    pub fn is_free(&self) -> bool {
        self.within_grace && !self.from_other_network
    }
}

/// The repeats that count against a session. They start anew after a day, and when a token is
/// replaced that nobody had repeated the replacement of: a thief who keeps in step with the owner
/// leaves no such token, since each of the two needs a repeat whenever the other has refreshed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repeats {
    /// The time when the first of them was counted, in seconds since the epoch.
    pub since: u64,
    /// Those from the network that had replaced the token, after the grace time.
    pub same: Count,
    /// Those from other networks.
    pub other: Count,
}

/// A number of repeats. Those of one replacement within a minute are one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// The number.
    pub number: u64,
    /// The counter of the token that was current at the last of them. Only replacements have
    /// repeats, so it is 0 only if there was none.
    pub counter: u64,
    /// The time when the last of them was counted, in seconds since the epoch.
    pub last: u64,
}

impl Repeats {
    /// The time within which repeats of one replacement are one, in seconds.
    const ONE: u64 = 60;

    /// The time after which the repeats start anew, in seconds.
    const WINDOW: u64 = 24 * 60 * 60;

    /// Returns the repeats with this one, which is not free, while the token with this counter is
    /// current. One of the same kind that was counted less than a minute ago at this counter counts
    /// no more, since a client may lose the answer to a repeat too. Later it does: each repeat brings
    /// another access token.
    pub(super) fn with(self, repeat: &Repeat, counter: u64, now: u64) -> Self {
        let count = |repeats: &Self| match repeat.from_other_network {
            true => repeats.other,
            false => repeats.same,
        };
        let before = count(&self);
        if before.counter == counter && now < before.last.saturating_add(Self::ONE) {
            return self;
        }
        let is_over = now >= self.since.saturating_add(Self::WINDOW);
        let repeats = if is_over {
            Self {
                since: now,
                ..Self::default()
            }
        } else {
            self
        };
        let one_more = Count {
            number: count(&repeats).number.saturating_add(1),
            counter,
            last: now,
        };
        match repeat.from_other_network {
            true => Self {
                other: one_more,
                ..repeats
            },
            false => Self {
                same: one_more,
                ..repeats
            },
        }
    }

    /// Returns the repeats after the token with this counter was replaced.
    pub(super) fn after_replacing(self, counter: u64) -> Self {
        if self.same.counter == counter || self.other.counter == counter {
            self
        } else {
            Self::default()
        }
    }

    /// Returns whether these are more than an honest client makes.
    pub(super) fn are_too_many(&self, policy: &SessionPolicy) -> bool {
        self.other.number > policy.repeats
            || self.same.number
                > policy
                    .repeats
                    .saturating_mul(SessionPolicy::FROM_SAME_NETWORK)
    }
}
