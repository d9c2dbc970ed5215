//! The password that goes with a link: `POST /email/verify`, `POST /email/change/confirm`. That of
//! `POST /register/confirm` is in `registration.rs`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::Email;

use crate::support::app::{Answer, App, PASSWORD, User, faults, join_all, text};

const ADA: &str = "ada@example.com";
const NEW: &str = "ada.king@example.org";
const OTHER: &str = "another good password";
const WRONG: &str = "not the password";
/// The calls, with what asks for their links.
const CALLS: [(&str, &str); 2] = [
    ("/email/verify", "email_verification"),
    ("/email/change/confirm", "email_change"),
];

/// Asks for a link of this mail, and returns its token.
async fn asked(app: &App, ada: &User<'_>, mail: &str) -> String {
    // Its event has a later identifier than that of any other.
    app.clock.advance(Duration::from_millis(1));
    let asked = match mail {
        "email_change" => ada.post("/email/change", json!({"email": NEW, "password": PASSWORD})),
        _ => app.post("/email/verify/resend", json!({ "email": ADA })),
    };
    asked.send().await.expect(202);
    app.mailed(mail).await.unwrap()
}

async fn use_link(app: &App, path: &str, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.post(path, body).send().await
}

/// Returns the items that attempts with links are counted in.
async fn counters(app: &App) -> Vec<String> {
    let mut items = app.all_items().await;
    items.retain(|item| item["sk"].as_s().unwrap().starts_with("THROTTLE#"));
    let of_link = async |item: &std::collections::BTreeMap<String, AttributeValue>| {
        let id = item["sk"].as_s().unwrap().replace("THROTTLE#", "TOKEN#");
        app.item(item["pk"].as_s().unwrap(), &id).await.is_some()
    };
    let mut found = Vec::new();
    for item in items {
        if of_link(&item).await {
            found.push(format!("{item:?}"));
        }
    }
    found
}

#[tokio::test]
async fn a_link_without_the_password_of_the_account_does_nothing_and_stays_good() {
    for (path, mail) in CALLS {
        let app = App::mailing(&[]).await;
        let ada = app.user(ADA).await;
        // An account of another, whose password is of no use with ada's link.
        let mut eve = crate::support::app::registration("eve@example.com");
        eve["password"] = json!(OTHER);
        app.post("/register", eve).send().await.expect(201);
        let token = asked(&app, &ada, mail).await;
        let before = app.items_but_secrets().await;
        for password in [WRONG, "", OTHER, &PASSWORD.to_uppercase()] {
            let refused = use_link(&app, path, &token, password).await;
            refused.problem(403, "wrong-password");
        }
        assert_eq!(app.items_but_secrets().await, before, "{path}");
        app.refresh(&ada.refresh_token).await.expect(200);
        use_link(&app, path, &token, PASSWORD).await.expect(204);
        let profile = ada.get("/profile").send().await.expect(200).json();
        assert_eq!(profile["email_verified"], true, "{path}");
    }
}

#[tokio::test]
async fn guesses_are_counted_by_link_and_those_at_an_address_are_not_among_them() {
    for (path, mail) in CALLS {
        let app = App::mailing(&[("LoginAttempts", "3")]).await;
        let ada = app.user(ADA).await;
        let token = asked(&app, &ada, mail).await;
        for address in [ADA, NEW] {
            for _ in 0..4 {
                app.login(address, WRONG).await;
            }
            let refused = app.login(address, PASSWORD).await;
            refused.problem(429, "too-many-attempts");
        }
        for _ in 0..3 {
            let refused = use_link(&app, path, &token, WRONG).await;
            refused.problem(403, "wrong-password");
        }
        for password in [WRONG, PASSWORD] {
            let refused = use_link(&app, path, &token, password).await;
            assert_eq!(refused.header("retry-after"), "30", "{path}");
            refused.problem(429, "too-many-attempts");
        }
        // Another link has a count of its own, and another network too.
        let other = asked(&app, &ada, mail).await;
        let refused = use_link(&app, path, &other, WRONG).await;
        refused.problem(403, "wrong-password");
        let body = json!({"token": token, "password": WRONG});
        let elsewhere = app.post(path, body).from("198.51.100.1");
        elsewhere.send().await.problem(403, "wrong-password");
        app.clock.advance(Duration::from_secs(30));
        use_link(&app, path, &token, PASSWORD).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_get_no_more_tries_than_one_after_the_other() {
    for (path, mail) in CALLS {
        let app = App::mailing(&[("LoginAttempts", "3")]).await;
        let ada = app.user(ADA).await;
        let token = asked(&app, &ada, mail).await;
        let guesses = join_all((0..12).map(|_| use_link(&app, path, &token, WRONG))).await;
        let tried = guesses.iter().filter(|answer| answer.status == 403);
        assert_eq!(tried.count(), 3, "{path}: {guesses:?}");
        let others = guesses.into_iter().filter(|answer| answer.status != 403);
        for other in others {
            other.problem(429, "too-many-attempts");
        }
        app.clock.advance(Duration::from_secs(30));
        use_link(&app, path, &token, PASSWORD).await.expect(204);
    }
}

#[tokio::test]
async fn all_faults_of_a_use_are_named_at_once() {
    for (path, mail) in CALLS {
        let app = App::mailing(&[]).await;
        let ada = app.user(ADA).await;
        let named = async |body: Value| {
            let problem = app.post(path, body).send().await;
            let mut found = faults(&problem.problem(422, "invalid-fields"));
            found.sort();
            found
        };
        let fault = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
        let token = asked(&app, &ada, mail).await;
        let missing = [fault("/password", "missing"), fault("/token", "missing")];
        assert_eq!(named(json!({ "token": token })).await, missing[..1]);
        assert_eq!(named(json!({})).await, missing);
        let wrong = [
            fault("/new_password", "unknown"),
            fault("/password", "wrong-type"),
            fault("/token", "wrong-type"),
        ];
        let body = json!({"token": 1, "password": [PASSWORD], "new_password": OTHER});
        assert_eq!(named(body).await, wrong);
        // None of it uses the link up or counts.
        assert!(counters(&app).await.is_empty(), "{path}");
        use_link(&app, path, &token, PASSWORD).await.expect(204);
    }
}

#[tokio::test]
async fn with_a_link_that_is_not_good_no_password_is_tried() {
    for (path, mail) in CALLS {
        let app = App::mailing(&[("LoginAttempts", "3")]).await;
        let ada = app.user(ADA).await;
        let token = asked(&app, &ada, mail).await;
        let guessed = format!("{}AAAA", &token[..token.len() - 4]);
        let mut seen = Vec::new();
        for bad in ["lkm_", &guessed] {
            for password in [PASSWORD, WRONG, WRONG, WRONG, WRONG, PASSWORD] {
                let refused = use_link(&app, path, bad, password).await;
                let mut problem = refused.problem(400, "invalid-link");
                problem["request_id"] = Value::Null;
                seen.push(problem.to_string());
            }
        }
        assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
        assert!(counters(&app).await.is_empty(), "{path}");
        assert!(app.rows_of("password_refused").await.is_empty(), "{path}");
        use_link(&app, path, &token, PASSWORD).await.expect(204);
        let used = use_link(&app, path, &token, WRONG).await;
        used.problem(400, "invalid-link");
    }
}

#[tokio::test]
async fn the_password_is_asked_for_before_a_change_tells_that_the_address_is_taken() {
    let app = App::mailing(&[]).await;
    let ada = app.user(ADA).await;
    let token = asked(&app, &ada, "email_change").await;
    app.register(NEW).await.expect(201);
    let path = "/email/change/confirm";
    let refused = use_link(&app, path, &token, WRONG).await;
    refused.problem(403, "wrong-password");
    // A taken address does not use up the attempts, however often it is tried.
    for _ in 0..12 {
        let taken = use_link(&app, path, &token, PASSWORD).await;
        taken.problem(409, "email-taken");
    }
}

#[tokio::test]
async fn who_has_a_link_without_the_password_is_told_at_the_address_and_not_to_the_account() {
    for (path, mail) in CALLS {
        let app = App::mailing(&[("LoginAttempts", "3")]).await;
        let ada = app.user(ADA).await;
        let token = asked(&app, &ada, mail).await;
        for status in [403, 403, 403, 429] {
            use_link(&app, path, &token, WRONG).await.expect(status);
        }
        // The address whose password was tried, and not the new one.
        let address = format!("EMAIL#{}", Email::parse(ADA).unwrap().fingerprint());
        for (event, count) in [("password_refused", 3), ("attempt_refused", 1)] {
            let rows = app.rows_of(event).await;
            assert_eq!(rows.len(), count, "{path}");
            for row in rows {
                assert_eq!(row["pk"].as_s().unwrap(), &address, "{path}");
            }
        }
        let activity = ada.get("/activity").send().await.expect(200).json();
        let events = activity["events"].as_array().unwrap().iter();
        let names: Vec<_> = events.map(|event| text(event, "event")).collect();
        assert!(!names.is_empty());
        assert!(
            names.iter().all(|name| !name.ends_with("_refused")),
            "{path}: {names:?}"
        );
    }
}

#[tokio::test]
async fn the_counters_of_a_link_end_with_the_account() {
    for (path, mail) in CALLS {
        let app = App::mailing(&[]).await;
        let ada = app.user(ADA).await;
        let token = asked(&app, &ada, mail).await;
        let refused = use_link(&app, path, &token, WRONG).await;
        refused.problem(403, "wrong-password");
        assert_eq!(counters(&app).await.len(), 1, "{path}");
        let delete = ada.post("/profile/delete", json!({ "password": PASSWORD }));
        delete.send().await.expect(204);
        let left = app.all_items().await;
        let of_ada = format!("USER#{}", ada.id());
        assert!(
            left.iter()
                .all(|item| item["pk"].as_s().unwrap() != &of_ada)
        );
    }
}
