//! Identifiers that accounts had in the system that they were imported from.

use std::fmt;
use std::str::FromStr;

use super::field_error::Violation;

/// The identifier of an account in the system that it was imported from, as text. It is for
/// operators, and identifies nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalId(String);

impl ExternalId {
    /// The length of the longest one, in code points.
    pub const MAX_LENGTH: usize = 255;

    /// Parses an identifier: any text without control characters.
    ///
    /// # Errors
    ///
    /// Returns an error if it is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let most = Self::MAX_LENGTH;
        if text.is_empty() {
            Err(Violation::new("blank", "is empty"))
        } else if text.chars().count() > most {
            Err(Violation::new(
                "too-long",
                format!("has more than {most} characters"),
            ))
        } else if text.chars().any(char::is_control) {
            Err(Violation::new(
                "control-character",
                "has control characters",
            ))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Returns the identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        Self::parse(text)
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_identifier_is_any_text_that_can_be_shown_on_a_line() {
        for text in ["42", "auth0|6655", "Jürgen", &"x".repeat(255)] {
            assert_eq!(ExternalId::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a\nb", "nul\0", &"x".repeat(256)] {
            assert!(ExternalId::parse(text).is_err(), "{text:?}");
        }
    }
}
