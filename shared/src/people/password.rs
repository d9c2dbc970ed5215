//! Passwords, and what a new one must be.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use crate::config::{ConfigError, Env};
use crate::fault::Reason;

/// A password as somebody typed it, in Unicode normalisation form C (NIST SP 800-63B-4 section
/// 3.1.1.2), neither trimmed nor folded. It cannot be printed, and is wiped when dropped.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// The longest password, in code points. Longer ones are refused before anything else touches
    /// them: normalising and hashing take time (CVE-2013-1443, CVE-2023-46695).
    pub const MAX_LENGTH: usize = 128;

    /// Takes a password to compare with the one that is kept: only its length is bounded, since
    /// the policy may have been another when it was chosen.
    ///
    /// # Errors
    ///
    /// Where it is longer than [`Password::MAX_LENGTH`].
    pub fn presented(text: &str) -> Result<Self, Reason> {
        // A code point has at most four octets: most long texts need not be counted through.
        if text.len() > 4 * Self::MAX_LENGTH || text.chars().count() > Self::MAX_LENGTH {
            let most = Self::MAX_LENGTH;
            return Err(Reason::new(
                "too-long",
                format!("has more than {most} characters"),
            ));
        }
        Ok(Self(text.nfc().collect::<String>().into()))
    }

    /// What is hashed.
    pub(super) fn octets(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// What a new password must be: long enough, and nothing else. Rules on its composition make
/// passwords worse (NIST SP 800-63B-4 section 3.1.1.2).
#[derive(Debug, Clone, Copy)]
pub struct PasswordPolicy {
    min_length: usize,
}

impl PasswordPolicy {
    /// Reads `PASSWORD_MIN_LENGTH`, in code points: 8 to 64, 15 without it (what NIST asks for
    /// where the password is the only factor).
    ///
    /// # Errors
    ///
    /// Where it is not such a number.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let min_length = env.number("PASSWORD_MIN_LENGTH", 8..=64, 15)?;
        Ok(Self { min_length })
    }

    /// Takes a password that somebody wants to have.
    ///
    /// # Errors
    ///
    /// Where it is too short or too long.
    pub fn choose(&self, text: &str) -> Result<Password, Reason> {
        let password = Password::presented(text)?;
        if password.0.expose_secret().chars().count() < self.min_length {
            let least = self.min_length;
            return Err(Reason::new(
                "too-short",
                format!("has fewer than {least} characters"),
            ));
        }
        Ok(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_counts_code_points_and_asks_for_nothing_but_length() {
        let policy = PasswordPolicy { min_length: 15 };
        assert_eq!(
            policy.choose("fourteen chars").unwrap_err().code,
            "too-short"
        );
        assert!(policy.choose("fifteen letters").is_ok());
        assert!(policy.choose(&"é".repeat(15)).is_ok());
        assert!(
            policy.choose("               ").is_ok(),
            "blanks are characters too"
        );
        assert_eq!(
            policy.choose(&"é".repeat(129)).unwrap_err().code,
            "too-long"
        );
        assert!(policy.choose(&"\u{10348}".repeat(128)).is_ok());
        assert_eq!(
            policy.choose(&"x".repeat(1_000_000)).unwrap_err().code,
            "too-long"
        );
    }

    #[test]
    fn the_policy_counts_what_is_left_after_normalisation() {
        let policy = PasswordPolicy { min_length: 15 };
        let decomposed = "e\u{301}".repeat(8);
        assert_eq!(policy.choose(&decomposed).unwrap_err().code, "too-short");
    }
}
