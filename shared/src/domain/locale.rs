//! The languages that people choose.

use std::convert::Infallible;
use std::fmt;

use oxilangtag::LanguageTag;

use crate::domain::field_error::Violation;

/// The language that somebody reads: a language tag (BCP 47, RFC 5646), as in the claim `locale` of
/// OpenID Connect Core 1.0 section 5.1.
#[derive(Clone, PartialEq, Eq)]
pub struct Locale(String);

impl Locale {
    /// The length of the longest tag, in octets. RFC 5646 section 4.4.1 asks for this much.
    pub const MAX_LENGTH: usize = 35;

    /// Parses a tag that is well-formed (RFC 5646 section 2.2.9), in any letter case. Whether its
    /// subtags are registered is not looked at. It is written as section 2.1.1 recommends: `de-CH`,
    /// `zh-Hant`.
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if the text is not such a tag, or too long.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let most = Self::MAX_LENGTH;
        if text.len() > most {
            let detail = format!("has more than {most} characters");
            return Err(Violation::new("too-long", detail));
        }
        match LanguageTag::parse_and_normalize(text) {
            Ok(tag) => Ok(Self(tag.into_inner())),
            Err(_) => Err(Violation::new(
                "invalid-locale",
                "is not a language tag such as de-CH",
            )),
        }
    }

    /// Returns a tag from the table. It was parsed when it came in, or an operator wrote it.
    pub fn stored(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }

    /// Returns the tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the primary language of the tag is `language`, in any letter case.
    pub fn is_of(&self, language: &str) -> bool {
        let primary = self.0.split('-').next();
        primary.is_some_and(|primary| primary.eq_ignore_ascii_case(language))
    }
}

/// A tag is personal data, may have private subtags, and stays out of logs.
impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locale")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> Result<String, &'static str> {
        match Locale::parse(text) {
            Ok(locale) => Ok(locale.as_str().to_owned()),
            Err(violation) => Err(violation.code),
        }
    }

    #[test]
    fn a_well_formed_tag_is_read_in_any_case_and_written_in_one() {
        for (given, expected) in [
            ("de", "de"),
            ("DE-ch", "de-CH"),
            ("es-419", "es-419"),
            ("ZH-HANT-tw", "zh-Hant-TW"),
            ("sl-ROZAJ-biske", "sl-rozaj-biske"),
            ("de-CH-1901", "de-CH-1901"),
            ("zh-cmn-Hans-CN", "zh-cmn-Hans-CN"),
            ("en-US-U-CA-gregory", "en-US-u-ca-gregory"),
            ("de-X-Private", "de-x-private"),
            ("X-whatever", "x-whatever"),
            ("I-KLINGON", "i-klingon"),
            ("en-gb-OED", "en-GB-oed"),
        ] {
            assert_eq!(code(given).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in [
            "",
            "d",
            "-",
            "de-",
            "-de",
            "de--CH",
            "de_CH",
            "de-CH.UTF-8",
            "en-US@posix",
            "deutschland",
            " de",
            "de\n",
            "de, en",
            "d\u{e9}",
            "de-\u{661}\u{669}\u{660}\u{661}",
            "419-de",
            "de-u",
            "de-x",
            "x-",
            "x",
            "x--a",
            "x-toolongasubtag",
            "de-abcd-abcd",
            "*",
        ] {
            assert_eq!(code(text), Err("invalid-locale"), "{text:?}");
        }
        let longest = format!("de-x{}", "-abcdefg".repeat(4));
        assert_eq!(longest.len(), Locale::MAX_LENGTH + 1);
        assert_eq!(code(&longest), Err("too-long"));
        assert_eq!(code(&longest[..35]).unwrap(), longest[..35]);
    }

    #[test]
    fn the_primary_language_is_compared_in_any_case() {
        for text in ["de", "DE", "de-AT", "De_AT-x"] {
            let Ok(locale) = Locale::stored(text);
            assert_eq!(locale.is_of("de"), !text.contains('_'), "{text}");
        }
        let Ok(none) = Locale::stored("");
        assert!(!none.is_of("de") && !none.is_of("en"));
        assert_eq!(format!("{none:?}"), "Locale");
    }

    proptest! {
        #[test]
        fn what_is_read_is_ascii_and_is_read_again_as_the_same(text in "[A-Za-z0-9-]{0,36}|.{0,8}") {
            if let Ok(locale) = Locale::parse(&text) {
                prop_assert!(locale.as_str().eq_ignore_ascii_case(&text));
                prop_assert_eq!(Locale::parse(locale.as_str()), Ok(locale));
            }
        }
    }
}
