//! How other systems derive a digest from the octets of a password.

use serde::{Deserialize, Serialize};

use super::{Digest, LegacyError, SecretName, Secrets, Work};

/// How the digest is derived.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Derivation {
    /// The octets themselves. The steps before may have made a digest of them.
    Plain,
}

impl Derivation {
    /// Returns the work, estimated from the parameters.
    pub(super) fn work(&self) -> Work {
        match self {
            Self::Plain => Work::of(1, 1_000),
        }
    }

    /// Returns the name of the secret that it needs, if any.
    pub(super) fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Plain => None,
        }
    }

    /// Returns the digest, or `None` if the old system refuses the octets.
    pub(super) fn digest(
        &self,
        password: &[u8],
        _secrets: &Secrets,
    ) -> Result<Option<Digest>, LegacyError> {
        match self {
            Self::Plain => Ok(Some(password.to_vec().into())),
        }
    }
}
