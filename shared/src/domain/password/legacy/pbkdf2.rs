//! PBKDF2 (RFC 8018 section 5.2).

use std::num::NonZeroU32;

use ::hmac::SimpleHmac;
use aws_lc_rs::pbkdf2 as aws;
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::step::{joined, known};
use super::{Algorithm, Digest, LegacyError, Octets, SecretName, Secrets, Work};

/// PBKDF2 with HMAC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pbkdf2 {
    /// The hash function of the HMAC.
    #[serde(rename = "alg")]
    pub algorithm: Algorithm,
    /// The number of rounds.
    #[serde(rename = "n")]
    pub rounds: u32,
    /// The salt.
    pub salt: Octets,
    /// A secret of the site that is put after the salt, as Spring does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt_secret: Option<SecretName>,
    /// The length of the digest in octets.
    #[serde(rename = "len")]
    pub length: u32,
}

impl Pbkdf2 {
    /// The limit on the length of the digest.
    pub const MOST_OCTETS: u32 = 1024;
}

impl Derive for Pbkdf2 {
    fn work(&self) -> Work {
        let a_block = u32::try_from(self.algorithm.length()).unwrap_or(1);
        let blocks = u64::from(self.length.div_ceil(a_block));
        let rounds = u64::from(self.rounds).saturating_mul(blocks);
        // An HMAC takes two blocks of the hash function, if what comes before is kept.
        Work::of(rounds, 2 * self.algorithm.nanos())
    }

    fn secret(&self) -> Option<&SecretName> {
        self.salt_secret.as_ref()
    }

    fn digest(&self, password: &[u8], secrets: &Secrets) -> Result<Option<Digest>, LegacyError> {
        let rounds = NonZeroU32::new(self.rounds).ok_or(LegacyError::Unusable)?;
        if !(1..=Self::MOST_OCTETS).contains(&self.length) {
            return Err(LegacyError::Unusable);
        }
        let secret = self.salt_secret.as_ref();
        let secret = secret.map(|name| known(secrets, name)).transpose()?;
        let salt = joined(&self.salt.0, secret.unwrap_or_default());
        let length = usize::try_from(self.length).map_err(|_| LegacyError::Unusable)?;
        let mut out = vec![0; length];
        macro_rules! rust_crypto {
            ($hash:ty) => {
                ::pbkdf2::pbkdf2::<SimpleHmac<$hash>>(password, &salt, rounds.get(), &mut out)
                    .map_err(|_| LegacyError::Unusable)?
            };
        }
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => Some(aws::PBKDF2_HMAC_SHA1),
            Algorithm::Sha256 => Some(aws::PBKDF2_HMAC_SHA256),
            Algorithm::Sha384 => Some(aws::PBKDF2_HMAC_SHA384),
            Algorithm::Sha512 => Some(aws::PBKDF2_HMAC_SHA512),
            _ => None,
        };
        match (algorithm, self.algorithm) {
            (Some(algorithm), _) => aws::derive(algorithm, rounds, &salt, password, &mut out),
            (_, Algorithm::Md5) => rust_crypto!(md5::Md5),
            (_, Algorithm::Sha224) => rust_crypto!(sha2::Sha224),
            (_, Algorithm::Sha3_224) => rust_crypto!(sha3::Sha3_224),
            (_, Algorithm::Sha3_256) => rust_crypto!(sha3::Sha3_256),
            (_, Algorithm::Sha3_384) => rust_crypto!(sha3::Sha3_384),
            (_, Algorithm::Sha3_512) => rust_crypto!(sha3::Sha3_512),
            _ => return Err(LegacyError::Unusable),
        }
        Ok(Some(out.into()))
    }
}
