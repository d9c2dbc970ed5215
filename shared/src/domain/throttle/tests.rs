use crate::domain::email::Email;
use crate::domain::id::{SessionId, UserId};
use crate::platform::config::Env;

use super::*;

const NOW: u64 = 1_800_000_000;

fn policy() -> AttemptPolicy {
    AttemptPolicy::from_env(&Env::new(&|_| None)).unwrap()
}

fn ada() -> Email {
    Email::parse("ada@example.com").unwrap()
}

fn from(n: u32) -> AttemptKey {
    AttemptKey::new(
        &ada(),
        Place::Address,
        &Source::of(&std::net::Ipv4Addr::from(n).to_string()),
    )
}

/// Makes `count` attempts, each as early as allowed. Also returns the time of the last.
fn guess(mut attempts: Attempts, key: &AttemptKey, count: usize, mut now: u64) -> (Attempts, u64) {
    for _ in 0..count {
        attempts = match attempts.one_more(key, &policy(), None, now) {
            Ok(next) => next,
            Err(wait) => {
                now += wait.seconds;
                let next = attempts.one_more(key, &policy(), None, now);
                next.expect("the wait is over")
            }
        };
    }
    (attempts, now)
}

#[test]
fn after_five_attempts_each_waits_twice_as_long_up_to_an_hour() {
    let (mut attempts, mut now) = guess(Attempts::default(), &from(1), 5, NOW);
    assert_eq!(now, NOW, "five are free");
    for wait in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600] {
        let refused = attempts.one_more(&from(1), &policy(), None, now);
        let of_strangers = false;
        assert_eq!(
            refused,
            Err(Wait {
                seconds: wait,
                of_strangers
            })
        );
        let early = attempts.one_more(&from(1), &policy(), None, now + wait - 1);
        assert_eq!(
            early,
            Err(Wait {
                seconds: 1,
                of_strangers
            })
        );
        now += wait;
        attempts = attempts.one_more(&from(1), &policy(), None, now).unwrap();
    }
}

#[test]
fn one_source_s_wait_is_not_another_s() {
    let (attempts, now) = guess(Attempts::default(), &from(1), 9, NOW);
    assert!(attempts.one_more(&from(1), &policy(), None, now).is_err());
    let (_, then) = guess(attempts, &from(2), 5, now);
    assert_eq!(then, now);
}

#[test]
fn guessing_from_many_sources_is_held_up_for_all_but_known_ones() {
    let home = from(0);
    let mut attempts = Attempts::default().after_login(&home, NOW).unwrap();
    for n in 1..=10 {
        (attempts, _) = guess(attempts, &from(n), 5, NOW);
    }
    let refused = attempts.one_more(&from(11), &policy(), None, NOW);
    assert_eq!(
        refused,
        Err(Wait {
            seconds: 30,
            of_strangers: true
        })
    );
    // The owner, at home, still has five attempts.
    let (attempts, then) = guess(attempts, &home, 5, NOW);
    assert_eq!(then, NOW);
    let longest = (0..20).fold((attempts, NOW), |(attempts, now), n| {
        guess(attempts, &from(100 + n), 1, now)
    });
    let refused = longest.0.one_more(&from(200), &policy(), None, longest.1);
    assert_eq!(
        refused,
        Err(Wait {
            seconds: 3600,
            of_strangers: true
        })
    );
}

#[test]
fn a_login_resets_its_own_source_and_no_other() {
    let (attempts, _) = guess(Attempts::default(), &from(1), 5, NOW);
    let (attempts, _) = guess(attempts, &from(2), 3, NOW);
    let after = attempts.after_login(&from(2), NOW).unwrap();
    assert_eq!(guess(after.clone(), &from(2), 5, NOW).1, NOW);
    assert!(after.one_more(&from(1), &policy(), None, NOW).is_err());
}

#[test]
fn strangers_notice_no_login() {
    let home = from(0);
    let mut attempts = Attempts::default().after_login(&home, NOW).unwrap();
    for n in 1..=10 {
        (attempts, _) = guess(attempts, &from(n), 5, NOW);
    }
    let waits = |attempts: &Attempts, login: Option<&LastLogin>, n| {
        let refused = attempts.one_more(&from(n), &policy(), login, NOW + 1);
        refused.expect_err("the stranger has to wait")
    };
    let before = [1, 11].map(|n| waits(&attempts, None, n));
    attempts = attempts.one_more(&home, &policy(), None, NOW + 1).unwrap();
    let attempt = attempts.last_of(&home);
    attempts = attempts.after_login(&home, NOW + 1).unwrap_or(attempts);
    let login = LastLogin {
        at: NOW + 1,
        attempt,
    };
    let after = [1, 11].map(|n| waits(&attempts, Some(&login), n));
    assert_eq!(after, before);
}

#[test]
fn a_login_from_a_new_place_takes_its_own_attempt_back_and_no_other() {
    let mut attempts = Attempts::default();
    for n in 1..=10 {
        (attempts, _) = guess(attempts, &from(n), 5, NOW);
    }
    let before = attempts.strangers();
    let now = NOW + 30;
    attempts = attempts.one_more(&from(0), &policy(), None, now).unwrap();
    assert_eq!(attempts.strangers().made, before.made + 1);
    attempts = attempts.after_login(&from(0), now).unwrap();
    assert_eq!(attempts.strangers(), before);
    // A wrong password before the right one stays counted.
    let (attempts, _) = guess(Attempts::default(), &from(1), 3, NOW);
    let attempts = attempts.after_login(&from(1), NOW).unwrap();
    assert_eq!(attempts.strangers().made, 2);
    // Logins from ever new places never make anybody wait.
    let mut attempts = Attempts::default();
    for n in 0..100 {
        attempts = attempts.one_more(&from(n), &policy(), None, NOW).unwrap();
        attempts = attempts.after_login(&from(n), NOW).unwrap();
    }
}

#[test]
fn a_source_that_is_no_longer_known_keeps_its_count() {
    let (attempts, _) = guess(Attempts::default(), &from(0), 1, NOW);
    let mut attempts = attempts.after_login(&from(0), NOW).unwrap();
    (attempts, _) = guess(attempts, &from(0), 5, NOW + 1);
    let refused = attempts.may_try(&from(0), &policy(), NOW + 1);
    assert!(refused.is_err());
    for n in 1..=8 {
        attempts = attempts
            .one_more(&from(n), &policy(), None, NOW + 1)
            .unwrap();
        attempts = attempts.after_login(&from(n), NOW + 1).unwrap();
    }
    assert!(!attempts.is_known(&from(0), NOW + 1));
    assert_eq!(attempts.may_try(&from(0), &policy(), NOW + 1), refused);
}

#[test]
fn the_source_that_began_a_session_is_known_there() {
    let user = UserId::new(NOW * 1000);
    let place = Place::Session(user, SessionId::new(NOW * 1000));
    let in_session = |n: u32| {
        let source = Source::of(&std::net::Ipv4Addr::from(n).to_string());
        AttemptKey::new(&ada(), place, &source)
    };
    let mut attempts = Attempts::default();
    for n in 1..=10 {
        (attempts, _) = guess(attempts, &in_session(n), 5, NOW);
    }
    assert!(attempts.may_try(&in_session(0), &policy(), NOW).is_err());
    let home = in_session(0).at_home();
    assert_eq!(attempts.may_try(&home, &policy(), NOW), Ok(()));
    assert_eq!(guess(attempts, &home, 5, NOW).1, NOW, "it has its own five");
}

#[test]
fn a_new_account_begins_without_attempts_and_with_a_known_source() {
    let mut attempts = Attempts::default();
    for n in 1..=10 {
        (attempts, _) = guess(attempts, &from(n), 5, NOW);
    }
    assert!(attempts.may_try(&from(0), &policy(), NOW).is_err());
    let attempts = Attempts::of_new_account(&from(0), NOW);
    assert!(attempts.is_known(&from(0), NOW));
    for n in [0, 1, 11] {
        assert_eq!(attempts.may_try(&from(n), &policy(), NOW), Ok(()));
    }
}

#[test]
fn what_may_not_be_tried_is_refused_without_being_counted() {
    let (attempts, _) = guess(Attempts::default(), &from(1), 5, NOW);
    let refused = attempts.one_more(&from(1), &policy(), None, NOW);
    assert_eq!(
        attempts.may_try(&from(1), &policy(), NOW),
        refused.map(drop)
    );
    let mut attempts = attempts;
    for n in 2..=10 {
        (attempts, _) = guess(attempts, &from(n), 5, NOW);
    }
    let refused = attempts.one_more(&from(99), &policy(), None, NOW);
    assert_eq!(
        attempts.may_try(&from(99), &policy(), NOW),
        refused.map(drop)
    );
}

#[test]
fn attempts_in_a_session_are_not_those_at_its_address() {
    let source = Source::of("203.0.113.7");
    let user = UserId::new(NOW * 1000);
    let session = SessionId::new(NOW * 1000);
    let at_address = AttemptKey::new(&ada(), Place::Address, &source);
    let in_session = AttemptKey::new(&ada(), Place::Session(user, session), &source);
    assert_eq!(at_address.address(), in_session.address());
    assert_eq!(at_address.source(), in_session.source());
    assert_ne!(at_address.source_at_place(), in_session.source_at_place());
}

#[test]
fn logins_at_the_first_attempt_from_a_known_source_are_never_written() {
    let mut attempts = Attempts::default();
    let mut writes = Vec::new();
    let mut last_login = None;
    for now in NOW..NOW + 20 {
        attempts = attempts
            .one_more(&from(1), &policy(), last_login.as_ref(), now)
            .unwrap();
        let attempt = attempts.last_of(&from(1));
        let after = attempts.after_login(&from(1), now);
        writes.push(after.is_some());
        attempts = after.unwrap_or(attempts);
        last_login = Some(LastLogin { at: now, attempt });
    }
    assert!(writes[0], "the source becomes known");
    assert!(!writes[1..].contains(&true), "{writes:?}");
}

#[test]
fn logins_from_two_places_in_turn_never_wait() {
    let mut attempts = Attempts::default();
    let mut last_login = None;
    for now in NOW..NOW + 40 {
        let key = from(u32::try_from(now % 2).unwrap());
        attempts = attempts
            .one_more(&key, &policy(), last_login.as_ref(), now)
            .unwrap();
        let attempt = attempts.last_of(&key);
        attempts = attempts.after_login(&key, now).unwrap_or(attempts);
        last_login = Some(LastLogin { at: now, attempt });
    }
}

#[test]
fn a_guess_of_the_same_second_is_not_taken_for_the_login() {
    let (mut attempts, _) = guess(Attempts::default(), &from(1), 1, NOW);
    let attempt = attempts.last_of(&from(1));
    let login = LastLogin { at: NOW, attempt };
    for n in 0..10 {
        let next = attempts.one_more(&from(2), &policy(), Some(&login), NOW);
        assert_eq!(next.is_ok(), n < 5);
        attempts = next.unwrap_or(attempts);
    }
}

#[test]
fn attempts_are_forgotten_after_a_day_and_known_sources_after_ninety() {
    const DAY: u64 = 86_400;
    let (attempts, _) = guess(Attempts::default(), &from(1), 5, NOW);
    let (_, then) = guess(attempts.clone(), &from(1), 5, NOW + DAY);
    assert_eq!(then, NOW + DAY);
    assert_eq!(attempts.expires_at(), NOW + DAY);
    let after = attempts.after_login(&from(1), NOW).unwrap();
    assert_eq!(after.expires_at(), NOW + 90 * DAY);
    assert_eq!(after.remembered(NOW + 90 * DAY), Attempts::default());
    assert!(after.is_known(&from(1), NOW + 90 * DAY - 1));
    assert!(!after.is_known(&from(1), NOW + 90 * DAY));
    assert!(!after.is_known(&from(2), NOW));
}

#[test]
fn failures_do_not_keep_a_source_known() {
    const DAY: u64 = 86_400;
    let mut attempts = Attempts::default().after_login(&from(1), NOW).unwrap();
    for day in 1..=90 {
        (attempts, _) = guess(attempts, &from(1), 1, NOW + day * DAY);
    }
    assert!(!attempts.is_known(&from(1), NOW + 90 * DAY));
}

#[test]
fn logins_keep_a_source_known_although_most_are_not_written() {
    const DAY: u64 = 86_400;
    let mut attempts = Attempts::default();
    let mut last_login = None;
    for now in (NOW..NOW + 200 * DAY).step_by(6 * 60 * 60) {
        attempts = attempts
            .one_more(&from(1), &policy(), last_login.as_ref(), now)
            .unwrap();
        let attempt = attempts.last_of(&from(1));
        attempts = attempts.after_login(&from(1), now).unwrap_or(attempts);
        last_login = Some(LastLogin { at: now, attempt });
        assert!(attempts.is_known(&from(1), now + 89 * DAY));
    }
}

#[test]
fn the_latest_eight_sources_are_known() {
    let mut attempts = Attempts::default();
    for n in 0..20 {
        let now = NOW + u64::from(n);
        attempts = attempts.one_more(&from(n), &policy(), None, now).unwrap();
        attempts = attempts.after_login(&from(n), now).unwrap();
    }
    let known: Vec<_> = (0..20)
        .filter(|n| attempts.is_known(&from(*n), NOW + 20))
        .collect();
    assert_eq!(known, (12..20).collect::<Vec<_>>());
}

#[test]
fn a_subscriber_is_one_source_whatever_the_notation() {
    let same = [
        ["2001:db8::1", "2001:DB8:0:0:ffff:ffff:ffff:ffff"],
        ["203.0.113.7", "::ffff:203.0.113.7"],
        ["", "not an address"],
    ];
    for [one, other] in same {
        assert_eq!(Source::of(one), Source::of(other), "{one} {other}");
    }
    let different = [
        ["2001:db8::1", "2001:db8:0:1::1"],
        ["203.0.113.7", "203.0.113.8"],
        ["203.0.113.7", ""],
    ];
    for [one, other] in different {
        assert_ne!(Source::of(one), Source::of(other), "{one} {other}");
    }
    let other = Email::parse("grace@example.com").unwrap();
    let source = Source::of("203.0.113.7");
    let [one, other] = [ada(), other].map(|email| AttemptKey::new(&email, Place::Address, &source));
    assert_eq!(one.source(), other.source());
    assert_ne!(one.source_at_place(), other.source_at_place());
}

#[test]
fn what_is_stored_is_read_as_it_was_written() {
    let (attempts, _) = guess(Attempts::default(), &from(1), 3, NOW);
    let attempts = attempts.after_login(&from(1), NOW).unwrap();
    let (attempts, _) = guess(attempts, &from(2), 3, NOW + 5);
    let (attempts, _) = guess(attempts, &from(1), 1, NOW + 9);
    let sources = attempts.sources().iter().map(|at| at.to_string().parse());
    let successes = attempts
        .successes()
        .map(|success| success.to_string().parse());
    let read = Attempts::new(
        sources.collect::<Result<_, _>>().unwrap(),
        successes.collect::<Result<_, _>>().unwrap(),
        Some(attempts.strangers()),
    );
    assert_eq!(read, attempts);
    for text in [
        "",
        "a 1 2",
        "a 1 2 x -  ",
        "a x 2 x -",
        "a 1 -2 x -",
        "a 1 2 x maybe",
        "a 1 2 x 3",
    ] {
        assert_eq!(text.parse::<AtSource>(), Err(NotAnEntry), "{text}");
    }
}

#[test]
fn the_version_before_reads_what_is_stored_and_what_it_stores_is_read() {
    // Its grammar: a source, two numbers, an attempt, and "known" or "-".
    let (attempts, _) = guess(Attempts::default(), &from(1), 3, NOW);
    let attempts = attempts.after_login(&from(1), NOW).unwrap();
    let (attempts, _) = guess(attempts, &from(2), 3, NOW);
    for line in attempts.sources().iter().map(ToString::to_string) {
        let words: Vec<_> = line.split(' ').collect();
        let [_, made, last, _, known] = words[..] else {
            panic!("{line}");
        };
        assert!(made.parse::<u64>().is_ok() && last.parse::<u64>().is_ok());
        assert!(["known", "-"].contains(&known), "{line}");
    }
    let sources = attempts.sources().to_vec();
    let read = Attempts::new(sources, Vec::new(), None);
    assert!(read.is_known(&from(1), NOW));
    assert_eq!(read.strangers(), Strangers { made: 3, last: NOW });
}
