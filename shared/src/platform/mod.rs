//! What all else stands on: configuration, time, random octets.

pub mod clock;
pub mod config;
#[cfg(feature = "accounts")]
pub mod random;
