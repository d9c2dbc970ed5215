//! Guesses of passwords are throttled, at every route that takes a password.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, PASSWORD, User, join_all, logged, registration, text};

const WRONG: &str = "not the password at all";

impl App {
    async fn login_from(&self, ip: &str, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.post("/login", body).from(ip).send().await
    }

    /// Guesses until the answer is to wait. Returns the seconds to wait and the number of guesses.
    async fn guess(&self, ip: &str, email: &str) -> (u64, usize) {
        for guesses in 0.. {
            let answer = self.login_from(ip, email, WRONG).await;
            if answer.status == 429 {
                return (wait(&answer), guesses);
            }
            answer.problem(401, "invalid-credentials");
        }
        unreachable!()
    }

    /// Guesses from twenty sources until each has to wait. Returns the number of guesses.
    async fn guess_from_everywhere(&self, email: &str) -> usize {
        let mut tried = 0;
        for n in 0..20 {
            tried += self.guess(&format!("198.51.100.{n}"), email).await.1;
        }
        tried
    }
}

#[track_caller]
pub(super) fn wait(answer: &Answer) -> u64 {
    let seconds = answer.header("retry-after").parse().unwrap();
    assert_eq!(answer.json()["code"], "too-many-attempts");
    assert_eq!(
        answer.json()["detail"],
        format!("Try again in {seconds} seconds.")
    );
    seconds
}

/// Counts the answers for the right password, for a wrong one, and to wait. The rest are 503, which
/// tells nothing: so many requests at once can be more than a small machine handles.
fn told(answers: &[Answer]) -> (usize, usize, usize) {
    let count = |status: u16| {
        let of_status = |answer: &&Answer| answer.status == status;
        answers.iter().filter(of_status).count()
    };
    let (right, wrong, wait) = (count(200), count(401) + count(403), count(429));
    assert_eq!(right + wrong + wait + count(503), answers.len());
    (right, wrong, wait)
}

#[tokio::test]
async fn a_source_that_guesses_waits_longer_each_time_and_waiting_helps() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    assert_eq!(app.guess("198.51.100.1", "ada@example.com").await, (30, 5));
    for expected in [60, 120, 240] {
        app.clock.advance(Duration::from_secs(expected / 2));
        assert_eq!(
            app.guess("198.51.100.1", "ada@example.com").await,
            (expected, 1)
        );
    }
    // Not even the right password passes, and asking too early has no cost.
    for _ in 0..5 {
        let early = app
            .login_from("198.51.100.1", "ada@example.com", PASSWORD)
            .await;
        assert_eq!(wait(&early), 240);
    }
    app.clock.advance(Duration::from_secs(240));
    app.login_from("198.51.100.1", "ada@example.com", PASSWORD)
        .await
        .expect(200);
    assert_eq!(
        app.guess("198.51.100.1", "ada@example.com").await,
        (30, 5),
        "it starts anew"
    );
}

#[tokio::test]
async fn the_owner_logs_in_from_elsewhere_meanwhile() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    app.guess("198.51.100.1", "ada@example.com").await;
    app.login_from("203.0.113.9", "ada@example.com", PASSWORD)
        .await
        .expect(200);
    // This does not reset the attacker's count.
    let answer = app
        .login_from("198.51.100.1", "ada@example.com", WRONG)
        .await;
    assert_eq!(wait(&answer), 30);
}

#[tokio::test]
async fn letter_case_is_no_new_address_and_a_subscriber_s_network_no_new_source() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    for (ip, email) in [
        ("2001:db8::1", "ada@example.com"),
        ("2001:db8::2", "ADA@example.com"),
        ("2001:db8::ffff:1", "ada@EXAMPLE.com"),
        ("2001:db8:0:0:1::", " ada@example.com"),
        ("2001:db8::3", "Ada@Example.Com"),
    ] {
        app.login_from(ip, email, WRONG)
            .await
            .problem(401, "invalid-credentials");
    }
    let answer = app
        .login_from("2001:db8::4", "aDA@example.com", PASSWORD)
        .await;
    assert_eq!(wait(&answer), 30);
    // Headers that a client sends do not change its source.
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    for name in [
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "cf-connecting-ip",
    ] {
        let call = app.post("/login", body.clone()).header(name, "192.0.2.77");
        call.from("2001:db8::5").send().await.expect(429);
    }
}

#[tokio::test]
async fn guesses_from_many_sources_are_throttled_but_not_the_owner_at_a_known_one() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    app.login_from("203.0.113.9", "ada@example.com", PASSWORD)
        .await
        .expect(200);
    assert_eq!(app.guess_from_everywhere("ada@example.com").await, 50);
    let stranger = app
        .login_from("192.0.2.1", "ada@example.com", PASSWORD)
        .await;
    assert!(wait(&stranger) > 0);
    app.login_from("203.0.113.9", "ada@example.com", PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_throttled_stranger_notices_no_login_of_the_owner() {
    let mut seen = Vec::new();
    for (email, password) in [("ada@example.com", PASSWORD), ("nobody@example.com", WRONG)] {
        let app = App::start().await;
        if password == PASSWORD {
            app.register(email).await.expect(201);
        }
        for n in 0..10 {
            app.guess(&format!("198.51.100.{n}"), email).await;
        }
        let mut answers = Vec::new();
        for _ in 0..3 {
            // From her own network, which the others do not share, and from one where she has never
            // been, which has to wait too.
            app.login_from("203.0.113.7", email, password).await;
            app.login_from("203.0.113.200", email, password).await;
            app.clock.advance(Duration::from_secs(1));
            for ip in ["198.51.100.1", "192.0.2.1"] {
                let answer = app.login_from(ip, email, WRONG).await;
                answers.push((answer.status, answer.json()["detail"].clone()));
            }
        }
        seen.push(answers);
    }
    assert!(seen[0].iter().all(|(status, _)| *status == 429), "{seen:?}");
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn strangers_have_as_many_guesses_whether_the_owner_logs_in_from_a_new_place_or_not() {
    let mut tried = Vec::new();
    for owner_comes in [false, true] {
        let app = App::start().await;
        app.register("ada@example.com").await.expect(201);
        let mut guesses = 0;
        for n in 0..20 {
            guesses += app
                .guess(&format!("198.51.100.{n}"), "ada@example.com")
                .await
                .1;
            if owner_comes && n == 5 {
                let login = app.login_from("192.0.2.77", "ada@example.com", PASSWORD);
                login.await.expect(200);
            }
        }
        tried.push(guesses);
    }
    assert_eq!(tried, [50, 50]);
}

#[tokio::test]
async fn a_busy_network_and_a_thief_elsewhere_do_not_hold_a_session_up_at_its_own_place() {
    let app = App::with(&[("LoginAttemptsPerSource", "20")]).await;
    let ada = app.user("ada@example.com").await;
    // Somebody in the same network tries one address after the other.
    for n in 1..20 {
        let email = format!("stranger{n}@example.com");
        app.login_from("203.0.113.7", &email, WRONG)
            .await
            .expect(401);
    }
    // And somebody with a copy of the token tries passwords from many others.
    for n in 0..10 {
        for _ in 0..5 {
            ada.delete_with(&format!("198.51.100.{n}"), WRONG)
                .await
                .expect(403);
        }
    }
    ada.delete_with("192.0.2.1", PASSWORD).await.expect(429);
    ada.change_with("203.0.113.7", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn guesses_before_a_registration_do_not_shut_its_owner_out() {
    let app = App::start().await;
    assert_eq!(app.guess_from_everywhere("ada@example.com").await, 50);
    app.register("ada@example.com").await.expect(201);
    // From the network of the registration, and from any other.
    for ip in ["203.0.113.7", "192.0.2.1"] {
        app.login_from(ip, "ada@example.com", PASSWORD)
            .await
            .expect(200);
    }
    // Guesses after it do not reach the place of the registration.
    for n in 0..20 {
        app.guess(&format!("198.51.101.{n}"), "ada@example.com")
            .await;
    }
    app.login_from("203.0.113.7", "ada@example.com", PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_refused_attempt_counts_nowhere_and_hashes_nothing() {
    let app = App::with(&[("LoginAttemptsPerSource", "20")]).await;
    app.register("ada@example.com").await.expect(201);
    for n in 0..10 {
        app.guess(&format!("198.51.100.{n}"), "ada@example.com")
            .await;
    }
    let before = app.all_items().await;
    logged();
    for _ in 0..40 {
        app.login_from("192.0.2.1", "ada@example.com", PASSWORD)
            .await
            .expect(429);
    }
    let hashed = |line: &Value| line.get("hash_ms").is_some();
    assert_eq!(logged().iter().filter(|line| hashed(line)).count(), 0);
    assert_eq!(app.all_items().await, before);
    // The network can still be used for other addresses.
    app.login_from("192.0.2.1", "grace@example.com", WRONG)
        .await
        .expect(401);
}

#[tokio::test]
async fn the_counts_of_an_address_end_with_its_account() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    ada.delete_with("203.0.113.9", WRONG).await.expect(403);
    ada.delete_with("203.0.113.7", PASSWORD).await.expect(204);
    let kinds: Vec<_> = app.all_items().await;
    let kinds = kinds.iter().map(|item| item["pk"].as_s().unwrap().clone());
    let kinds: Vec<_> = kinds
        .filter(|pk| !pk.starts_with("LIMIT#SOURCE#"))
        .collect();
    assert!(kinds.is_empty(), "{kinds:?}");
}

#[tokio::test]
async fn unknown_and_disabled_accounts_get_the_same_answer_to_wait() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let grace = app.user("grace@example.com").await;
    let disabled = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&grace.id(), "status", disabled).await;
    let mut seen = Vec::new();
    for email in ["ada@example.com", "grace@example.com", "nobody@example.com"] {
        let mut answers = Vec::new();
        for _ in 0..7 {
            let answer = app.login_from("198.51.100.1", email, WRONG).await;
            let mut body = answer.json();
            body["request_id"] = Value::Null;
            let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            answers.push((answer.status, names, body));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0][5].0, 429);
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[1], seen[2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_guesses_at_once_get_no_more_tries_than_one_after_the_other() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let guess = |email: &'static str| app.login_from("198.51.100.1", email, WRONG);
    for email in ["ada@example.com", "nobody@example.com"] {
        let (right, wrong, wait) = told(&join_all((0..200).map(|_| guess(email))).await);
        assert!(
            right == 0 && (1..=5).contains(&wrong) && wait > 0,
            "{wrong} {wait}"
        );
        let (_, wrong, _) = told(&join_all((0..20).map(|_| guess(email))).await);
        assert_eq!(wrong, 0, "they are used up");
    }
    // Nor with the right password among them. It may be one of the five, and a login resets its
    // source.
    let right = |n: usize| {
        let password = if n == 150 { PASSWORD } else { WRONG };
        app.login_from("198.51.100.2", "ada@example.com", password)
    };
    let (right, wrong, _) = told(&join_all((0..200).map(right)).await);
    let most = if right == 0 { 5 } else { 10 };
    assert!(right + wrong <= most, "{right} {wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_has_a_limit_of_tries_over_all_addresses() {
    let app = App::with(&[("LoginAttemptsPerSource", "20")]).await;
    let emails: Vec<_> = (0..60).map(|n| format!("user{n}@example.com")).collect();
    let guess = |email| app.login_from("198.51.100.1", email, WRONG);
    let answers = join_all(emails.iter().map(|email| guess(email))).await;
    let (right, wrong, held_up) = told(&answers);
    assert!(
        right == 0 && (1..=20).contains(&wrong) && held_up > 0,
        "{wrong} {held_up}"
    );
    let waits = answers
        .iter()
        .filter(|answer| answer.status == 429)
        .map(wait);
    assert!(
        waits
            .into_iter()
            .all(|seconds| (1..=300).contains(&seconds))
    );
    app.login_from("198.51.100.2", "user1@example.com", WRONG)
        .await
        .expect(401);
    app.clock.advance(Duration::from_secs(300));
    app.login_from("198.51.100.1", "user1@example.com", WRONG)
        .await
        .expect(401);
}

#[tokio::test]
async fn a_network_that_many_people_log_in_from_is_not_blocked() {
    let app = App::with(&[("LoginAttemptsPerSource", "20")]).await;
    for n in 0..30 {
        let email = format!("user{n}@example.com");
        let body = registration(&email);
        let call = app.post("/register", body).from(&format!("192.0.2.{n}"));
        call.send().await.expect(201);
        app.login_from("198.51.100.1", &email, PASSWORD)
            .await
            .expect(200);
    }
    // These logins leave half of the tries, and only failures use them up.
    for n in 0..10 {
        let email = format!("stranger{n}@example.com");
        app.login_from("198.51.100.1", &email, WRONG)
            .await
            .expect(401);
    }
    app.login_from("198.51.100.1", "stranger11@example.com", WRONG)
        .await
        .expect(429);
    // An account that has logged in from there before still can.
    app.login_from("198.51.100.1", "user1@example.com", PASSWORD)
        .await
        .expect(200);
}

impl User<'_> {
    async fn delete_with(&self, ip: &str, password: &str) -> Answer {
        let call = self.call(Method::DELETE, "/profile");
        call.json(json!({ "password": password }))
            .from(ip)
            .send()
            .await
    }

    async fn change_with(&self, ip: &str, password: &str) -> Answer {
        let body = json!({"current_password": password, "new_password": "another good password"});
        self.post("/password/change", body).from(ip).send().await
    }
}

#[tokio::test]
async fn a_stolen_token_has_five_guesses_for_all_routes_together() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let ip = "198.51.100.1";
    for _ in 0..3 {
        ada.change_with(ip, WRONG)
            .await
            .problem(403, "wrong-password");
    }
    for _ in 0..2 {
        ada.delete_with(ip, WRONG)
            .await
            .problem(403, "wrong-password");
    }
    assert_eq!(wait(&ada.change_with(ip, PASSWORD).await), 30);
    assert_eq!(wait(&ada.delete_with(ip, PASSWORD).await), 30);
    ada.get("/profile").send().await.expect(200);
    // The owner is held up neither in another network, nor in another session, nor at login.
    ada.change_with("203.0.113.9", PASSWORD).await.expect(200);
    let login = app.login_from(ip, "ada@example.com", "another good password");
    login.await.expect(200);
    app.clock.advance(Duration::from_secs(30));
    ada.delete_with(ip, "another good password")
        .await
        .expect(204);
}

#[tokio::test]
async fn strangers_who_guess_at_an_address_do_not_hold_up_its_owner_s_session() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.guess_from_everywhere("ada@example.com").await;
    // Not even in their own network.
    ada.change_with("198.51.100.1", PASSWORD).await.expect(200);
    ada.delete_with("192.0.2.1", "another good password")
        .await
        .expect(204);
}

#[tokio::test]
async fn a_token_whose_session_has_ended_counts_at_the_address() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    ada.call(Method::DELETE, "/sessions")
        .send()
        .await
        .expect(204);
    let ip = "198.51.100.1";
    app.guess(ip, "ada@example.com").await;
    ada.delete_with(ip, PASSWORD).await.expect(429);
    ada.change_with("203.0.113.7", PASSWORD)
        .await
        .problem(401, "invalid-token");
    ada.delete_with("203.0.113.7", PASSWORD).await.expect(204);
}

#[tokio::test]
async fn concurrent_guesses_are_counted_on_the_other_routes_too() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let answers = join_all((0..100).map(|_| ada.change_with("198.51.100.1", WRONG))).await;
    assert!((1..=5).contains(&told(&answers).1), "{:?}", told(&answers));
    let answers = join_all((0..100).map(|_| ada.delete_with("198.51.100.2", WRONG))).await;
    assert!((1..=5).contains(&told(&answers).1), "{:?}", told(&answers));
}

#[tokio::test]
async fn counters_hold_no_address_and_expire() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    app.login_from("203.0.113.9", "ada@example.com", WRONG)
        .await
        .expect(401);
    let mut kinds = Vec::new();
    for item in app.all_items().await {
        let pk = item["pk"].as_s().unwrap();
        let Some(kind) = pk.strip_prefix("LIMIT#") else {
            continue;
        };
        kinds.push(kind.split('#').next().unwrap().to_owned());
        // Random octets may spell a name, but no "@".
        let shown = format!("{item:?}");
        assert!(
            !shown.contains("ada@") && !shown.contains("203.0.113"),
            "{shown}"
        );
        let expires_at: u64 = item["expires_at"].as_n().unwrap().parse().unwrap();
        assert!(expires_at > crate::support::app::BEGINNING);
    }
    kinds.sort();
    assert_eq!(kinds, ["EMAIL", "SOURCE", "SOURCE"]);
}

#[tokio::test]
async fn a_refused_attempt_tells_nothing_of_the_password() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    app.guess("198.51.100.1", "ada@example.com").await;
    let right = app
        .login_from("198.51.100.1", "ada@example.com", PASSWORD)
        .await;
    let wrong = app
        .login_from("198.51.100.1", "ada@example.com", WRONG)
        .await;
    let shown = |answer: &Answer| {
        let mut body = answer.json();
        body["request_id"] = Value::Null;
        body
    };
    assert_eq!(shown(&right), shown(&wrong));
    assert_eq!(text(&right.json(), "title"), "Too many attempts");
}
