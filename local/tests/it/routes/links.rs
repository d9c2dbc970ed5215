//! `POST /password/reset`, `POST /email/verify`.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use shared::domain::Purpose;

use crate::support::app::{Answer, App, PASSWORD, User, claims, faults, join_all, text};
use crate::support::links::NO_MAIL;

const NEW: &str = "another good password";

fn reset(app: &App, token: &str, new: &str) -> impl Future<Output = Answer> {
    let body = json!({"token": token, "new_password": new});
    app.post("/password/reset", body).send()
}

fn verify(app: &App, token: &str) -> impl Future<Output = Answer> {
    let body = json!({"token": token, "password": PASSWORD});
    app.post("/email/verify", body).send()
}

async fn is_verified(user: &User<'_>) -> bool {
    let profile = user.get("/profile").send().await.expect(200).json();
    profile["email_verified"].as_bool().unwrap()
}

#[tokio::test]
async fn a_reset_sets_the_password_and_ends_every_session() {
    let app = App::with_mail().await;
    let mut ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    app.login(&ada.email, PASSWORD).await.expect(200);
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    let answer = reset(&app, &token, NEW).await.expect(204);
    assert_eq!(answer.body, "");
    assert_eq!(answer.header("cache-control"), "no-store");
    app.refresh(&ada.refresh_token)
        .await
        .problem(401, "invalid-refresh-token");
    app.login(&ada.email, PASSWORD)
        .await
        .problem(401, "invalid-credentials");
    let sessions = app.items_of("SESSION#").await;
    assert_eq!(sessions.len(), 1, "eve's: {sessions:?}");
    app.refresh(&eve.refresh_token).await.expect(200);
    app.login(&eve.email, PASSWORD).await.expect(200);
    let tokens = app.login(&ada.email, NEW).await.expect(200).json();
    ada.access_token = text(&tokens, "access_token");
    assert!(is_verified(&ada).await, "its owner reads its mail");
    assert!(!is_verified(&eve).await);
}

#[tokio::test]
async fn a_proven_address_is_in_the_account_and_in_the_next_token() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    assert_eq!(ada.account["email_verified"], false);
    assert_eq!(claims(&ada.access_token)["email_verified"], false);
    let before = ada.get("/profile").send().await.expect(200);
    let token = app.mint(&ada.id(), Purpose::EmailVerification).await;
    assert_eq!(verify(&app, &token).await.expect(204).body, "");
    let after = ada.get("/profile").send().await.expect(200);
    assert_eq!(after.json()["email_verified"], true);
    assert_ne!(before.header("etag"), after.header("etag"));
    let tokens = app.refresh(&ada.refresh_token).await.expect(200).json();
    assert_eq!(
        claims(&text(&tokens, "access_token"))["email_verified"],
        true
    );
    // No session ends and no password changes.
    app.login(&ada.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn what_a_link_changes_is_told_in_rows_of_the_account() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let told = async || {
        let pk = format!("USER#{}", ada.id());
        let rows = app.event_rows().await.into_iter();
        let rows = rows.filter(|row| row["pk"].as_s().unwrap() == &pk);
        let text = |row: &std::collections::BTreeMap<String, _>, name: &str| {
            let value: Option<&aws_sdk_dynamodb::types::AttributeValue> = row.get(name);
            value.map(|value| value.as_s().unwrap().clone())
        };
        let row = |row| {
            (
                text(&row, "event").unwrap(),
                text(&row, "by"),
                text(&row, "mail"),
            )
        };
        let mut rows: Vec<_> = rows.map(row).collect();
        rows.retain(|(event, ..)| !["registered", "logged_in"].contains(&event.as_str()));
        rows
    };
    let row = |event: &str, by: Option<&str>, mail: Option<&str>| {
        (
            event.to_owned(),
            by.map(str::to_owned),
            mail.map(str::to_owned),
        )
    };
    let token = app.mint(&ada.id(), Purpose::EmailVerification).await;
    verify(&app, &token).await.expect(204);
    assert_eq!(told().await, [row("email_verified", None, None)]);
    // What is refused may be somebody else's doing.
    verify(&app, &token).await.problem(400, "invalid-link");
    app.clock.advance(Duration::from_secs(1));
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    reset(&app, &token, NEW).await.expect(204);
    let expected = [
        row("email_verified", None, None),
        row("password_reset", None, Some("password_changed")),
        row("sessions_ended", Some("password_reset"), None),
    ];
    let mut rows = told().await;
    rows.sort();
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn the_owner_logs_in_after_a_reset_however_often_anybody_guessed() {
    let limits = [
        crate::support::links::MAIL,
        ("LoginAttempts", "3"),
        ("LoginAttemptsPerAccount", "10"),
    ];
    let app = App::with(&limits).await;
    let ada = app.user("ada@example.com").await;
    let guess = |ip: &str| {
        let body = json!({"email": ada.email, "password": "not the password"});
        app.post("/login", body).from(ip).send()
    };
    // The owner forgot the password, and strangers use up what all strangers may try.
    for _ in 0..3 {
        guess("203.0.113.7").await.expect(401);
    }
    for n in 0..10 {
        guess(&format!("198.51.100.{n}")).await.expect(401);
    }
    guess("198.51.100.99").await.expect(429);
    app.login(&ada.email, PASSWORD).await.expect(429);
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    // From another network than ever.
    let body = json!({"token": token, "new_password": NEW});
    let call = app.post("/password/reset", body).from("192.0.2.1");
    call.send().await.expect(204);
    for n in 0..10 {
        guess(&format!("198.51.100.{n}")).await.expect(401);
    }
    guess("198.51.100.99").await.expect(429);
    let body = json!({"email": ada.email, "password": NEW});
    let login = app.post("/login", body).from("192.0.2.1");
    login.send().await.expect(200);
}

#[tokio::test]
async fn a_password_against_the_policy_does_not_use_the_link_up() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    for (new, code) in [
        ("short", "too-short"),
        ("ada lovelace ada lovelace", "too-guessable"),
    ] {
        let refused = reset(&app, &token, new).await;
        let problem = refused.problem(422, "invalid-fields");
        let expected = ("/new_password".to_owned(), code.to_owned());
        assert_eq!(faults(&problem), [expected]);
    }
    let both = app
        .post("/password/reset", json!({"other": ""}))
        .send()
        .await;
    let problem = both.problem(422, "invalid-fields");
    let missing = |name: &str| (name.to_owned(), "missing".to_owned());
    let mut listed = faults(&problem);
    listed.retain(|(_, code)| code == "missing");
    assert_eq!(listed, [missing("/token"), missing("/new_password")]);
    reset(&app, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn a_link_is_used_once() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let token = app.mint(&ada.id(), Purpose::EmailVerification).await;
    verify(&app, &token).await.expect(204);
    verify(&app, &token).await.problem(400, "invalid-link");
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    reset(&app, &token, NEW).await.expect(204);
    reset(&app, &token, PASSWORD)
        .await
        .problem(400, "invalid-link");
    app.login(&ada.email, NEW).await.expect(200);
}

#[tokio::test]
async fn to_open_a_link_changes_nothing() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    let contents = async || {
        let (mut items, rows) = (app.all_items().await, app.event_rows().await);
        items.sort_by_key(|item| format!("{:?} {:?}", item["pk"], item["sk"]));
        (items, rows)
    };
    let before = contents().await;
    for page in ["reset", "verify", "email-change", "register"] {
        let path = format!("/pages/{page}?token={token}");
        app.get(&path).send().await.expect(200);
    }
    for path in [
        "/password/reset",
        "/email/verify",
        "/email/change/confirm",
        "/register/confirm",
    ] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS] {
            let call = app.call(method, &format!("{path}?token={token}"));
            assert_eq!(call.send().await.status, 404, "{path}");
        }
    }
    assert_eq!(contents().await, before);
    reset(&app, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn each_of_an_event_s_secrets_is_good_until_one_is_used() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let id = ada.id();
    let mint = |event| app.mint_for(&id, Purpose::EmailVerification, event);
    for used in [0, 1] {
        let event = app.event_now();
        let tokens = [mint(event).await.unwrap(), mint(event).await.unwrap()];
        assert_ne!(tokens[0], tokens[1]);
        verify(&app, &tokens[used]).await.expect(204);
        for token in &tokens {
            verify(&app, token).await.problem(400, "invalid-link");
        }
        // A late delivery makes no secret of a link that was used.
        assert_eq!(mint(event).await, None);
        app.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn however_often_an_event_is_delivered_its_last_secret_is_good() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let event = app.event_now();
    let id = ada.id();
    let mut last = String::new();
    for _ in 0..20 {
        let minted = app.mint_for(&id, Purpose::EmailVerification, event);
        last = minted.await.unwrap();
    }
    let link = app.items_of("TOKEN#").await.remove(0);
    assert!(link["hashes"].as_bs().unwrap().len() <= 8);
    verify(&app, &last).await.expect(204);
}

#[tokio::test]
async fn without_mail_there_is_no_such_path() {
    let app = App::with(&[NO_MAIL]).await;
    let ada = app.user("ada@example.com").await;
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    reset(&app, &token, NEW).await.problem(404, "not-found");
    verify(&app, &token).await.problem(404, "not-found");
    for path in ["/password/reset", "/email/verify"] {
        let empty = app.post(path, json!({})).send().await;
        empty.problem(404, "not-found");
    }
    app.login(&ada.email, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_used_many_times_at_once_is_used_once() {
    let app = App::with(&[crate::support::links::MAIL, ("LoginAttempts", "20")]).await;
    let ada = app.user("ada@example.com").await;
    for purpose in [Purpose::EmailVerification, Purpose::PasswordReset] {
        let token = app.mint(&ada.id(), purpose).await;
        let uses = (0..12).map(|n| {
            let (app, token) = (&app, &token);
            async move {
                match purpose {
                    Purpose::PasswordReset => reset(app, token, &format!("{NEW} number {n}")).await,
                    _ => verify(app, token).await,
                }
            }
        });
        let answers = join_all(uses).await;
        let mut won = Vec::new();
        for (n, answer) in answers.into_iter().enumerate() {
            match answer.status.as_u16() {
                204 => won.push(n),
                _ => drop(answer.problem(400, "invalid-link")),
            }
        }
        let [winner] = won[..] else {
            panic!("{purpose:?}: {won:?}")
        };
        if purpose == Purpose::PasswordReset {
            let password = format!("{NEW} number {winner}");
            app.login(&ada.email, &password).await.expect(200);
        }
    }
}
