//! The functions of crypt(3) that are neither bcrypt nor scrypt.

mod des;
mod hamlet;
mod md5;
mod sha1;
#[cfg(test)]
mod tests;
mod yescrypt;

use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::{Algorithm, Digest, LegacyError, Octets, Secrets, Work};

pub use yescrypt::Yescrypt;

/// A function of crypt(3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Crypt {
    /// DES-crypt, which uses eight octets of the password.
    Des {
        /// The salt: twelve bits.
        salt: u16,
    },
    /// BSDi's extended DES-crypt.
    Bsdi {
        /// The number of rounds.
        #[serde(rename = "n")]
        rounds: u32,
        /// The salt: 24 bits.
        salt: u32,
    },
    /// md5-crypt.
    Md5 {
        /// The salt.
        salt: Octets,
        /// Whether it is Apache's variant (`$apr1$`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        apache: bool,
    },
    /// NetBSD's sha1-crypt.
    Sha1 {
        /// The number of rounds.
        #[serde(rename = "n")]
        rounds: u32,
        /// The salt.
        salt: Octets,
    },
    /// SHA-256-crypt (Ulrich Drepper).
    Sha256 {
        /// The number of rounds: 1,000 to 999,999,999.
        #[serde(rename = "n")]
        rounds: u32,
        /// The salt, of at most 16 octets.
        salt: Octets,
    },
    /// SHA-512-crypt (Ulrich Drepper).
    Sha512 {
        /// The number of rounds: 1,000 to 999,999,999.
        #[serde(rename = "n")]
        rounds: u32,
        /// The salt, of at most 16 octets.
        salt: Octets,
    },
    /// Solaris' crypt_sunmd5.
    Sun {
        /// How many rounds the text names. 4,096 are added.
        #[serde(rename = "n")]
        rounds: u32,
        /// The text up to its salt, which includes the `$` after the salt if two follow.
        settings: String,
    },
    /// FreeBSD's NT-Hash (`$3$`), which takes octets for code points.
    Nt,
    /// yescrypt.
    Yescrypt(Yescrypt),
}

impl Crypt {
    /// Returns the work for a password of so many octets. All but DES and yescrypt hash the password
    /// anew in each round.
    fn work_for(&self, length: usize) -> Work {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        // How many blocks a round hashes, if it hashes `times` the password and `more` octets.
        let blocks = |times: u64, more: u64, block: u64| {
            let octets = length.saturating_mul(times).saturating_add(more);
            octets / block + 1
        };
        let rounds = |count: u32| u64::from(count);
        match self {
            Self::Des { .. } => Work::of(25, NANOS_OF_DES),
            Self::Bsdi { rounds: count, .. } => Work::of(rounds(*count), NANOS_OF_DES),
            Self::Md5 { .. } => Work::of(1_000, blocks(2, 32, 64) * Algorithm::Md5.nanos()),
            // Without its padding: an HMAC whose key is prepared.
            Self::Sha1 { rounds: count, .. } => {
                Work::of(rounds(*count), 2 * Algorithm::Sha1.nanos())
            }
            Self::Sha256 { rounds: count, .. } => Work::of(
                rounds(*count),
                blocks(2, 48, 64) * Algorithm::Sha256.nanos(),
            ),
            Self::Sha512 { rounds: count, .. } => Work::of(
                rounds(*count),
                blocks(2, 80, 128) * Algorithm::Sha512.nanos(),
            ),
            Self::Sun { rounds: count, .. } => {
                // Every other round hashes the soliloquy, too.
                let rounds = rounds(*count).saturating_add(u64::from(md5::SUN_ROUNDS));
                Work::of(rounds, 13 * Algorithm::Md5.nanos())
            }
            Self::Nt => Work::of(1, blocks(2, 0, 64) * Algorithm::Md4.nanos()),
            Self::Yescrypt(yescrypt) => yescrypt.work(),
        }
    }
}

/// How long DES takes for a block.
const NANOS_OF_DES: u64 = 400;

impl Derive for Crypt {
    fn work(&self) -> Work {
        self.work_for(TYPICAL)
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        // A long password must not make a hash of many rounds take a minute.
        self.work_for(password.len()).bounded()?;
        let digest = match self {
            Self::Des { salt } => des::des(password, *salt).to_vec(),
            Self::Bsdi { rounds, salt } => des::bsdi(password, *rounds, *salt).to_vec(),
            Self::Md5 { salt, apache } => {
                let magic = if *apache { "$apr1$" } else { "$1$" };
                md5::md5_crypt(password, &salt.0, magic).to_vec()
            }
            Self::Sha1 { rounds, salt } => sha1::sha1_crypt(password, &salt.0, *rounds),
            Self::Sha256 { rounds, salt } => {
                sha_crypt::sha256_crypt(password, &salt.0, sha_params(*rounds)?).to_vec()
            }
            Self::Sha512 { rounds, salt } => {
                sha_crypt::sha512_crypt(password, &salt.0, sha_params(*rounds)?).to_vec()
            }
            Self::Sun { rounds, settings } => md5::sun_md5(password, settings, *rounds).to_vec(),
            Self::Nt => {
                let wide: Vec<u8> = password.iter().flat_map(|&octet| [octet, 0]).collect();
                Algorithm::Md4.digest(&wide)
            }
            Self::Yescrypt(yescrypt) => yescrypt.digest(password).ok_or(LegacyError::Unusable)?,
        };
        Ok(Some(digest.into()))
    }
}

/// The length of a password, in octets, for which work is estimated.
pub(super) const TYPICAL: usize = 24;

fn sha_params(rounds: u32) -> Result<sha_crypt::Params, LegacyError> {
    sha_crypt::Params::new(rounds).map_err(|_| LegacyError::Unusable)
}
