//! scrypt (RFC 7914).

use ::scrypt::Params;
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::{Digest, LegacyError, Octets, Secrets, Work};

/// scrypt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scrypt {
    /// The binary logarithm of the cost parameter N.
    pub ln: u8,
    /// The block size.
    pub r: u32,
    /// The parallelism.
    pub p: u32,
    /// The salt.
    pub salt: Octets,
    /// The length of the digest in octets.
    #[serde(rename = "len")]
    pub length: u32,
}

impl Scrypt {
    /// Returns the work for these parameters: `N` blocks of `r` times 128 octets, and `p` more. The
    /// parallel parts are computed one after the other, in the same memory.
    pub(super) fn work_of(ln: u8, r: u32, p: u32) -> Work {
        /// What `p` may add without counting, in KiB.
        const SMALL: u64 = 1024;
        let n = 1_u64.checked_shl(u32::from(ln)).unwrap_or(u64::MAX);
        let blocks = n.saturating_mul(u64::from(r));
        let more = u64::from(r).saturating_mul(u64::from(p)) / 8;
        Work {
            kib: (blocks / 8).saturating_add(more.saturating_sub(SMALL)),
            ..Work::of(blocks.saturating_mul(u64::from(p)), 340)
        }
    }

    /// Returns `length` octets.
    pub(super) fn derive(
        (ln, r, p): (u8, u32, u32),
        salt: &[u8],
        length: usize,
        password: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, LegacyError> {
        Self::work_of(ln, r, p).bounded()?;
        let params = Params::new(ln, r, p).map_err(|_| LegacyError::Unusable)?;
        let mut out = Zeroizing::new(vec![0; length]);
        let done = ::scrypt::scrypt(password, salt, &params, &mut out);
        done.map_err(|_| LegacyError::Unusable)?;
        Ok(out)
    }
}

impl Derive for Scrypt {
    fn work(&self) -> Work {
        Self::work_of(self.ln, self.r, self.p)
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        let length = usize::try_from(self.length.min(1024)).unwrap_or(1024);
        let params = (self.ln, self.r, self.p);
        let digest = Self::derive(params, &self.salt.0, length, password)?;
        Ok(Some(digest.to_vec().into()))
    }
}
