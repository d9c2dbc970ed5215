//! Access tokens: JWTs in the profile of RFC 9068, signed with one key and verified with a set of
//! keys.

pub mod audience;
pub mod bearer;
pub mod claims;
pub mod context;
pub mod jwk;
pub mod jwks;
pub mod verifier;

#[cfg(feature = "accounts")]
mod issued;
#[cfg(feature = "accounts")]
pub mod issuer;
#[cfg(feature = "accounts")]
pub mod private_key;
#[cfg(feature = "accounts")]
pub mod public_key;
#[cfg(feature = "accounts")]
pub mod signer;
#[cfg(feature = "accounts")]
pub mod size;

#[cfg(feature = "accounts")]
pub use issuer::{AccessToken, Issuer};
#[cfg(feature = "accounts")]
pub use size::TokenSize;
