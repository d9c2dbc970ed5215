//! The attempts at one address, by source.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::platform::random;

use super::entry::{AtSource, Success};
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

    pub(super) fn read(stored: &str) -> Self {
        Self(stored.to_owned())
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

/// The attempts at one place, an address or a session, by source.
///
/// An attempt is counted before its outcome is known. A successful login is not written here. The
/// account stores the id of the attempt that succeeded; when the attempts are next read, that
/// source's count is reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    sources: Vec<AtSource>,
    strangers: Strangers,
}

/// The attempts of all sources that were not known when they tried. A success takes back its own
/// attempt and no other: whoever is waiting because of the others would see that the account exists,
/// and when its owner comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strangers {
    /// The number of attempts.
    pub made: u64,
    /// The time of the last one, in seconds since the epoch.
    pub last: u64,
}

/// The refusal of an attempt that has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The time to wait, in seconds.
    pub seconds: u64,
    /// Whether the wait is due to the attempts of all strangers, and not to the source's own.
    pub of_strangers: bool,
}

impl Attempts {
    /// Returns the attempts of these stored sources, the times of their successes, and the attempts
    /// of all strangers. An earlier version stored neither of the last two: then a source succeeded
    /// at its last attempt, and the strangers are the sources that are not known.
    pub fn new(
        mut sources: Vec<AtSource>,
        successes: Vec<Success>,
        strangers: Option<Strangers>,
    ) -> Self {
        for success in successes {
            let of_source = |at: &&mut AtSource| at.source == success.source;
            if let Some(at) = sources.iter_mut().find(of_source) {
                at.succeeded = at.succeeded.map(|_| success.at);
            }
        }
        let strangers = strangers.unwrap_or_else(|| {
            let unknown = sources.iter().filter(|at| at.succeeded.is_none());
            unknown.fold(Strangers::default(), |sum, at| Strangers {
                made: sum.made.saturating_add(at.made),
                last: sum.last.max(at.last),
            })
        });
        Self { sources, strangers }
    }

    /// Returns the attempts at an address of which an account was just opened: none, and the source
    /// is known.
    pub fn of_new_account(key: &AttemptKey, now: u64) -> Self {
        let mut attempts = Self::default();
        let at = attempts.at(key);
        at.last = now;
        at.succeeded = Some(now);
        attempts
    }

    /// Returns the sources to store.
    pub fn sources(&self) -> &[AtSource] {
        &self.sources
    }

    /// Returns the times of the successes to store.
    pub fn successes(&self) -> impl Iterator<Item = Success> {
        self.sources.iter().filter_map(|at| {
            Some(Success {
                source: at.source.clone(),
                at: at.succeeded?,
            })
        })
    }

    /// Returns the attempts of all strangers.
    pub fn strangers(&self) -> Strangers {
        self.strangers
    }

    /// Returns whether the source has succeeded here within 90 days, or began the session.
    pub fn is_known(&self, key: &AttemptKey, now: u64) -> bool {
        key.is_home() || self.of(key).is_some_and(|at| at.is_known(now))
    }

    /// Checks whether the source may try. This counts nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the source has to wait.
    pub fn may_try(&self, key: &AttemptKey, policy: &AttemptPolicy, now: u64) -> Result<(), Wait> {
        let now_stored = self.remembered(now);
        let at = now_stored.of(key);
        let made = at.map_or(0, |at| at.made);
        let wait = AttemptPolicy::wait(made, policy.free);
        let last = at.map_or(0, |at| at.last);
        Wait::until(last.saturating_add(wait), now, false)?;
        if now_stored.is_known(key, now) {
            return Ok(());
        }
        let Strangers { made, last } = now_stored.strangers;
        let wait = AttemptPolicy::wait(made, policy.free_of_account);
        Wait::until(last.saturating_add(wait), now, true)
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
            let of_login = |at: &AtSource| at.attempt == login.attempt;
            if let Some(place) = next.sources.iter().position(of_login) {
                next.succeed(place, next.sources[place].last);
            }
        }
        next.may_try(key, policy, now)?;
        if !next.is_known(key, now) {
            next.strangers.made = next.strangers.made.saturating_add(1);
            next.strangers.last = now;
        }
        let at = next.at(key);
        at.made = at.made.saturating_add(1);
        at.last = now;
        at.attempt = AttemptId::new();
        Ok(next)
    }

    /// Returns the attempts after the password was right: the source's count is reset, and the
    /// source is known from then on. If it was a stranger, this attempt is taken back from those of
    /// all strangers. Returns `None` if there is nothing to write because the account's last login
    /// says it.
    pub fn after_login(&self, key: &AttemptKey, now: u64) -> Option<Self> {
        let mut next = self.remembered(now);
        let at = next.at(key);
        let is_fresh = |then: u64| then.saturating_add(AttemptPolicy::SEEN_EVERY) > now;
        if (key.is_home() || at.succeeded.is_some_and(is_fresh)) && at.made <= 1 {
            return None;
        }
        at.last = now;
        let place = next.place_of(key)?;
        next.succeed(place, now);
        next.forget_oldest_known();
        Some(next)
    }

    /// Records that the last attempt of a source was a success at `now`.
    fn succeed(&mut self, place: usize, now: u64) {
        let Some(at) = self.sources.get_mut(place) else {
            return;
        };
        let was_stranger = at.succeeded.is_none() && at.made > 0;
        at.made = 0;
        at.succeeded = at.succeeded.max(Some(now));
        if was_stranger {
            let others = self.sources.iter().filter(|at| at.succeeded.is_none());
            self.strangers = Strangers {
                made: self.strangers.made.saturating_sub(1),
                last: others.map(|at| at.last).max().unwrap_or(0),
            };
        }
    }

    /// Returns the identifier of the source's last attempt.
    pub fn last_of(&self, key: &AttemptKey) -> AttemptId {
        self.of(key)
            .map(|at| at.attempt.clone())
            .unwrap_or_default()
    }

    /// Returns the time when all of the attempts are forgotten, in seconds since the epoch.
    pub fn expires_at(&self) -> u64 {
        let sources = self.sources.iter().map(AtSource::expires_at);
        let strangers = self.strangers.last + AttemptPolicy::FORGOTTEN_AFTER;
        sources.max().unwrap_or(0).max(strangers)
    }

    pub(super) fn remembered(&self, now: u64) -> Self {
        let forgotten = |last: u64| last.saturating_add(AttemptPolicy::FORGOTTEN_AFTER) <= now;
        let mut next = self.clone();
        next.sources.retain(|at| at.expires_at() > now);
        for at in &mut next.sources {
            if forgotten(at.last) {
                at.made = 0;
            }
            if !at.is_known(now) {
                at.succeeded = None;
            }
        }
        if forgotten(next.strangers.last) {
            next.strangers = Strangers::default();
        }
        next
    }

    /// Returns the attempts of the source, if it has made any.
    fn of(&self, key: &AttemptKey) -> Option<&AtSource> {
        self.sources.get(self.place_of(key)?)
    }

    fn place_of(&self, key: &AttemptKey) -> Option<usize> {
        let source = key.source_at_place();
        self.sources.iter().position(|at| at.source == source)
    }

    /// Returns the attempts of the source, and adds the source if it is new.
    fn at(&mut self, key: &AttemptKey) -> &mut AtSource {
        let place = self.place_of(key).unwrap_or_else(|| {
            self.sources.push(AtSource {
                source: key.source_at_place().to_owned(),
                made: 0,
                last: 0,
                attempt: AttemptId::new(),
                succeeded: None,
            });
            self.sources.len() - 1
        });
        &mut self.sources[place]
    }

    fn forget_oldest_known(&mut self) {
        let known = |at: &AtSource| at.succeeded;
        while self.sources.iter().filter_map(known).count() > AttemptPolicy::MOST_KNOWN {
            let known = self.sources.iter_mut().filter(|at| at.succeeded.is_some());
            let Some(oldest) = known.min_by_key(|at| at.succeeded) else {
                return;
            };
            // Its count stays: whoever waits there must not notice.
            oldest.succeeded = None;
        }
    }
}

impl Wait {
    fn until(then: u64, now: u64, of_strangers: bool) -> Result<(), Self> {
        match then.saturating_sub(now) {
            0 => Ok(()),
            seconds => Err(Self {
                seconds,
                of_strangers,
            }),
        }
    }
}
