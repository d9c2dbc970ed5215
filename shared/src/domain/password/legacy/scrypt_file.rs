//! The header of an encrypted file of Tarsnap's `scrypt`, which npm's `scrypt-kdf` stores for a
//! password (Medusa).

use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::scrypt::Scrypt;
use super::{Algorithm, Digest, LegacyError, Octets, Secrets, Work};

/// scrypt, whose key signs the header. The signature is the digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScryptFile {
    /// The binary logarithm of the cost parameter N.
    pub ln: u8,
    /// The block size.
    pub r: u32,
    /// The parallelism.
    pub p: u32,
    /// The salt, of 32 octets.
    pub salt: Octets,
}

impl ScryptFile {
    /// Returns the part of the header that is signed: a magic word, the parameters, the salt, and
    /// the start of the SHA-256 of these.
    pub fn header(&self) -> Vec<u8> {
        let mut header = b"scrypt\0".to_vec();
        header.push(self.ln);
        header.extend_from_slice(&self.r.to_be_bytes());
        header.extend_from_slice(&self.p.to_be_bytes());
        header.extend_from_slice(&self.salt.0);
        let sum = Algorithm::Sha256.digest(&header);
        header.extend(sum.into_iter().take(16));
        header
    }
}

impl Derive for ScryptFile {
    fn work(&self) -> Work {
        Scrypt::work_of(self.ln, self.r, self.p)
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        let keys = Scrypt::derive((self.ln, self.r, self.p), &self.salt.0, 64, password)?;
        // The first half would encrypt the file.
        let (_, key) = keys.split_at_checked(32).ok_or(LegacyError::Unusable)?;
        Ok(Some(Algorithm::Sha256.hmac(key, &self.header()).into()))
    }
}
