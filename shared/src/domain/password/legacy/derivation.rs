//! How other systems derive a digest from the octets of a password.

use serde::{Deserialize, Serialize};

use super::argon2::LegacyArgon2;
use super::bcrypt::Bcrypt;
use super::crypt::Crypt;
use super::firebase::Firebase;
use super::iterated::Iterated;
use super::mysql323::Mysql323;
use super::pbkdf2::Pbkdf2;
use super::phpass::Phpass;
use super::scram::Scram;
use super::scrypt::Scrypt;
use super::scrypt_file::ScryptFile;
use super::{Digest, LegacyError, SecretName, Secrets, Work};

/// How the digest is derived.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Derivation {
    /// The octets themselves. The steps before may have made a digest of them.
    Plain,
    /// A hash function, many times.
    Iterated(Iterated),
    /// bcrypt.
    Bcrypt(Bcrypt),
    /// PBKDF2.
    Pbkdf2(Pbkdf2),
    /// scrypt.
    Scrypt(Scrypt),
    /// scrypt in the form of a file's header.
    ScryptFile(ScryptFile),
    /// Argon2 of any kind.
    Argon2(LegacyArgon2),
    /// Firebase's scrypt.
    Firebase(Firebase),
    /// A function of crypt(3).
    Crypt(Crypt),
    /// phpass.
    Phpass(Phpass),
    /// SCRAM's StoredKey.
    Scram(Scram),
    /// MySQL's old hash.
    Mysql323(Mysql323),
}

/// A way to derive a digest.
pub(super) trait Derive {
    /// Returns the work, estimated from the parameters.
    fn work(&self) -> Work;

    /// Returns the name of the secret that it needs, if any.
    fn secret(&self) -> Option<&SecretName> {
        None
    }

    /// Returns the digest, or `None` if the old system refuses the octets. The work has been
    /// checked.
    fn digest(&self, password: &[u8], secrets: &Secrets) -> Result<Option<Digest>, LegacyError>;
}

/// [`Derivation::Plain`].
struct Plain;

impl Derive for Plain {
    fn work(&self) -> Work {
        Work::of(1, 1_000)
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        Ok(Some(password.to_vec().into()))
    }
}

impl Derivation {
    fn inner(&self) -> &dyn Derive {
        match self {
            Self::Plain => &Plain,
            Self::Iterated(inner) => inner,
            Self::Bcrypt(inner) => inner,
            Self::Pbkdf2(inner) => inner,
            Self::Scrypt(inner) => inner,
            Self::ScryptFile(inner) => inner,
            Self::Argon2(inner) => inner,
            Self::Firebase(inner) => inner,
            Self::Crypt(inner) => inner,
            Self::Phpass(inner) => inner,
            Self::Scram(inner) => inner,
            Self::Mysql323(inner) => inner,
        }
    }

    /// Returns the work, estimated from the parameters.
    pub(super) fn work(&self) -> Work {
        self.inner().work()
    }

    /// Returns the name of the secret that it needs, if any.
    pub(super) fn secret(&self) -> Option<&SecretName> {
        self.inner().secret()
    }

    /// Returns the digest, or `None` if the old system refuses the octets.
    pub(super) fn digest(
        &self,
        password: &[u8],
        secrets: &Secrets,
    ) -> Result<Option<Digest>, LegacyError> {
        self.inner().digest(password, secrets)
    }
}
