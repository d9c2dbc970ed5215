//! A hash function, many times.

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::step::joined;
use super::{Algorithm, Digest, LegacyError, Secrets, Work};

/// A hash function that is applied to its own digest, as Spring's `StandardPasswordEncoder`, FSHP
/// and Symfony's `MessageDigestPasswordHasher` do. Salts are [`super::Step`]s.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Iterated {
    /// The hash function.
    #[serde(rename = "alg")]
    pub algorithm: Algorithm,
    /// How often it is applied.
    #[serde(rename = "n")]
    pub rounds: u32,
    /// Whether the octets are put after the digest each time, as Symfony does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salted: bool,
}

impl Derive for Iterated {
    fn work(&self) -> Work {
        // The octets may take several blocks.
        let blocks = if self.salted { 8 } else { 1 };
        Work::of(u64::from(self.rounds), blocks * self.algorithm.nanos())
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        if self.rounds == 0 {
            return Err(LegacyError::Unusable);
        }
        let mut digest = Zeroizing::new(self.algorithm.digest(password));
        for _ in 1..self.rounds {
            let again = match self.salted {
                true => joined(&digest, password),
                false => digest,
            };
            digest = Zeroizing::new(self.algorithm.digest(&again));
        }
        Ok(Some(digest.to_vec().into()))
    }
}
