//! Passwords, and what a new one must be.

pub mod hasher;

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;
use zxcvbn::feedback::{Feedback, Warning};
use zxcvbn::zxcvbn;

use crate::domain::email::Email;
use crate::domain::field_error::Violation;
use crate::domain::name::Name;
use crate::platform::config::{ConfigError, Env};

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
    pub fn presented(text: &str) -> Result<Self, Violation> {
        let most = Self::MAX_LENGTH;
        let too_long = || Violation::new("too-long", format!("has more than {most} characters"));
        // A code point has at most four octets: most long texts need not be counted through.
        if text.len() > 4 * most || text.chars().count() > most {
            return Err(too_long());
        }
        let normal: String = text.nfc().collect();
        // A few characters have no composed form, and become more of them.
        if normal.chars().count() > most {
            return Err(too_long());
        }
        Ok(Self(normal.into()))
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

/// What a new password must be: long enough, and not easy to guess, as zxcvbn estimates it from
/// lists of common passwords, words, names, dates and patterns. Rules on its composition make
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: PasswordPolicy = PasswordPolicy { min_length: 15 };

    fn choose(text: &str) -> Result<Password, Violation> {
        POLICY.choose(text, &[])
    }

    #[test]
    fn the_policy_counts_code_points_and_asks_for_no_kind_of_character() {
        assert_eq!(choose("fourteen chars").unwrap_err().code, "too-short");
        assert!(choose("fifteen letters").is_ok());
        assert!(choose("vier kühe träumen").is_ok());
        assert!(choose("馬の正しい電池ホチキスが踊る夜明け前").is_ok());
        assert_eq!(choose(&"é".repeat(129)).unwrap_err().code, "too-long");
        let long = "correct horse battery staple ".repeat(5);
        assert!(choose(&long[..128]).is_ok());
        assert_eq!(choose(&"x".repeat(1_000_000)).unwrap_err().code, "too-long");
    }

    #[test]
    fn the_policy_counts_what_is_left_after_normalisation() {
        let decomposed = "e\u{301}".repeat(8);
        assert_eq!(choose(&decomposed).unwrap_err().code, "too-short");
    }

    #[test]
    fn a_password_that_is_easy_to_guess_is_refused_with_the_reason() {
        for (text, reason) in [
            ("               ", "it repeats itself"),
            ("aaaaaaaaaaaaaaaa", "it repeats itself"),
            ("passwordpassword", "it repeats itself"),
            ("123456789012345", "is easy to guess: it is"),
            ("qwertyuiopasdfg", "it is like one that many people use"),
            ("P@ssw0rd1234567", "it is like one that many people use"),
        ] {
            let refused = choose(text).unwrap_err();
            assert_eq!(refused.code, "too-guessable", "{text}");
            assert!(
                refused.detail.contains(reason),
                "{text}: {}",
                refused.detail
            );
        }
    }

    #[test]
    fn a_password_of_the_person_s_own_words_is_refused() {
        let email = Email::parse("augusta.byron@lovelace-engines.example").unwrap();
        let name = |text| Name::parse(text).unwrap();
        let names = [name("Augusta Ada"), name("King-Noel")];
        let personal_words = personal_words(Some(&email), [Some(&names[0]), Some(&names[1])]);
        for text in [
            "augusta.byron@lovelace-engines.example",
            "augustabyron12345",
            "augusta ada1234",
            "lovelaceengines",
        ] {
            let refused = POLICY.choose(text, &personal_words);
            assert!(
                refused.is_err_and(|reason| reason.code == "too-guessable"),
                "{text}"
            );
        }
        assert!(
            POLICY
                .choose("correct horse battery staple", &personal_words)
                .is_ok()
        );
    }

    proptest! {
        #![proptest_config(crate::properties::cases())]

        #[test]
        fn no_text_is_too_odd_to_be_judged(
            text in prop_oneof![any::<String>(), "[ -~]{0,140}", "(\\PC){0,140}"],
            word in any::<String>(),
        ) {
            let presented = Password::presented(&text);
            let normal = text.nfc().count();
            prop_assert_eq!(presented.is_ok(), text.chars().count().max(normal) <= 128);
            match POLICY.choose(&text, &[word]) {
                Ok(password) => {
                    let chosen = password.0.expose_secret();
                    prop_assert!(chosen.chars().count() >= 15);
                    // What was chosen is what is compared, in whichever form it comes.
                    let again = Password::presented(chosen).unwrap();
                    prop_assert_eq!(again.octets(), password.octets());
                }
                Err(reason) => {
                    prop_assert!(["too-short", "too-long", "too-guessable"].contains(&reason.code));
                    prop_assert!(text.len() < 4 || !reason.detail.contains(&text));
                }
            }
        }
    }
}
