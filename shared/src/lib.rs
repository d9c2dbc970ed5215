//! The code that all Latchkey functions share.
//!
//! # Layout
//!
//! There are seven layers. Each may use the layers above it in this list and none below. `domain`
//! and `aws` do not use each other, and neither do `store` and `tokens`.
//!
//! - [`platform`]: configuration, time, random octets.
//! - [`observe`]: the log: security events, the log line of a request, its metrics.
//! - `aws`: the configuration of the SDK, and KMS.
//! - [`domain`]: accounts, sessions, passwords. No HTTP, no AWS, no JOSE.
//! - [`tokens`]: access tokens (RFC 9068), the keys that sign and verify them (RFC 7517).
//! - `store`: DynamoDB. No other layer knows it.
//! - `http`: HTTP. No other layer knows it.
//!
//! Without the feature `accounts`, only the code that the authorizer needs is compiled: no AWS SDK,
//! no HTTP, no password hashing.

pub mod platform;

pub mod observe;

#[cfg(feature = "accounts")]
pub mod aws;

pub mod domain;

pub mod tokens;

#[cfg(feature = "accounts")]
pub mod store;

#[cfg(feature = "accounts")]
pub mod http;

#[cfg(test)]
mod layers;

#[cfg(test)]
mod properties;
