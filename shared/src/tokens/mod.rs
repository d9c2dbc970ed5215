//! Access tokens: JWTs as RFC 9068 profiles them, signed by one key and verified by a set of them.

pub mod audience;
pub mod bearer;
pub mod claims;
pub mod context;
pub mod jwk;
pub mod jwks;
pub mod verifier;

#[cfg(feature = "accounts")]
pub mod issuer;
#[cfg(feature = "accounts")]
pub mod private_key;
#[cfg(feature = "accounts")]
pub mod public_key;
#[cfg(feature = "accounts")]
pub mod signer;
