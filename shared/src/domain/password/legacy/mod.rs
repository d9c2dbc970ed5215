//! Passwords as other systems stored them.
//!
//! A [`LegacyScheme`] tells how another system made its digest from the octets that were typed:
//! [`Step`]s, one after the other, and then a [`Derivation`]. It holds the salt and the parameters,
//! but neither the digest nor a secret of the site, so that it may lie in the table.
//! [`LegacyScheme::work`] refuses what is too costly before anything is computed.

mod algorithm;
mod argon2;
mod bcrypt;
mod crypt;
pub mod crypt64;
mod derivation;
mod firebase;
mod iterated;
mod mysql323;
mod octets;
mod pbkdf2;
mod phpass;
mod scram;
mod scrypt;
mod scrypt_file;
mod secrets;
mod step;
mod work;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, Encoding};
pub use argon2::{Argon2Kind, LegacyArgon2};
pub use bcrypt::Bcrypt;
pub use crypt::{Crypt, Yescrypt};
pub use derivation::Derivation;
pub use firebase::Firebase;
pub use iterated::Iterated;
pub use mysql323::Mysql323;
pub use octets::Octets;
pub use pbkdf2::Pbkdf2;
pub use phpass::Phpass;
pub use scram::Scram;
pub use scrypt::Scrypt;
pub use scrypt_file::ScryptFile;
pub use secrets::{SecretName, Secrets};
pub use step::{HmacKey, Step};
pub use work::{TooCostly, Work};

use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};

/// How another system made the digest of a password that it stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyScheme {
    /// What happens to the octets first, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// How the digest is derived from them.
    pub derivation: Derivation,
    /// Whether the system may have put a backslash before each quote and backslash, as WordPress
    /// does. If so, there are two digests for such passwords.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_slashed: bool,
}

/// The digest that another system compares. It cannot be printed, and is wiped when dropped.
pub type Digest = SecretSlice<u8>;

/// An error of computing a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LegacyError {
    /// The scheme is too costly.
    #[error(transparent)]
    TooCostly(#[from] TooCostly),
    /// The configuration lacks a secret of the site.
    #[error("the secret \"{0}\" of the imported passwords is not configured")]
    NoSecret(SecretName),
    /// A secret of the site is not what the scheme needs.
    #[error("the secret \"{0}\" of the imported passwords is unusable: {1}")]
    UnusableSecret(SecretName, &'static str),
    /// The parameters are not ones that the old system accepts.
    #[error("the parameters of the imported password are unusable")]
    Unusable,
}

impl LegacyScheme {
    /// Returns a scheme without steps.
    pub fn of(derivation: Derivation) -> Self {
        Self {
            steps: Vec::new(),
            derivation,
            or_slashed: false,
        }
    }

    /// Returns the work of one verification.
    ///
    /// # Errors
    ///
    /// Returns an error if it is more than this product computes.
    pub fn work(&self) -> Result<Work, TooCostly> {
        let once = self.work_of_one();
        let all = match self.or_slashed {
            true => once.twice(),
            false => once,
        };
        all.bounded()
    }

    /// Returns the work of one digest. There may be two of them.
    pub(super) fn work_of_one(&self) -> Work {
        self.derivation.work()
    }

    /// Returns the names of the secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let steps = self.steps.iter().filter_map(Step::secret);
        steps.chain(self.derivation.secret())
    }

    /// Returns the digests that the old system may have stored for the octets that were typed: one,
    /// or two if it may have changed them in two ways. There is none if the old system refuses these
    /// octets whatever it has stored.
    ///
    /// # Errors
    ///
    /// Returns an error if the scheme is too costly, needs a secret that is not there, or cannot be
    /// computed.
    pub fn digests(&self, typed: &str, secrets: &Secrets) -> Result<Vec<Digest>, LegacyError> {
        self.work()?;
        let mut digests = Vec::new();
        let slashed = self.or_slashed.then(|| step::slashed(typed)).flatten();
        for text in [Some(typed), slashed.as_deref().map(String::as_str)]
            .into_iter()
            .flatten()
        {
            if let Some(prepared) = step::prepare(&self.steps, text, secrets)? {
                digests.extend(self.derivation.digest(&prepared, secrets)?);
            }
        }
        Ok(digests)
    }
}
