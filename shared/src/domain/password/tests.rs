use proptest::prelude::*;

use secrecy::ExposeSecret as _;

use super::policy::*;
use crate::domain::email::Email;
use crate::domain::name::Name;

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
fn a_long_password_is_judged_by_its_better_end() {
    let phrase = "velvet otter juggles nine lamps";
    for weak in ["a".repeat(40), "password".repeat(5), "1234567890".repeat(4)] {
        assert_eq!(choose(&weak).unwrap_err().code, "too-guessable", "{weak}");
        assert!(choose(&format!("{weak}{phrase}")).is_ok(), "{weak}");
        assert!(choose(&format!("{phrase}{weak}")).is_ok(), "{weak}");
        // What lies between is not looked at.
        let hidden = format!("{weak}{phrase}{weak}");
        assert_eq!(choose(&hidden).unwrap_err().code, "too-guessable", "{weak}");
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
                let chosen = password.normal.expose_secret();
                prop_assert!(chosen.chars().count() >= 15);
                // The chosen password is the one that is compared, in either normalisation form.
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
