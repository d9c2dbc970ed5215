//! The forms in which other systems store passwords.
//!
//! One file is one family of systems. [`parse`] is pure: it computes nothing costly, and refuses what
//! would be.

use serde_json::Value;
use shared::domain::PasswordHash;
use shared::domain::password::legacy::{Digest, LegacyScheme, SecretName, Step};

/// A password as another system stored it.
#[derive(Debug)]
pub enum OldPassword {
    /// A digest, and how it is made. It is stored as Argon2id of the digest.
    Digest {
        /// How the digest is made.
        scheme: LegacyScheme,
        /// The digest.
        digest: Digest,
    },
    /// An Argon2id hash that is at least as strong as ours. It is stored as it is.
    Argon2id {
        /// What happens to the typed octets first.
        steps: Vec<Step>,
        /// The hash.
        hash: PasswordHash,
    },
    /// No password can match, such as Django's `!`.
    Unusable,
}

/// What the stored form does not tell: settings of the old site.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// The name of the site's secret, if it has one: a pepper, or Firebase's signer key.
    pub secret: Option<SecretName>,
}

/// An error: the stored form cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormError(pub String);

/// Parses the password that a system stored: a text, or an object of the fields that it keeps.
///
/// # Errors
///
/// Returns an error if the form is not one of this system, or asks for too much work.
pub fn parse(format: &str, stored: &Value, site: &Site) -> Result<OldPassword, FormError> {
    let _ = (stored, site);
    Err(FormError(format!("{format} is not a known format")))
}
