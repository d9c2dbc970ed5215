//! What every Latchkey function shares.
//!
//! # Layout
//!
//! Four layers; each may use those above it in this list and none below.
//!
//! - base: [`mod@afterwards`], `aws`, [`clock`], [`config`], [`events`], [`fault`], [`metrics`], [`random`],
//!   [`tally`], [`telemetry`]; knows nothing of accounts, HTTP or DynamoDB.
//! - [`people`]: what an account is. No HTTP, no AWS, no JOSE.
//! - [`tokens`]: access tokens (RFC 9068), the keys that sign and verify them (RFC 7517).
//! - [`store`]: the one place that knows DynamoDB.
//! - [`edge`]: the one place that knows HTTP.
//!
//! Without the feature `accounts` only what the authorizer needs is left: no AWS SDK, no HTTP, no
//! password hashing.

pub mod afterwards;
#[cfg(feature = "accounts")]
pub mod aws;
pub mod clock;
pub mod config;
pub mod events;
#[cfg(feature = "accounts")]
pub mod fault;
pub mod metrics;
#[cfg(feature = "accounts")]
pub mod random;
pub mod tally;
pub mod telemetry;

pub mod people;
pub mod tokens;

#[cfg(feature = "accounts")]
pub mod store;

#[cfg(feature = "accounts")]
pub mod edge;

#[cfg(test)]
mod layers;

#[cfg(test)]
mod properties;
