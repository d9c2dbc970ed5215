//! The basis of all other layers: configuration, time, random octets.

pub mod clock;
pub mod config;
#[cfg(feature = "accounts")]
mod hex;
pub mod json;
#[cfg(feature = "accounts")]
pub mod random;
pub mod settings;

pub use clock::Clock;
pub use config::{ConfigError, Env};
#[cfg(feature = "accounts")]
pub use hex::hex;
