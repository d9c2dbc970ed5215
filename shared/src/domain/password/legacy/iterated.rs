//! A hash function, many times.

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::step::joined;
use super::{Algorithm, Digest, Encoding, LegacyError, Octets, Secrets, Work};

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
    /// The key of an HMAC, which is used instead of the bare hash function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Octets>,
    /// Whether a digest is hashed again as lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hex: bool,
}

impl Iterated {
    /// Returns so many rounds of a hash function, which hashes its own digest.
    pub fn plain(algorithm: Algorithm, rounds: u32) -> Self {
        Self {
            algorithm,
            rounds,
            salted: false,
            key: None,
            hex: false,
        }
    }

    fn once(&self, octets: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match &self.key {
            Some(key) => self.algorithm.hmac(&key.0, octets),
            None => self.algorithm.digest(octets),
        })
    }
}

impl Derive for Iterated {
    fn work(&self) -> Work {
        // The octets may take several blocks, and an HMAC takes four.
        let salted = if self.salted { 8 } else { 1 };
        let blocks = if self.key.is_some() { 4 } else { salted };
        Work::of(
            u64::from(self.rounds),
            blocks * self.algorithm.nanos() + 100,
        )
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        if self.rounds == 0 {
            return Err(LegacyError::Unusable);
        }
        let mut digest = self.once(password);
        for _ in 1..self.rounds {
            if self.hex {
                digest = Zeroizing::new(Encoding::Hex.encode(digest.to_vec()));
            }
            digest = match self.salted {
                true => self.once(&joined(&digest, password)),
                false => self.once(&digest),
            };
        }
        Ok(Some(digest.to_vec().into()))
    }
}
