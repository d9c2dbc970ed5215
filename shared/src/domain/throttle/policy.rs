//! How much guessing is borne.

use crate::platform::config::{ConfigError, Env};

/// How much guessing is borne.
#[derive(Debug, Clone, Copy)]
pub struct AttemptPolicy {
    pub(super) free: u64,
    pub(super) free_of_account: u64,
    /// How many attempts a source has in [`AttemptPolicy::window`], whatever the addresses.
    pub of_source: u64,
}

impl AttemptPolicy {
    /// The time over which a source's attempts at all addresses are counted, in seconds.
    const WINDOW: u64 = 5 * 60;
    /// The first wait, in seconds; each further one is twice as long.
    const FIRST_WAIT: u64 = 30;
    /// The longest wait, in seconds.
    const LONGEST_WAIT: u64 = 60 * 60;
    /// After how long without another attempt one is forgotten, in seconds.
    pub(super) const FORGOTTEN_AFTER: u64 = 24 * 60 * 60;
    /// How long a source stays known that has logged in, in seconds.
    pub(super) const KNOWN_FOR: u64 = 90 * 24 * 60 * 60;
    /// How many known sources an address has: the latest.
    pub(super) const MOST_KNOWN: usize = 8;

    /// Reads `LOGIN_ATTEMPTS` (attempts at an address from one source before there are waits: 3 to
    /// 20, 5 without it), `LOGIN_ATTEMPTS_PER_ACCOUNT` (from all sources: 10 to 100, 50 without it)
    /// and `LOGIN_ATTEMPTS_PER_SOURCE` (of one source at all addresses in five minutes: 10 to
    /// 1,000,000, 300 without it).
    ///
    /// # Errors
    ///
    /// Where one of them is not such a number.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            free: env.number("LOGIN_ATTEMPTS", 3..=20, 5)?,
            free_of_account: env.number("LOGIN_ATTEMPTS_PER_ACCOUNT", 10..=100, 50)?,
            of_source: env.number("LOGIN_ATTEMPTS_PER_SOURCE", 10..=1_000_000, 300)?,
        })
    }

    /// When the window of `now` begins and ends, in seconds since the epoch.
    pub fn window(now: u64) -> (u64, u64) {
        let begin = now - now % Self::WINDOW;
        (begin, begin + Self::WINDOW)
    }

    /// How long a source has to wait that has made so many attempts in the window of `now`, in seconds,
    /// if it has to.
    pub fn source_waits(&self, made: u64, now: u64) -> Option<u64> {
        let (_, end) = Self::window(now);
        (made >= self.of_source).then(|| end - now)
    }

    /// How long after the last of `made` attempts the next may come, in seconds.
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
