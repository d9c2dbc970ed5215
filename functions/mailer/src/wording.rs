//! What differs between languages besides the templates: dates and times.

use shared::domain::{Locale, Purpose};
use shared::platform::{ConfigError, Env};
use time::OffsetDateTime;

/// A language of mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German, with the formal "Sie".
    German,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Reads `MAIL_LANGUAGE`: `en`, the default, or `de`.
    ///
    /// # Errors
    ///
    /// Returns an error if it is something else.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        match env.optional("MAIL_LANGUAGE").as_deref() {
            None | Some("en") => Ok(Self::English),
            Some("de") => Ok(Self::German),
            Some(other) => Err(ConfigError::new(format!(
                "MAIL_LANGUAGE is \"{other}\"; set it to en or de"
            ))),
        }
    }

    /// Returns the language that somebody has chosen, or `self` if they have chosen none that there
    /// is.
    pub fn or_of(self, chosen: Option<&Locale>) -> Self {
        match chosen {
            Some(locale) if locale.is_of("en") => Self::English,
            Some(locale) if locale.is_of("de") => Self::German,
            _ => self,
        }
    }

    /// Returns a time in words, in UTC: nobody has told in which zone the recipient lives.
    pub fn time(self, millis: u64) -> String {
        const ENGLISH: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        const GERMAN: [&str; 12] = [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ];
        let time = i64::try_from(millis / 1000).ok();
        let time = time.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (day, year) = (time.day(), time.year());
        let (hour, minute) = (time.hour(), time.minute());
        let month = usize::from(u8::from(time.month())).saturating_sub(1);
        match self {
            Self::English => {
                let month = ENGLISH.get(month).copied().unwrap_or_default();
                format!("{day} {month} {year} at {hour:02}:{minute:02} UTC")
            }
            Self::German => {
                let month = GERMAN.get(month).copied().unwrap_or_default();
                format!("{day}. {month} {year} um {hour:02}:{minute:02} Uhr (UTC)")
            }
        }
    }

    /// Returns how long a link is good, in words.
    pub fn lifetime(self, purpose: Purpose) -> String {
        let hours = purpose.seconds() / 3600;
        let (number, is_days) = match hours {
            0..=24 => (hours, false),
            _ => (hours / 24, true),
        };
        let unit = match (self, is_days, number) {
            (Self::English, false, 1) => "hour",
            (Self::English, false, _) => "hours",
            (Self::English, true, _) => "days",
            (Self::German, false, 1) => "Stunde",
            (Self::German, false, _) => "Stunden",
            (Self::German, true, _) => "Tage",
        };
        format!("{number} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_words_in_each_language() {
        let millis = 1_800_000_000_123;
        assert_eq!(
            Language::English.time(millis),
            "15 January 2027 at 08:00 UTC"
        );
        assert_eq!(
            Language::German.time(millis),
            "15. Januar 2027 um 08:00 Uhr (UTC)"
        );
        // No clock returns it.
        assert_eq!(
            Language::English.time(u64::MAX),
            "1 January 1970 at 00:00 UTC"
        );
        let lifetime = |language: Language| {
            [
                Purpose::PasswordReset,
                Purpose::Registration,
                Purpose::Invitation,
            ]
            .map(|it| language.lifetime(it))
        };
        assert_eq!(
            lifetime(Language::English),
            ["1 hour", "24 hours", "7 days"]
        );
        assert_eq!(
            lifetime(Language::German),
            ["1 Stunde", "24 Stunden", "7 Tage"]
        );
    }

    #[test]
    fn the_recipient_s_language_wins_if_there_is_one() {
        let of = |locale: &str| Locale::parse(locale).unwrap();
        for (locale, expected) in [
            ("de", Language::German),
            ("de-AT", Language::German),
            ("DE", Language::German),
            ("en-GB", Language::English),
        ] {
            for default in Language::ALL {
                assert_eq!(default.or_of(Some(&of(locale))), expected, "{locale}");
            }
        }
        for default in Language::ALL {
            assert_eq!(default.or_of(Some(&of("fr"))), default);
            assert_eq!(default.or_of(Some(&of("deutsch"))), default);
            assert_eq!(default.or_of(Some(&of("x-de"))), default);
            assert_eq!(default.or_of(None), default);
        }
    }

    #[test]
    fn an_unknown_language_is_one_sentence() {
        let lookup = |_: &str| Some("fr".to_owned());
        let refused = Language::from_env(&Env::new(&lookup)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "MAIL_LANGUAGE is \"fr\"; set it to en or de"
        );
    }
}
