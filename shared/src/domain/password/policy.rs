//! Which passwords people may choose.

use secrecy::{ExposeSecret as _, SecretString};
use zxcvbn::feedback::{Feedback, Warning};
use zxcvbn::zxcvbn;

use crate::domain::email::Email;
use crate::domain::field_error::Violation;
use crate::domain::name::Name;
use crate::platform::config::{ConfigError, Env};

use super::Password;

/// What a new password must be: long enough, and not easy to guess, as zxcvbn estimates it from
/// lists of common passwords, words, names, dates and patterns. Rules on its composition make
/// passwords worse (NIST SP 800-63B-4 section 3.1.1.2).
#[derive(Debug, Clone, Copy)]
pub struct PasswordPolicy {
    pub(super) min_length: usize,
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

    /// The most code points that are judged. A password that is hard to guess up to here is so with
    /// what follows it, and the time to judge one grows with the square of its length and more:
    /// 128 code points, chosen for it, took a second.
    const JUDGED: usize = 32;

    /// How many guesses a password must be good for: as many as eight random characters are.
    const LEAST_GUESSES: u64 = 100_000_000;
    /// How many letters and digits a password must have beside the words that its owner is known by.
    const LEAST_BESIDE: usize = 6;

    /// Takes a password that somebody wants to have, who is known by the `personal_words`.
    ///
    /// # Errors
    ///
    /// Where it is too short, too long, or too easy to guess.
    pub fn choose(&self, text: &str, personal_words: &[String]) -> Result<Password, Violation> {
        let password = Password::presented(text)?;
        if password.0.expose_secret().chars().count() < self.min_length {
            let least = self.min_length;
            return Err(Violation::new(
                "too-short",
                format!("has fewer than {least} characters"),
            ));
        }
        if beside(password.0.expose_secret(), personal_words)
            .is_some_and(|rest| rest < Self::LEAST_BESIDE)
        {
            return Err(Violation::new(
                "too-guessable",
                "is easy to guess: it is made of your own address or name",
            ));
        }
        let judged: String = password
            .0
            .expose_secret()
            .chars()
            .take(Self::JUDGED)
            .collect();
        let judged = SecretString::from(judged);
        let personal_words: Vec<&str> = personal_words.iter().map(String::as_str).collect();
        let entropy = zxcvbn(judged.expose_secret(), &personal_words);
        if entropy.guesses() < Self::LEAST_GUESSES {
            let warning = entropy.feedback().and_then(Feedback::warning);
            return Err(Violation::new("too-guessable", guessable(warning)));
        }
        Ok(password)
    }
}

/// The words that somebody is known by, which make a poor password: address, its parts, names.
pub fn personal_words(email: Option<&Email>, names: [Option<&Name>; 2]) -> Vec<String> {
    let email = email.map(Email::canonical).unwrap_or_default();
    let parts = email.split(|letter: char| !letter.is_alphanumeric());
    let names = names.into_iter().flatten().map(Name::as_str);
    let names = names.flat_map(|name| name.split(' ').chain([name]));
    let words = parts.chain(names).chain([email.as_str()]);
    // A word of one or two letters would be found everywhere.
    let words = words.filter(|word| word.chars().count() > 2);
    words.map(str::to_lowercase).collect()
}

/// How many letters and digits of a password are not of the `personal_words`; `None` where none of them
/// is in it.
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

/// Why a password is easy to guess, in words for whoever chose it.
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
