//! The clock. No other module reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of time: the system, or a test.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that stands still until a test moves it.
    Manual(ManualClock),
}

/// A clock that stands still until [`ManualClock::advance`] moves it. Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl Clock {
    /// Returns the seconds since 1970-01-01T00:00:00Z, the unit of a `NumericDate` (RFC 7519
    /// section 2) and of DynamoDB's time to live.
    pub fn now(&self) -> u64 {
        self.millis() / 1000
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    pub fn millis(&self) -> u64 {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the place")]
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, whole_millis),
            Self::Manual(clock) => clock.0.load(Ordering::SeqCst),
        }
    }
}

impl ManualClock {
    /// Returns a clock that stands at `seconds` since the epoch.
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds * 1000)))
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(whole_millis(by), Ordering::SeqCst);
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_for_all_its_clones() {
        let hand = ManualClock::at(1_000);
        let clock = Clock::Manual(hand.clone());
        assert_eq!(clock.now(), 1_000);
        hand.advance(Duration::from_millis(1_500));
        assert_eq!((clock.now(), clock.millis()), (1_001, 1_001_500));
    }
}
