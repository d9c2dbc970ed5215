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

/// The attempts of all sources that were not known when they tried. Success does not lower the
/// count: whoever is waiting because of it would see that the account exists, and when its owner
/// comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strangers {
    /// The number of attempts.
    pub made: u64,
    /// The time of the last one, in seconds since the epoch.
    pub last: u64,
}

/// The attempts of one source at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtSource {
    source: String,
    made: u64,
    pub(super) last: u64,
    /// The identifier of the last attempt.
    attempt: AttemptId,
    /// The time of the source's last success, in seconds since the epoch. It may be up to
    /// [`AttemptPolicy::SEEN_EVERY`] too old, which saves a write for most logins.
    succeeded: Option<u64>,
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
    /// Returns the attempts of these stored sources, and of all strangers. Items of versions that
    /// did not store the latter have the sum of the sources that are not known.
    pub fn new(sources: Vec<AtSource>, strangers: Option<Strangers>) -> Self {
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

    /// Returns the attempts of all strangers.
    pub fn strangers(&self) -> Strangers {
        self.strangers
    }

    /// Returns whether the source has succeeded here within 90 days.
    pub fn is_known(&self, key: &AttemptKey, now: u64) -> bool {
        self.of(key).is_some_and(|at| at.is_known(now))
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
        if at.is_some_and(|at| at.is_known(now)) {
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
            let of_login = next.sources.iter_mut();
            for at in of_login.filter(|at| at.attempt == login.attempt) {
                at.made = 0;
                at.succeeded = at.succeeded.max(Some(at.last));
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
    /// source is known from then on. No other count changes. Returns `None` if there is nothing to
    /// write because the account's last login says it.
    pub fn after_login(&self, key: &AttemptKey, now: u64) -> Option<Self> {
        let mut next = self.remembered(now);
        let at = next.at(key);
        let is_fresh = |then: u64| then.saturating_add(AttemptPolicy::SEEN_EVERY) > now;
        if at.succeeded.is_some_and(is_fresh) && at.made <= 1 {
            return None;
        }
        at.made = 0;
        at.last = now;
        at.succeeded = Some(now);
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
        let source = key.source_at_place();
        self.sources.iter().find(|at| at.source == source)
    }

    /// Returns the attempts of the source, and adds the source if it is new.
    fn at(&mut self, key: &AttemptKey) -> &mut AtSource {
        let source = key.source_at_place();
        let place = self.sources.iter().position(|at| at.source == source);
        let place = place.unwrap_or_else(|| {
            self.sources.push(AtSource {
                source: source.to_owned(),
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
            let known = self.sources.iter().enumerate();
            let known = known.filter_map(|(place, at)| Some((at.succeeded?, place)));
            let Some((_, oldest)) = known.min() else {
                return;
            };
            self.sources.remove(oldest);
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

impl AtSource {
    fn is_known(&self, now: u64) -> bool {
        self.known_until().is_some_and(|until| until > now)
    }

    fn known_until(&self) -> Option<u64> {
        let succeeded = self.succeeded?;
        Some(succeeded.saturating_add(AttemptPolicy::KNOWN_FOR))
    }

    fn expires_at(&self) -> u64 {
        let forgotten = self.last.saturating_add(AttemptPolicy::FORGOTTEN_AFTER);
        self.known_until()
            .map_or(forgotten, |known| known.max(forgotten))
    }
}

/// One line, as it is stored: source, count, time, attempt, and the time of the last success or `-`.
impl fmt::Display for AtSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            made,
            last,
            attempt,
            succeeded,
        } = self;
        write!(f, "{source} {made} {last} {} ", attempt.as_str())?;
        match succeeded {
            Some(then) => write!(f, "{then}"),
            None => f.write_str("-"),
        }
    }
}

/// The stored text is not an entry of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a source, two numbers, an attempt and a time")]
pub struct NotAnEntry;

impl FromStr for AtSource {
    type Err = NotAnEntry;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = text.split(' ').collect();
        let [source, made, last, attempt, known] = words[..] else {
            return Err(NotAnEntry);
        };
        let last = last.parse().map_err(|_| NotAnEntry)?;
        Ok(Self {
            source: source.to_owned(),
            made: made.parse().map_err(|_| NotAnEntry)?,
            last,
            attempt: AttemptId(attempt.to_owned()),
            succeeded: match known {
                "-" => None,
                // As an earlier version wrote it.
                "known" => Some(last),
                then => Some(then.parse().map_err(|_| NotAnEntry)?),
            },
        })
    }
}
