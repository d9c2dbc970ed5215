//! The attempts at one address, by source.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::platform::random;

use super::policy::AttemptPolicy;
use super::source::AttemptKey;

/// The identifier of one attempt, which the account stores with its last login. No client learns
/// it, so a guess in the same second is not mistaken for the login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptId(String);

impl AttemptId {
    pub(super) fn new() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::octets::<9>()))
    }

    /// Returns the identifier as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttemptId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// The last login of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLogin {
    /// The time, in seconds since the epoch.
    pub at: u64,
    /// The attempt that succeeded.
    pub attempt: AttemptId,
}

/// The attempts at one address, by source.
///
/// An attempt is counted before its outcome is known. A successful login is not written here. The
/// account stores the id of the attempt that succeeded; when the attempts are next read, that
/// source's count is reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts(Vec<AtSource>);

/// The attempts of one source at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtSource {
    source: String,
    made: u64,
    pub(super) last: u64,
    /// The identifier of the last attempt.
    attempt: AttemptId,
    known: bool,
}

/// The refusal of an attempt that has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The time to wait, in seconds.
    pub seconds: u64,
    /// Whether the wait is due to the attempts at the address, and not to the source's own.
    pub of_account: bool,
}

impl Attempts {
    /// Returns the attempts of these stored sources.
    pub fn new(sources: Vec<AtSource>) -> Self {
        Self(sources)
    }

    /// Returns the sources to store.
    pub fn sources(&self) -> &[AtSource] {
        &self.0
    }

    /// Returns whether the source has logged in at the address.
    pub fn is_known(&self, key: &AttemptKey, now: u64) -> bool {
        let at = self.of(key);
        at.is_some_and(|at| at.known && at.expires_at() > now)
    }

    /// Checks whether the source may try, regardless of other sources. This is a first check, which
    /// counts nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the source has to wait.
    pub fn may_try(&self, key: &AttemptKey, policy: &AttemptPolicy, now: u64) -> Result<(), Wait> {
        match self.of(key) {
            Some(at) => at.remembered(now).waits(policy, now),
            None => Ok(()),
        }
    }

    /// Returns the attempts with one more at `now`, whose outcome is not known yet. `login` is the
    /// account's last login, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the attempt has to wait. Such an attempt does not count.
    pub fn one_more(
        &self,
        key: &AttemptKey,
        policy: &AttemptPolicy,
        login: Option<&LastLogin>,
        now: u64,
    ) -> Result<Self, Wait> {
        let mut next = self.remembered(now);
        if let Some(login) = login {
            let of_login = next.0.iter_mut().find(|at| at.attempt == login.attempt);
            of_login.into_iter().for_each(|at| at.made = 0);
        }
        let since = login.map_or(0, |login| login.at);
        let after = next.0.iter().filter(|at| at.last >= since);
        let (made, last) = after.fold((0_u64, 0), |(made, last), at| {
            (made.saturating_add(at.made), last.max(at.last))
        });
        let at = next.at(key);
        at.waits(policy, now)?;
        if !at.known {
            let until = last.saturating_add(AttemptPolicy::wait(made, policy.free_of_account));
            Wait::until(until, now, true)?;
        }
        at.made = at.made.saturating_add(1);
        at.last = now;
        at.attempt = AttemptId::new();
        Ok(next)
    }

    /// Returns the attempts after the password was right: the source's count is reset, and the
    /// source is known from then on. The counts of other sources do not change. Returns `None` if
    /// there is nothing to write because the account's last login says it.
    pub fn after_login(&self, key: &AttemptKey, now: u64) -> Option<Self> {
        let mut next = self.remembered(now);
        let at = next.at(key);
        if at.known && at.made <= 1 {
            return None;
        }
        at.made = 0;
        at.last = now;
        at.known = true;
        next.forget_oldest_known();
        Some(next)
    }

    /// Returns the identifier of the source's last attempt.
    pub fn last_of(&self, key: &AttemptKey) -> AttemptId {
        self.of(key)
            .map(|at| at.attempt.clone())
            .unwrap_or_default()
    }

    /// Returns the time when all of the attempts are forgotten, in seconds since the epoch.
    pub fn expires_at(&self) -> u64 {
        let sources = self.0.iter().map(AtSource::expires_at);
        sources.max().unwrap_or(0)
    }

    pub(super) fn remembered(&self, now: u64) -> Self {
        let sources = self.0.iter().map(|at| at.remembered(now));
        Self(sources.filter(|at| at.expires_at() > now).collect())
    }

    /// Returns the attempts of the source, if it has made any.
    fn of(&self, key: &AttemptKey) -> Option<&AtSource> {
        let source = key.source_at_address();
        self.0.iter().find(|at| at.source == source)
    }

    /// Returns the attempts of the source, and adds the source if it is new.
    fn at(&mut self, key: &AttemptKey) -> &mut AtSource {
        let source = key.source_at_address();
        let place = self.0.iter().position(|at| at.source == source);
        let place = place.unwrap_or_else(|| {
            self.0.push(AtSource {
                source: source.to_owned(),
                made: 0,
                last: 0,
                attempt: AttemptId::new(),
                known: false,
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    fn forget_oldest_known(&mut self) {
        while self.0.iter().filter(|at| at.known).count() > AttemptPolicy::MOST_KNOWN {
            let known = self.0.iter().enumerate().filter(|(_, at)| at.known);
            let Some((oldest, _)) = known.min_by_key(|(_, at)| at.last) else {
                return;
            };
            self.0.remove(oldest);
        }
    }
}

impl Wait {
    fn until(then: u64, now: u64, of_account: bool) -> Result<(), Self> {
        match then.saturating_sub(now) {
            0 => Ok(()),
            seconds => Err(Self {
                seconds,
                of_account,
            }),
        }
    }
}

impl AtSource {
    fn waits(&self, policy: &AttemptPolicy, now: u64) -> Result<(), Wait> {
        let wait = AttemptPolicy::wait(self.made, policy.free);
        Wait::until(self.last.saturating_add(wait), now, false)
    }

    pub(super) fn remembered(&self, now: u64) -> Self {
        let forgotten = self.last.saturating_add(AttemptPolicy::FORGOTTEN_AFTER) <= now;
        Self {
            made: if forgotten { 0 } else { self.made },
            ..self.clone()
        }
    }

    fn expires_at(&self) -> u64 {
        self.last.saturating_add(if self.known {
            AttemptPolicy::KNOWN_FOR
        } else {
            AttemptPolicy::FORGOTTEN_AFTER
        })
    }
}

/// One line, as it is stored: source, count, time, attempt, and whether the source is known.
impl fmt::Display for AtSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if self.known { "known" } else { "-" };
        let attempt = self.attempt.as_str();
        write!(
            f,
            "{} {} {} {attempt} {known}",
            self.source, self.made, self.last
        )
    }
}

/// The stored text is not an entry of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a source, two numbers, an attempt and a mark")]
pub struct NotAnEntry;

impl FromStr for AtSource {
    type Err = NotAnEntry;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = text.split(' ').collect();
        let [source, made, last, attempt, known] = words[..] else {
            return Err(NotAnEntry);
        };
        Ok(Self {
            source: source.to_owned(),
            made: made.parse().map_err(|_| NotAnEntry)?,
            last: last.parse().map_err(|_| NotAnEntry)?,
            attempt: AttemptId(attempt.to_owned()),
            known: match known {
                "known" => true,
                "-" => false,
                _ => return Err(NotAnEntry),
            },
        })
    }
}
