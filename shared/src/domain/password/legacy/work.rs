//! What a verification costs, before it is computed.

use std::time::Duration;

/// The work of a derivation, estimated from its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work {
    /// The time on one core of an ordinary server of 2025, in nanoseconds.
    pub nanos: u64,
    /// The memory, in KiB.
    pub kib: u64,
}

/// An error: a password would take more time or memory to verify than this product spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored password would take about {} ms and {} MiB to verify; the limits are {} ms and {} MiB",
    .0.nanos / 1_000_000, .0.kib / 1024, Work::MOST.nanos / 1_000_000, Work::MOST.kib / 1024)]
pub struct TooCostly(pub Work);

impl Work {
    /// The limit of one verification.
    pub const MOST: Self = Self {
        nanos: 2_500_000_000,
        kib: 128 * 1024,
    };

    /// No work.
    pub const NONE: Self = Self { nanos: 0, kib: 0 };

    /// Returns the work of Argon2 with `kib` KiB of memory and `passes` passes.
    pub fn of_argon2(kib: u32, passes: u32) -> Self {
        let blocks = u64::from(kib).saturating_mul(u64::from(passes));
        Self {
            nanos: blocks.saturating_mul(410),
            kib: u64::from(kib),
        }
    }

    /// Returns the work of doing both, one after the other.
    pub fn and(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            kib: self.kib.max(other.kib),
        }
    }

    /// Returns the work of `count` operations of `nanos` nanoseconds each, without memory. It
    /// saturates.
    pub const fn of(count: u64, nanos: u64) -> Self {
        Self {
            nanos: count.saturating_mul(nanos),
            kib: 0,
        }
    }

    /// Returns the work of doing this twice, one after the other.
    pub const fn twice(self) -> Self {
        Self {
            nanos: self.nanos.saturating_mul(2),
            kib: self.kib,
        }
    }

    /// Returns the time.
    pub const fn time(self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// Returns this work.
    ///
    /// # Errors
    ///
    /// Returns an error if it is more than [`Work::MOST`].
    pub fn bounded(self) -> Result<Self, TooCostly> {
        match self.nanos <= Self::MOST.nanos && self.kib <= Self::MOST.kib {
            true => Ok(self),
            false => Err(TooCostly(self)),
        }
    }
}
