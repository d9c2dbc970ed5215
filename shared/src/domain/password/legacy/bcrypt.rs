//! bcrypt: N. Provos and D. Mazières, "A Future-Adaptable Password Scheme", USENIX 1999.

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::step::joined;
use super::{Digest, LegacyError, Octets, Secrets, Work};

/// bcrypt as everyone computes it: a NUL is put after the password, and 72 octets are used. What is
/// refused or cut before is a [`super::Step`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bcrypt {
    /// The binary logarithm of the number of rounds: 4 to 31.
    pub cost: u32,
    /// The salt, of 16 octets.
    pub salt: Octets,
    /// Whether octets above 127 are taken for negative numbers, as before crypt_blowfish 1.1
    /// (`$2x$`; CVE-2011-2483).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sign_extended: bool,
}

impl Bcrypt {
    /// The length of the digest in octets. The last octet of the cipher text is not stored.
    pub const LENGTH: usize = 23;
    /// The number of octets of a password that count.
    pub const MOST: usize = 72;

    /// Returns the 72 octets of key that the faulty crypt_blowfish makes of `password`, which ends
    /// with a NUL: each octet is extended by its sign to 32 bits, and overwrites by OR what stands
    /// left of it in the same word.
    fn sign_extend(password: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut octets = password.iter().cycle();
        let mut key = Zeroizing::new(Vec::with_capacity(Self::MOST));
        for _ in 0..Self::MOST / 4 {
            let word = octets.by_ref().take(4).fold(0_u32, |word, &octet| {
                let extended = match octet < 0x80 {
                    true => u32::from(octet),
                    false => 0xffff_ff00 | u32::from(octet),
                };
                word << 8 | extended
            });
            key.extend_from_slice(&word.to_be_bytes());
        }
        key
    }
}

impl Derive for Bcrypt {
    fn work(&self) -> Work {
        Work::of(1_u64.checked_shl(self.cost).unwrap_or(u64::MAX), 75_000)
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        let salt = self.salt.0.as_slice().try_into();
        let salt: [u8; 16] = salt.map_err(|_| LegacyError::Unusable)?;
        if !(4..=31).contains(&self.cost) {
            return Err(LegacyError::Unusable);
        }
        let mut key = joined(password, &[0]);
        key.truncate(Self::MOST);
        if self.sign_extended {
            key = Self::sign_extend(&key);
        }
        let mut digest = ::bcrypt::bcrypt(self.cost, salt, &key).to_vec();
        digest.truncate(Self::LENGTH);
        Ok(Some(digest.into()))
    }
}
