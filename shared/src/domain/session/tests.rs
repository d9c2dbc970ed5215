use proptest::prelude::*;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::domain::account::NewAccount;
use crate::domain::email::Email;
use crate::domain::name::Name;

const POLICY: SessionPolicy = SessionPolicy {
    idle_seconds: 100,
    max_seconds: 250,
    grace_seconds: GRACE,
    repeats: 5,
};
const GRACE: u64 = 10;
const BEGAN: u64 = 1_000;

/// The source of all refreshes in this file: that of the login.
fn home() -> Source {
    Source::of(&Device::default().ip)
}

fn begin() -> (Session, RefreshToken) {
    let new = NewAccount {
        email: Email::parse("ada@example.com").unwrap(),
        first_name: Name::parse("Ada").unwrap(),
        last_name: Name::parse("Lovelace").unwrap(),
        locale: None,
    };
    let account = Account::open(new, BEGAN * 1000);
    Session::begin(&account, Device::default(), &POLICY, BEGAN * 1000)
}

/// Replaces the current token at `now`.
#[track_caller]
fn rotate(session: &mut Session, token: &RefreshToken, now: u64) -> RefreshToken {
    match session.present(token, &home(), &POLICY, now) {
        Presented::Current { next, successor } => {
            *session = next;
            successor
        }
        other => panic!("{other:?}"),
    }
}

fn presented(session: &Session, token: &RefreshToken, now: u64) -> &'static str {
    match session.present(token, &home(), &POLICY, now) {
        Presented::Current { .. } => "current",
        Presented::Repeated { verdict, .. } => match verdict {
            Verdict::Free(_) => "free",
            Verdict::Counted { .. } => "counted",
            Verdict::TooMany => "too many",
        },
        Presented::Reused => "reused",
        Presented::Unknown => "unknown",
    }
}

/// Returns the same token with another counter or secret.
fn altered(token: &RefreshToken, counter: u64, flip: u8) -> RefreshToken {
    let mut octets = URL_SAFE_NO_PAD.decode(&token.expose()[4..]).unwrap();
    octets[32..40].copy_from_slice(&counter.to_be_bytes());
    octets[71] ^= flip;
    RefreshToken::parse(&format!("lkr_{}", URL_SAFE_NO_PAD.encode(octets))).unwrap()
}

#[test]
fn a_session_stores_a_hash_and_its_token_has_the_secret() {
    let (session, token) = begin();
    let octets = URL_SAFE_NO_PAD.decode(&token.expose()[4..]).unwrap();
    let hash = digest(&SHA256, &octets[40..]);
    assert_eq!(hash.as_ref(), session.refresh_hash);
    assert!(session.is_ours(&token));
    assert_eq!(
        (session.created_at, session.expires_at),
        (BEGAN, BEGAN + 100)
    );
}

#[test]
fn a_token_is_read_as_it_was_written_and_in_no_other_form() {
    let (session, token) = begin();
    let text = token.expose();
    let read = RefreshToken::parse(&text).unwrap();
    assert_eq!(
        (read.user_id(), read.session_id()),
        (session.user_id, session.id)
    );
    assert_eq!((read.counter(), read.hash()), (0, session.refresh_hash));
    for other in [
        "",
        "lkr_",
        &text[4..],
        &text.to_uppercase(),
        &format!("{text}="),
        &format!("{text}A"),
        &text[..text.len() - 1],
        &format!(" {text}"),
        &text.replace("lkr_", "lkr-"),
        "a.b.c",
    ] {
        assert!(RefreshToken::parse(other).is_none(), "{other}");
    }
}

#[test]
fn no_two_sessions_share_a_secret_or_a_nonce() {
    let ((one, _), (two, _)) = (begin(), begin());
    assert_ne!(one.refresh_hash, two.refresh_hash);
    assert_ne!(one.nonce, two.nonce);
}

#[test]
fn a_token_is_replaced_by_one_that_only_it_leads_to() {
    let (mut session, first) = begin();
    let before = session.clone();
    let second = rotate(&mut session, &first, BEGAN + 5);
    assert_eq!(second.counter(), 1);
    assert_ne!(second.hash(), first.hash());
    assert_eq!(session.nonce, before.nonce);
    assert_eq!(
        (session.rotated_at, session.last_used_at),
        (BEGAN + 5, BEGAN + 5)
    );
    // Presenting the same token to the same session again returns the same successor.
    let Presented::Current { successor, .. } = before.present(&first, &home(), &POLICY, BEGAN)
    else {
        panic!("it was current");
    };
    assert_eq!(successor.expose(), second.expose());
}

#[test]
fn a_replaced_token_gets_its_successor_again_whenever_it_comes() {
    let (mut session, first) = begin();
    let second = rotate(&mut session, &first, BEGAN);
    for (now, counts) in [
        (BEGAN, false),
        (BEGAN + GRACE, false),
        (BEGAN + GRACE + 1, true),
        (BEGAN + 99, true),
    ] {
        let Presented::Repeated { repeat, verdict } =
            session.present(&first, &home(), &POLICY, now)
        else {
            panic!("{now}");
        };
        assert_eq!(repeat.within_grace, !counts);
        assert!(!repeat.from_other_network);
        let again = match verdict {
            Verdict::Free(again) if !counts => again,
            Verdict::Counted { successor, .. } if counts => successor,
            other => panic!("{now}: {other:?}"),
        };
        assert_eq!(again.expose(), second.expose());
    }
    // Without a grace time, a repeat counts in the very second of the replacement.
    let strict = SessionPolicy {
        grace_seconds: 0,
        ..POLICY
    };
    let Presented::Repeated { verdict, .. } = session.present(&first, &home(), &strict, BEGAN)
    else {
        panic!("its successor was not used");
    };
    assert!(matches!(verdict, Verdict::Counted { .. }));
    assert_eq!(presented(&session, &second, BEGAN + GRACE + 1), "current");
    // Once the successor was used, nothing brings it back.
    rotate(&mut session, &second, BEGAN);
    assert_eq!(presented(&session, &first, BEGAN), "reused");
}

#[test]
fn after_a_change_of_the_password_no_token_leads_to_the_current_one() {
    let (mut session, first) = begin();
    let second = rotate(&mut session, &first, BEGAN);
    let (changed, fresh) = session.with_new_token(1, &home(), &POLICY, BEGAN + 50);
    assert_eq!(presented(&changed, &fresh, BEGAN + 50), "current");
    for old in [&first, &second, &second.successor(&session.nonce)] {
        assert_eq!(presented(&changed, old, BEGAN + 50), "unknown");
        assert!(!changed.is_ours(old));
    }
    assert_ne!(changed.nonce, session.nonce);
    assert_eq!(
        (changed.counter, changed.password_epoch, changed.expires_at),
        (2, 1, BEGAN + 150)
    );
    assert_eq!(
        (session.authenticated_at, changed.authenticated_at),
        (BEGAN, BEGAN + 50),
        "a refresh gives no password, and a change of it does"
    );
}

#[test]
fn an_old_token_is_recognised_however_old_it_is() {
    let (mut session, first) = begin();
    let mut tokens = vec![first];
    for _ in 0..1_000 {
        let next = rotate(&mut session, tokens.last().unwrap(), BEGAN);
        tokens.push(next);
    }
    for place in [0, 1, 500, 990, 998] {
        assert_eq!(
            presented(&session, &tokens[place], BEGAN),
            "reused",
            "{place}"
        );
        assert!(session.is_ours(&tokens[place]), "{place}");
    }
    assert_eq!(presented(&session, &tokens[999], BEGAN), "free");
    assert_eq!(presented(&session, &tokens[1_000], BEGAN), "current");
}

#[test]
fn a_guess_is_nobody_s_token() {
    let (mut session, first) = begin();
    let second = rotate(&mut session, &first, BEGAN);
    let third = rotate(&mut session, &second, BEGAN);
    let (other, others_token) = begin();
    for guess in [
        altered(&third, 2, 1),
        altered(&third, 1, 0),
        altered(&third, 3, 0),
        altered(&third, u64::MAX, 0),
        altered(&second, 1, 1),
        altered(&second, 0, 0),
        altered(&first, 0, 0x80),
        altered(&first, 2, 0),
    ] {
        assert_eq!(
            presented(&session, &guess, BEGAN),
            "unknown",
            "{}",
            guess.counter()
        );
        assert!(!session.is_ours(&guess));
    }
    assert_eq!(presented(&session, &others_token, BEGAN), "unknown");
    assert_eq!(presented(&other, &third, BEGAN), "unknown");
}

#[test]
fn use_extends_the_idle_time_and_never_the_whole() {
    let (mut session, mut token) = begin();
    for now in [BEGAN + 99, BEGAN + 198] {
        token = rotate(&mut session, &token, now);
    }
    assert_eq!(session.expires_at, BEGAN + 250);
    assert_eq!(presented(&session, &token, BEGAN + 249), "current");
    assert_eq!(presented(&session, &token, BEGAN + 250), "unknown");
}

#[test]
fn a_session_that_is_over_is_over_though_its_item_is_there() {
    let (session, token) = begin();
    assert_eq!(presented(&session, &token, BEGAN + 99), "current");
    assert_eq!(presented(&session, &token, BEGAN + 100), "unknown");
    // This also holds if the maximum lifetime was shortened after the session began.
    let shorter = SessionPolicy {
        max_seconds: 60,
        ..POLICY
    };
    assert!(!session.is_live(&shorter, BEGAN + 60));
}

#[test]
fn a_refresh_token_does_not_show_in_debug_output() {
    assert_eq!(format!("{:?}", begin().1), "RefreshToken");
}

#[test]
fn a_device_is_cut_and_stripped_to_what_is_safe_to_print() {
    let device = Device::new("::1", &"ü".repeat(300));
    assert_eq!(device.user_agent.chars().count(), Device::MAX_LENGTH);
    let device = Device::new("::1", "curl\u{1b}[31m\n8 \u{202e}x");
    assert_eq!(device.user_agent, "curl[31m8 x");
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn a_token_is_read_as_it_was_shown_and_in_no_other_form(
        octets in proptest::collection::vec(any::<u8>(), RefreshToken::LENGTH),
        place in any::<prop::sample::Index>(),
        letter in any::<char>(),
    ) {
        let text = format!("{}{}", RefreshToken::PREFIX, URL_SAFE_NO_PAD.encode(octets));
        prop_assert_eq!(RefreshToken::parse(&text).unwrap().expose(), text.clone());
        let mut letters: Vec<char> = text.chars().collect();
        letters[place.index(text.len())] = letter;
        let other: String = letters.into_iter().collect();
        // Changed, the text is another token or none: no two texts are one token.
        if let Some(token) = RefreshToken::parse(&other) {
            prop_assert_eq!(token.expose(), other);
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_refused(text in any::<String>()) {
        prop_assert!(RefreshToken::parse(&text).is_none());
        let marked = format!("lkr_{text}");
        prop_assert!(RefreshToken::parse(&marked).is_none());
    }
}
