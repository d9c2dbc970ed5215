//! Configuration from the environment, read once when a function starts.
//!
//! Each struct that needs configuration reads its variables in its own `from_env` and documents
//! them there.

use std::fmt;
use std::ops::RangeInclusive;

use super::settings::Setting;

/// A deployment fault: one sentence that says what to set. The function does not start.
#[derive(thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Prints the sentence itself, because `main` prints the error it returns with `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConfigError {
    /// Returns an error with this sentence, which names the variable and says what to do.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// A lookup of environment variables: the process's own, or a test's.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    weak_hashes: bool,
}

impl<'a> Env<'a> {
    /// Returns an environment that looks variables up with `lookup`.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            weak_hashes: false,
        }
    }

    /// Allows values of `ARGON2_MEMORY_KIB` and `ARGON2_ITERATIONS` below OWASP's minimum. Tests
    /// hash by the thousand. No variable enables this, and the linter refuses the call anywhere
    /// else.
    #[must_use]
    pub fn with_weak_hashes(self) -> Self {
        Self {
            weak_hashes: true,
            ..self
        }
    }

    /// Returns whether [`Env::with_weak_hashes`] was called.
    pub fn has_weak_hashes(&self) -> bool {
        self.weak_hashes
    }

    /// Returns a variable that may be missing. An empty variable counts as missing.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// Returns a variable that must be set. `meaning` says in a few words what it holds.
    ///
    /// # Errors
    ///
    /// Returns an error if it is missing.
    pub fn required(&self, name: &str, meaning: &str) -> Result<String, ConfigError> {
        self.optional(name)
            .ok_or_else(|| ConfigError(format!("{name} is not set; set it to {meaning}")))
    }

    /// Returns a setting, or its default if the variable is missing. See [`whole_part`] for how the
    /// number may be written.
    ///
    /// # Errors
    ///
    /// Returns an error if the variable is not a number in the setting's range.
    pub fn setting(&self, setting: &Setting) -> Result<u64, ConfigError> {
        self.setting_within(setting, setting.range.clone())
    }

    /// Returns a setting that must lie in `range` instead of the setting's own range.
    ///
    /// # Errors
    ///
    /// Returns an error if the variable is not a number in `range`.
    pub fn setting_within(
        &self,
        setting: &Setting,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let name = setting.variable;
        let Some(text) = self.optional(name) else {
            return Ok(setting.default);
        };
        whole_part(&text, &range).ok_or_else(|| {
            ConfigError(format!(
                "{name} is \"{text}\"; set it to a whole number from {} to {}",
                range.start(),
                range.end()
            ))
        })
    }
}

/// Returns the whole part of the number `text`, or `None` if it is not a number in `range`.
///
/// A parameter of CloudFormation's type `Number` can be any integer or decimal number, with an
/// exponent too, and the functions get it as it was written: no property of such a parameter
/// refuses `900.5` or `9e2`. A function that refused one would not start after a deployment that
/// succeeded, so each is read, and a fraction is dropped.
pub fn whole_part(text: &str, range: &RangeInclusive<u64>) -> Option<u64> {
    let text = text.trim();
    // `f64::from_str` also reads words such as "inf" and "nan".
    let decimal = |octet: u8| octet.is_ascii_digit() || b"+-.eE".contains(&octet);
    let value: f64 = text.bytes().all(decimal).then(|| text.parse().ok())??;
    // All whole numbers of the ranges are exact as f64. The comparison comes before the fraction is
    // dropped, as CloudFormation compares: 59.9 is less than 60.
    let within = *range.start() as f64 <= value && value <= *range.end() as f64;
    within.then_some(value as u64)
}

/// Returns the environment of this process.
pub fn process_env() -> Env<'static> {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    Env::new(&|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "EMPTY" => Some(String::new()),
            "SEVEN" => Some("7".to_owned()),
            "WORD" => Some("seven".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_missing_or_empty_variable_is_one_sentence_that_says_what_to_set() {
        let env = Env::new(&lookup);
        for name in ["EMPTY", "GONE"] {
            let error = env.required(name, "the name of the table").unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name} is not set; set it to the name of the table")
            );
        }
    }

    #[test]
    fn a_setting_stays_in_its_range() {
        let setting = |variable, range, default| Setting {
            variable,
            parameter: "",
            range,
            default,
        };
        let env = Env::new(&lookup);
        assert_eq!(env.setting(&setting("SEVEN", 1..=9, 3)).unwrap(), 7);
        assert_eq!(env.setting(&setting("GONE", 1..=9, 3)).unwrap(), 3);
        let beyond = env.setting(&setting("SEVEN", 8..=9, 8)).unwrap_err();
        assert_eq!(
            beyond.to_string(),
            "SEVEN is \"7\"; set it to a whole number from 8 to 9"
        );
        assert!(env.setting(&setting("WORD", 1..=9, 3)).is_err());
    }

    #[test]
    fn a_number_is_read_in_each_form_that_cloudformation_accepts() {
        for text in [
            "900", "900.0", "900.5", "9e2", "9E+2", "0900", "+900", " 900 ", "900.", "90000e-2",
        ] {
            assert_eq!(whole_part(text, &(60..=3600)), Some(900), "{text}");
        }
        assert_eq!(whole_part("3600.0", &(60..=3600)), Some(3600));
        assert_eq!(whole_part(".5", &(0..=60)), Some(0));
        for text in [
            "59.9", "3600.1", "-900", "1e400", "1_000", "", " ", "e", "0x10", "inf", "NaN", "9 0",
        ] {
            assert_eq!(whole_part(text, &(60..=3600)), None, "{text}");
        }
        assert_eq!(whole_part("-0.5", &(0..=60)), None);
    }
}
