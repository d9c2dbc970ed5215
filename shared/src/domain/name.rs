//! People's names.

use std::fmt;

use crate::domain::field_error::Violation;

/// A first or last name, stored as written.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The length of the longest name, in code points.
    pub const MAX_LENGTH: usize = 100;

    /// Parses a name: 1 to 100 code points, not blank, without control characters.
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if the text is not such a name.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.trim().is_empty() {
            return Err(Violation::new("blank", "is blank"));
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
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_all_scripts_are_stored_as_written() {
        let longest = "ñ".repeat(100);
        for text in [
            "Ada",
            " O’Brien-Smith Jr. ",
            "李",
            "नरेन्द्र",
            "<b>&",
            &longest,
        ] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn blank_long_and_unprintable_names_are_refused() {
        let long = "a".repeat(101);
        for (text, code) in [
            ("", "blank"),
            (" \u{3000}", "blank"),
            (long.as_str(), "too-long"),
            ("Ada\nLovelace", "control-character"),
            ("Ada\0", "control-character"),
            ("\u{202e}adA", "control-character"),
            ("\u{200b}", "control-character"),
        ] {
            assert_eq!(Name::parse(text).unwrap_err().code, code, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::properties::cases())]

        #[test]
        fn whatever_is_accepted_is_stored_as_written_and_can_be_shown(text in any::<String>()) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(!text.trim().is_empty() && text.chars().count() <= 100);
                prop_assert!(!text.contains(char::is_control));
            }
        }
    }
}
