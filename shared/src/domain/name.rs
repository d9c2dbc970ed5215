//! People's names.

use std::convert::Infallible;
use std::fmt;

use unicode_normalization::char::is_combining_mark;

use crate::domain::field_error::Violation;

mod invisible;

/// A first or last name, stored as written.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The length of the longest name, in code points.
    pub const MAX_LENGTH: usize = 100;

    /// Parses a name: 1 to 100 code points without control characters, of which at least one can be
    /// seen.
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if the text is not such a name.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let blank = || Violation::new("blank", "is blank");
        if text.trim().is_empty() {
            return Err(blank());
        }
        if text.chars().count() > Self::MAX_LENGTH {
            let most = Self::MAX_LENGTH;
            return Err(Violation::new(
                "too-long",
                format!("has more than {most} characters"),
            ));
        }
        if text.chars().any(is_unprintable) {
            return Err(Violation::new(
                "control-character",
                "has a control character in it",
            ));
        }
        if !text.chars().any(is_visible) {
            return Err(blank());
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses a last name, which may be empty: some people have one name.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Name::parse`] if the text is not empty.
    pub fn parse_last(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Ok(Self(String::new()));
        }
        Self::parse(text)
    }

    /// Returns a name from the table. It was parsed when it came in, perhaps by the milder rules of
    /// an earlier version.
    pub fn stored(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }

    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names are personal data and stay out of logs.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name")
    }
}

/// Returns whether `c` is a control character, reorders the text around it, or shows nothing
/// (Unicode TR 36 section 2.5). Joiners are allowed: some scripts and emoji need them.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Returns whether `c` shows something by itself: not white space, not ignorable by default, no
/// format or control character, no mark without a letter.
fn is_visible(c: char) -> bool {
    !(c.is_whitespace() || c.is_control() || is_combining_mark(c) || invisible::is_invisible(c))
}

#[cfg(test)]
mod tests;
