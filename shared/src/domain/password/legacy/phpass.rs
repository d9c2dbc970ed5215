//! phpass (Solar Designer), as WordPress, phpBB and Drupal 7 use it.

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::crypt::TYPICAL;
use super::derivation::Derive;
use super::{Algorithm, Digest, LegacyError, Octets, Secrets, Work};

/// phpass' portable hash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Phpass {
    /// The binary logarithm of the number of rounds: 7 to 30.
    pub cost: u32,
    /// The salt.
    pub salt: Octets,
    /// Whether it is Drupal's variant: SHA-512, of which a text of 55 characters keeps 258 bits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drupal: bool,
}

impl Phpass {
    /// The length of Drupal's digests in octets. Of the last one, two bits are kept.
    pub const DRUPAL_OCTETS: usize = 33;

    fn work_for(&self, length: usize) -> Work {
        let rounds = match self.cost {
            0..=30 => 1 << self.cost,
            _ => u64::MAX,
        };
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let nanos = match self.drupal {
            false => (length.saturating_add(24) / 64 + 1) * Algorithm::Md5.nanos(),
            true => (length.saturating_add(80) / 128 + 1) * Algorithm::Sha512.nanos(),
        };
        Work::of(rounds, nanos)
    }
}

impl Derive for Phpass {
    fn work(&self) -> Work {
        self.work_for(TYPICAL)
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        self.work_for(password.len()).bounded()?;
        let rounds = 1_u64 << self.cost.min(30);
        let digest = match self.drupal {
            false => {
                let of = |first: &[u8]| {
                    let both = Md5::new_with_prefix(first).chain_update(password);
                    <[u8; 16]>::from(both.finalize())
                };
                (0..rounds)
                    .fold(of(&self.salt.0), |digest, _| of(&digest))
                    .to_vec()
            }
            true => {
                let of = |first: &[u8]| {
                    let mut both = digest::Context::new(&digest::SHA512);
                    both.update(first);
                    both.update(password);
                    both.finish()
                };
                let whole = (0..rounds).fold(of(&self.salt.0), |digest, _| of(digest.as_ref()));
                let mut kept = Zeroizing::new(whole.as_ref().to_vec());
                kept.truncate(Self::DRUPAL_OCTETS);
                if let Some(last) = kept.last_mut() {
                    *last &= 3;
                }
                kept.to_vec()
            }
        };
        Ok(Some(digest.into()))
    }
}
