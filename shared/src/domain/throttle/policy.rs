//! The limits on guessing.

use crate::platform::config::{ConfigError, Env};
use crate::platform::settings::{
    LOGIN_ATTEMPTS, LOGIN_ATTEMPTS_PER_ACCOUNT, LOGIN_ATTEMPTS_PER_SOURCE,
};

/// The limits on guessing.
#[derive(Debug, Clone, Copy)]
pub struct AttemptPolicy {
    pub(super) free: u64,
    pub(super) free_of_account: u64,
    /// The number of attempts that a source has in [`AttemptPolicy::window`], at all addresses.
    pub of_source: u64,
}

impl AttemptPolicy {
    /// The time over which a source's attempts at all addresses are counted, in seconds.
    const WINDOW: u64 = 5 * 60;
    /// The first wait, in seconds. Each further wait is twice as long.
    const FIRST_WAIT: u64 = 30;
    /// The longest wait, in seconds.
    const LONGEST_WAIT: u64 = 60 * 60;
    /// The time without another attempt after which the attempts are forgotten, in seconds.
    pub(super) const FORGOTTEN_AFTER: u64 = 24 * 60 * 60;
    /// The time for which a source stays known after a login, in seconds.
    pub(super) const KNOWN_FOR: u64 = 90 * 24 * 60 * 60;
    /// The precision of the time of a source's last login, in seconds.
    pub(super) const SEEN_EVERY: u64 = 24 * 60 * 60;
    /// The number of known sources of an address; only the latest are stored.
    pub(super) const MOST_KNOWN: usize = 8;

    /// Reads `LOGIN_ATTEMPTS` (attempts at an address from one source before there are waits: 3 to
    /// 20, default 5), `LOGIN_ATTEMPTS_PER_ACCOUNT` (from all sources: 10 to 100, default 50) and
    /// `LOGIN_ATTEMPTS_PER_SOURCE` (of one source at all addresses in five minutes: 10 to
    /// 1,000,000, default 300).
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is not a number in its range.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            free: env.setting(&LOGIN_ATTEMPTS)?,
            free_of_account: env.setting(&LOGIN_ATTEMPTS_PER_ACCOUNT)?,
            of_source: env.setting(&LOGIN_ATTEMPTS_PER_SOURCE)?,
        })
    }

    /// Returns the begin and the end of the window that contains `now`, in seconds since the epoch.
    pub fn window(now: u64) -> (u64, u64) {
        let begin = now - now % Self::WINDOW;
        (begin, begin + Self::WINDOW)
    }

    /// Returns how many seconds a source has to wait after `made` attempts in the window that
    /// contains `now`, or `None` if it does not have to wait.
    pub fn source_waits(&self, made: u64, now: u64) -> Option<u64> {
        let (_, end) = Self::window(now);
        (made >= self.of_source).then(|| end - now)
    }

    /// Returns how many seconds after the last of `made` attempts the next is allowed.
    pub(super) fn wait(made: u64, free: u64) -> u64 {
        match made.checked_sub(free) {
            None => 0,
            Some(beyond) => 1_u64
                .checked_shl(u32::try_from(beyond).unwrap_or(u32::MAX))
                .map_or(Self::LONGEST_WAIT, |factor| {
                    Self::FIRST_WAIT
                        .saturating_mul(factor)
                        .min(Self::LONGEST_WAIT)
                }),
        }
    }
}
