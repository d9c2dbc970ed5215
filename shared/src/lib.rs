//! What every Latchkey function shares.
//!
//! # Layout
//!
//! Seven layers. Each may use those above it in this list and none below; `domain` and `aws` do not
//! know each other, nor do `store` and `tokens`.
//!
//! - [`platform`]: configuration, time, random octets.
//! - [`observe`]: the log: security events, the line of a request, its metrics.
//! - `aws`: what the SDK needs, and KMS.
//! - [`domain`]: what an account is. No HTTP, no AWS, no JOSE.
//! - [`tokens`]: access tokens (RFC 9068), the keys that sign and verify them (RFC 7517).
//! - `store`: the one place that knows DynamoDB.
//! - `http`: the one place that knows HTTP.
//!
//! Without the feature `accounts` only what the authorizer needs is left: no AWS SDK, no HTTP, no
//! password hashing.

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
