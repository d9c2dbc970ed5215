//! The attempts of one source at a place, as they are stored.

use std::fmt;
use std::str::FromStr;

use super::policy::AttemptPolicy;
use super::record::AttemptId;

/// The attempts of one source at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtSource {
    pub(super) source: String,
    pub(super) made: u64,
    pub(super) last: u64,
    /// The identifier of the last attempt.
    pub(super) attempt: AttemptId,
    /// The time of the source's last success, in seconds since the epoch. It may be up to
    /// [`AttemptPolicy::SEEN_EVERY`] too old, which saves a write for most logins.
    pub(super) succeeded: Option<u64>,
}

impl AtSource {
    pub(super) fn is_known(&self, now: u64) -> bool {
        self.known_until().is_some_and(|until| until > now)
    }

    fn known_until(&self) -> Option<u64> {
        let succeeded = self.succeeded?;
        Some(succeeded.saturating_add(AttemptPolicy::KNOWN_FOR))
    }

    pub(super) fn expires_at(&self) -> u64 {
        let forgotten = self.last.saturating_add(AttemptPolicy::FORGOTTEN_AFTER);
        self.known_until()
            .map_or(forgotten, |known| known.max(forgotten))
    }
}

/// One line, as it is stored: source, count, time, attempt, and whether the source is known.
impl fmt::Display for AtSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source, made, last, ..
        } = self;
        let known = if self.succeeded.is_some() {
            "known"
        } else {
            "-"
        };
        write!(
            f,
            "{source} {made} {last} {} {known}",
            self.attempt.as_str()
        )
    }
}

/// The time when a source succeeded. It is stored beside the line of the source, whose form the
/// version before reads as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    pub(super) source: String,
    pub(super) at: u64,
}

impl fmt::Display for Success {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.at)
    }
}

impl FromStr for Success {
    type Err = NotAnEntry;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (source, at) = text.split_once(' ').ok_or(NotAnEntry)?;
        Ok(Self {
            source: source.to_owned(),
            at: at.parse().map_err(|_| NotAnEntry)?,
        })
    }
}

/// The stored text is not an entry of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the entry of a source")]
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
            attempt: AttemptId::read(attempt),
            succeeded: match known {
                "-" => None,
                // The exact time is stored beside the line.
                "known" => Some(last),
                _ => return Err(NotAnEntry),
            },
        })
    }
}
