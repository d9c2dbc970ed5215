//! Passwords, and the policy for new ones.

pub mod hash;
mod hash_memory;
pub mod hasher;
pub mod legacy;
mod policy;
pub mod stored;
pub mod verification;

#[cfg(test)]
mod tests;

use std::fmt;

pub use policy::{PasswordPolicy, personal_words};

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use crate::domain::field_error::Violation;

/// A password as typed, in Unicode normalisation form C (NIST SP 800-63B-4 section 3.1.1.2),
/// neither trimmed nor folded. It cannot be printed, and is wiped when dropped.
#[derive(Clone)]
pub struct Password {
    normal: SecretString,
    /// The text before it was normalised, if that has changed it. Other systems hashed it so.
    typed: Option<SecretString>,
}

impl Password {
    /// The length of the longest password, in code points. Longer ones are refused before any other
    /// processing, since normalising and hashing take time (CVE-2013-1443, CVE-2023-46695).
    pub const MAX_LENGTH: usize = 128;

    /// Accepts a password to compare with the stored one. Only its length is limited, since another
    /// policy may have applied when the password was chosen.
    ///
    /// # Errors
    ///
    /// Returns an error if it is longer than [`Password::MAX_LENGTH`].
    pub fn presented(text: &str) -> Result<Self, Violation> {
        let most = Self::MAX_LENGTH;
        let too_long = || Violation::new("too-long", format!("has more than {most} characters"));
        // A code point has at most four octets, so most long texts need not be counted.
        if text.len() > 4 * most || text.chars().count() > most {
            return Err(too_long());
        }
        let normal: String = text.nfc().collect();
        // A few characters have no composed form; normalising turns them into several.
        if normal.chars().count() > most {
            return Err(too_long());
        }
        let typed = (normal != text).then(|| text.to_owned().into());
        Ok(Self {
            normal: normal.into(),
            typed,
        })
    }

    /// Returns the octets to hash.
    pub(super) fn octets(&self) -> &[u8] {
        self.normal.expose_secret().as_bytes()
    }

    /// Returns the text as typed, before it was normalised, for what other systems do with it.
    pub fn expose_typed(&self) -> &str {
        self.typed.as_ref().unwrap_or(&self.normal).expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}
