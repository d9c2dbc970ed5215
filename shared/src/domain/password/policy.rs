//! The policy for new passwords.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use zxcvbn::feedback::{Feedback, Warning};
use zxcvbn::{Entropy, zxcvbn};

use crate::domain::email::Email;
use crate::domain::field_error::Violation;
use crate::domain::name::Name;
use crate::platform::config::{ConfigError, Env};
use crate::platform::settings::PASSWORD_MIN_LENGTH;

use super::Password;

/// The policy for new passwords: long enough, and not easy to guess. zxcvbn estimates the latter
/// from lists of common passwords, words, names, dates and patterns. Composition rules make
/// passwords worse (NIST SP 800-63B-4 section 3.1.1.2).
#[derive(Debug, Clone, Copy)]
pub struct PasswordPolicy {
    pub(super) min_length: usize,
}

impl PasswordPolicy {
    /// Reads [`PASSWORD_MIN_LENGTH`].
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a number in this range.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let min_length = env.setting(&PASSWORD_MIN_LENGTH)?;
        Ok(Self {
            min_length: usize::try_from(min_length).unwrap_or(usize::MAX),
        })
    }

    /// The number of code points at the start, and at the end, that are estimated. If either is hard
    /// to guess, so is the whole password. The time for an estimate grows faster than the square of
    /// the length: 128 code points that were chosen to be slow took a second.
    const JUDGED: usize = 32;

    /// The least number of guesses that a password must withstand: as many as eight random
    /// characters.
    const LEAST_GUESSES: u64 = 100_000_000;
    /// The least number of letters and digits outside the owner's personal words.
    const LEAST_BESIDE: usize = 6;

    /// Accepts a new password of the person whose address and names are `personal_words`.
    ///
    /// # Errors
    ///
    /// Returns an error if the password is too short, too long, or too easy to guess.
    pub fn choose(&self, text: &str, personal_words: &[String]) -> Result<Password, Violation> {
        let password = Password::presented(text)?;
        if password.normal.expose_secret().chars().count() < self.min_length {
            let least = self.min_length;
            return Err(Violation::new(
                "too-short",
                format!("has fewer than {least} characters"),
            ));
        }
        if beside(password.normal.expose_secret(), personal_words)
            .is_some_and(|rest| rest < Self::LEAST_BESIDE)
        {
            return Err(Violation::new(
                "too-guessable",
                "is easy to guess: it is made of your own address or name",
            ));
        }
        let entropy = estimate(password.normal.expose_secret(), personal_words);
        if entropy.guesses() < Self::LEAST_GUESSES {
            let warning = entropy.feedback().and_then(Feedback::warning);
            return Err(Violation::new("too-guessable", guessable(warning)));
        }
        Ok(password)
    }
}

/// Estimates the first and the last [`PasswordPolicy::JUDGED`] code points of a password, and
/// returns the estimate of the part that is harder to guess.
fn estimate(password: &str, personal_words: &[String]) -> Entropy {
    let personal_words: Vec<&str> = personal_words.iter().map(String::as_str).collect();
    let judge = |part: String| {
        let part = SecretString::from(part);
        zxcvbn(part.expose_secret(), &personal_words)
    };
    let length = password.chars().count();
    let start = judge(password.chars().take(PasswordPolicy::JUDGED).collect());
    // Most passwords are short, and most long ones begin well.
    if length <= PasswordPolicy::JUDGED || start.guesses() >= PasswordPolicy::LEAST_GUESSES {
        return start;
    }
    let end = password.chars().skip(length - PasswordPolicy::JUDGED);
    let end = judge(end.collect());
    if end.guesses() > start.guesses() {
        end
    } else {
        start
    }
}

/// Returns the words that make a poor password for this person: the address, its parts, the names.
pub fn personal_words(email: Option<&Email>, names: [Option<&Name>; 2]) -> Vec<String> {
    let typed = email.map(Email::as_str).unwrap_or_default();
    let email = email.map(Email::canonical).unwrap_or_default();
    let parts = [typed, &email].into_iter();
    let parts = parts.flat_map(|email| email.split(|letter: char| !letter.is_alphanumeric()));
    let names = names.into_iter().flatten().map(Name::as_str);
    let names = names.flat_map(|name| name.split(' ').chain([name]));
    let words = parts.chain(names).chain([typed, &email]);
    // Words of one or two letters occur in many passwords.
    let words = words.filter(|word| word.chars().count() > 2);
    let words: BTreeSet<_> = words.map(str::to_lowercase).collect();
    words.into_iter().collect()
}

/// Returns how many letters and digits of a password are outside the `personal_words`, or `None` if
/// it contains none of these words.
fn beside(password: &str, personal_words: &[String]) -> Option<usize> {
    let mut rest = password.to_lowercase();
    let mut words: Vec<&str> = personal_words.iter().map(String::as_str).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut any = false;
    for word in words {
        any |= rest.contains(word);
        rest = rest.replace(word, " ");
    }
    let others = rest.chars().filter(|letter| letter.is_alphanumeric());
    any.then(|| others.count())
}

/// Returns why a password is easy to guess, in words for the person who chose it.
fn guessable(warning: Option<Warning>) -> &'static str {
    use Warning as W;
    match warning {
        Some(W::StraightRowsOfKeysAreEasyToGuess | W::ShortKeyboardPatternsAreEasyToGuess) => {
            "is easy to guess: it follows the keys of a keyboard"
        }
        Some(
            W::RepeatsLikeAaaAreEasyToGuess | W::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess,
        ) => "is easy to guess: it repeats itself",
        Some(W::ThisIsATop10Password | W::ThisIsATop100Password | W::ThisIsACommonPassword) => {
            "is easy to guess: many people use it"
        }
        Some(W::ThisIsSimilarToACommonlyUsedPassword) => {
            "is easy to guess: it is like one that many people use"
        }
        Some(W::SequencesLikeAbcAreEasyToGuess) => {
            "is easy to guess: it is a sequence such as abc or 6543"
        }
        Some(W::RecentYearsAreEasyToGuess | W::DatesAreOftenEasyToGuess) => {
            "is easy to guess: it is a date or a year"
        }
        Some(W::AWordByItselfIsEasyToGuess) => "is easy to guess: it is a single word",
        Some(
            W::NamesAndSurnamesByThemselvesAreEasyToGuess | W::CommonNamesAndSurnamesAreEasyToGuess,
        ) => "is easy to guess: it is made of names",
        None => "is easy to guess: use a few words that do not belong together",
    }
}
