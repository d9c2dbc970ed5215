//! `POST /register` with `EmailVerification`, `POST /register/confirm`.

use std::time::Duration;

use axum::http::StatusCode;
use register::Register;
use serde_json::{Value, json};
use shared::platform::clock::Clock;

use crate::support::app::{
    Answer, App, PASSWORD, claims, env, event, faults, join_all, registration, text,
};
use crate::support::faulty_store::{FaultyStore, call};
use crate::support::links::NO_MAIL;

const ADA: &str = "ada@example.com";
const OTHER: &str = "another good password";
const FIRST: (&str, &str) = ("EmailVerification", "first");

async fn confirm(app: &App, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.post("/register/confirm", body).send().await
}

/// Asks for a link, and returns the token that the mail holds.
async fn asked(app: &App, email: &str, password: &str) -> String {
    let mut body = registration(email);
    body["password"] = json!(password);
    let answer = app.post("/register", body).send().await.expect(202);
    assert_eq!(answer.body, "");
    // The next one has a later identifier.
    app.clock.advance(Duration::from_millis(1));
    app.mailed("registration").await.unwrap()
}

fn shown(answer: Answer) -> (StatusCode, String) {
    let mut body = answer.json();
    body["request_id"] = Value::Null;
    (answer.status, body.to_string())
}

#[tokio::test]
async fn an_account_is_opened_by_the_link_and_the_password_and_not_before() {
    let app = App::mailing(&[FIRST]).await;
    let token = asked(&app, "Ada@bücher.example", PASSWORD).await;
    assert!(app.items_of("ACCOUNT").await.is_empty());
    assert!(app.items_of("CREDENTIAL").await.is_empty());
    app.login("Ada@bücher.example", PASSWORD)
        .await
        .problem(401, "invalid-credentials");

    let pending = app.items_of("REGISTRATION").await.remove(0);
    let answer = confirm(&app, &token, PASSWORD).await.expect(201);
    assert_eq!(answer.header("location"), "../profile");
    let account = answer.json();
    let pending = pending["pk"].as_s().unwrap();
    assert_eq!(pending, &format!("PENDING#{}", text(&account, "id")));
    assert_eq!(account["email"], "Ada@bücher.example");
    assert_eq!(account["email_verified"], true);
    assert_eq!(account["first_name"], "Ada");
    assert!(app.items_of("REGISTRATION").await.is_empty());
    let login = app.login("ada@xn--bcher-kva.example", PASSWORD).await;
    let token = text(&login.expect(200).json(), "access_token");
    assert_eq!(claims(&token)["email_verified"], true);
    let profile = app.get("/profile").bearer(&token).send().await.expect(200);
    assert_eq!(profile.json()["id"], account["id"]);
}

#[tokio::test]
async fn the_password_is_the_one_that_was_registered_and_guesses_at_it_are_counted() {
    let app = App::mailing(&[FIRST, ("LoginAttempts", "3")]).await;
    let token = asked(&app, ADA, PASSWORD).await;
    // Strangers at the address do not make its owner wait here.
    for _ in 0..5 {
        app.login(ADA, "not the password").await;
    }
    app.login(ADA, PASSWORD)
        .await
        .problem(429, "too-many-attempts");
    for _ in 0..3 {
        confirm(&app, &token, "not the password")
            .await
            .problem(403, "wrong-password");
    }
    confirm(&app, &token, PASSWORD)
        .await
        .problem(429, "too-many-attempts");
    assert!(app.items_of("ACCOUNT").await.is_empty());
    app.clock.advance(Duration::from_secs(30));
    confirm(&app, &token, PASSWORD).await.expect(201);
    // Nor do they make the owner wait after it.
    app.login(ADA, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn each_of_two_registrations_needs_its_own_password_and_the_first_that_is_confirmed_wins() {
    let app = App::mailing(&[FIRST]).await;
    let first = asked(&app, ADA, PASSWORD).await;
    let second = asked(&app, &ADA.to_uppercase(), OTHER).await;
    confirm(&app, &first, OTHER)
        .await
        .problem(403, "wrong-password");
    confirm(&app, &second, PASSWORD)
        .await
        .problem(403, "wrong-password");
    confirm(&app, &second, OTHER).await.expect(201);
    let before = app.items_of("ACCOUNT").await;
    confirm(&app, &first, PASSWORD)
        .await
        .problem(409, "email-taken");
    assert_eq!(app.items_of("ACCOUNT").await, before);
    app.login(ADA, OTHER).await.expect(200);
    app.login(ADA, PASSWORD)
        .await
        .problem(401, "invalid-credentials");
}

#[tokio::test]
async fn the_password_is_asked_for_before_a_confirmation_tells_that_the_address_is_taken() {
    let app = App::mailing(&[FIRST]).await;
    let first = asked(&app, ADA, PASSWORD).await;
    let second = asked(&app, ADA, OTHER).await;
    confirm(&app, &first, PASSWORD).await.expect(201);
    confirm(&app, &second, "not the password")
        .await
        .problem(403, "wrong-password");
    // A taken address does not use up the attempts, however often it is tried.
    for _ in 0..12 {
        confirm(&app, &second, OTHER)
            .await
            .problem(409, "email-taken");
    }
}

#[tokio::test]
async fn every_link_that_is_not_good_gets_the_same_answer() {
    let app = App::mailing(&[FIRST]).await;
    let good = asked(&app, ADA, PASSWORD).await;
    let mut refused = vec![
        shown(confirm(&app, "", PASSWORD).await),
        shown(confirm(&app, &good[..good.len() - 1], PASSWORD).await),
        shown(confirm(&app, &format!("{}AAAA", &good[..good.len() - 4]), PASSWORD).await),
    ];
    for path in ["/email/verify", "/email/change/confirm"] {
        let body = json!({"token": good, "password": PASSWORD});
        refused.push(shown(app.post(path, body).send().await));
    }
    let reset = json!({"token": good, "new_password": OTHER});
    let reset = app.post("/password/reset", reset).send().await;
    refused.push(shown(reset));
    confirm(&app, &good, PASSWORD).await.expect(201);
    refused.push(shown(confirm(&app, &good, PASSWORD).await));
    refused.push(shown(confirm(&app, &good, "not the password").await));
    let late = asked(&app, "eve@example.com", PASSWORD).await;
    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    refused.push(shown(confirm(&app, &late, PASSWORD).await));
    let (status, body) = &refused[0];
    assert_eq!(*status, 400);
    assert!(body.contains("\"invalid-link\""), "{body}");
    assert!(
        refused.iter().all(|other| other == &refused[0]),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_used_in_parallel_opens_one_account() {
    let app = App::mailing(&[FIRST, ("LoginAttempts", "20")]).await;
    let one = asked(&app, ADA, PASSWORD).await;
    let two = app.mailed("registration").await.unwrap();
    let uses = (0..10).flat_map(|_| [&one, &two]);
    let uses = join_all(uses.map(|token| confirm(&app, token, PASSWORD))).await;
    let opened = uses.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(opened, 1);
    for other in uses.into_iter().filter(|answer| answer.status != 201) {
        other.problem(400, "invalid-link");
    }
    assert_eq!(app.items_of("ACCOUNT").await.len(), 1);
    assert_eq!(app.mailed("registration").await, None);
    app.login(ADA, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_registration_is_the_same_for_an_address_with_and_without_an_account() {
    let faulty = FaultyStore::before(App::mailing(&[FIRST]).await).await;
    let app = &faulty.app;
    let token = asked(app, ADA, PASSWORD).await;
    confirm(app, &token, PASSWORD).await.expect(201);
    let _ = faulty.proxy.requests();
    let mut seen = Vec::new();
    // Two addresses of one length, with and without an account.
    for email in [ADA, "bob@example.com"] {
        let event = event("POST", "/register", &registration(email), None);
        let answer = faulty.functions.invoke("register", event).await.unwrap();
        assert_eq!(answer["statusCode"], 202, "{answer}");
        let requests = faulty.proxy.requests();
        let sizes: Vec<_> = requests
            .iter()
            .map(|request| {
                // Their tokens, which the SDK makes, are of one length too.
                (request.operation.clone(), request.body.to_string().len())
            })
            .collect();
        let mut sizes = sizes;
        sizes.sort();
        let body = answer.to_string();
        seen.push((body, sizes, faulty.seen()));
    }
    assert_eq!(seen[0], seen[1]);
    let operations: Vec<_> = seen[0].1.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        operations,
        [
            "TransactWriteItems", // the pending registration, and its event
            "UpdateItem",         // attempts of the source
            "UpdateItem",         // mails of the source
            "UpdateItem",         // mails to the address
        ]
    );
    let stored = app.items_of("REGISTRATION").await;
    let size = |item: &std::collections::BTreeMap<String, _>| format!("{item:?}").len();
    assert_eq!(stored.len(), 2);
    assert_eq!(size(&stored[0]), size(&stored[1]));
    let rows = app.asking("registration").await;
    assert_eq!(size(&rows[1]), size(&rows[2]));
    assert!(!format!("{rows:?}").contains('@'));
}

#[tokio::test]
async fn registrations_and_their_mails_are_counted_by_source_and_by_address() {
    let app = App::mailing(&[FIRST, ("MailsPerAddress", "2")]).await;
    for status in [202, 202, 429] {
        app.register(ADA).await.expect(status);
    }
    app.register("eve@example.com").await.expect(202);
    assert_eq!(app.asking("registration").await.len(), 3);
    assert_eq!(app.items_of("REGISTRATION").await.len(), 3);

    let app = App::mailing(&[FIRST, ("LoginAttemptsPerSource", "10")]).await;
    for n in 0..10 {
        app.register(&format!("ada{n}@example.com"))
            .await
            .expect(202);
    }
    // A registration that is refused uses up no mail.
    let mails = async || {
        let mut items = app.all_items().await;
        items.retain(|item| item["pk"].as_s().unwrap().starts_with("LIMIT#MAIL#"));
        items.sort_by_key(|item| format!("{:?}", item["pk"]));
        items
    };
    let before = mails().await;
    assert_eq!(before.len(), 11, "a source and ten addresses");
    for email in ["ada0@example.com", "ada10@example.com"] {
        app.register(email).await.expect(429);
    }
    assert_eq!(mails().await, before);
}

#[tokio::test]
async fn a_closed_deployment_takes_neither_registrations_nor_confirmations() {
    let app = App::mailing(&[FIRST]).await;
    let token = asked(&app, ADA, PASSWORD).await;
    let closed = App::mailing(&[FIRST, ("Registration", "closed")]).await;
    closed
        .register(ADA)
        .await
        .problem(403, "registration-closed");
    confirm(&closed, &token, PASSWORD)
        .await
        .problem(403, "registration-closed");
}

#[tokio::test]
async fn all_faults_of_a_confirmation_are_named_at_once() {
    let app = App::mailing(&[FIRST]).await;
    let answer = app.post("/register/confirm", json!({"name": "Ada"}));
    let problem = answer.send().await.problem(422, "invalid-fields");
    let mut found = faults(&problem);
    found.sort();
    let expected = [
        ("/name", "unknown"),
        ("/password", "missing"),
        ("/token", "missing"),
    ];
    assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));
}

#[tokio::test]
async fn a_registration_asks_for_a_proof_of_its_address_only_if_the_deployment_wants_one() {
    for (mode, mails) in [("off", 0), ("later", 1)] {
        let app = App::mailing(&[("EmailVerification", mode)]).await;
        let account = app.register(ADA).await.expect(201).json();
        assert_eq!(account["email_verified"], false, "{mode}");
        let asking = app.asking("email_verification").await;
        assert_eq!(asking.len(), mails, "{mode}");
        if let Some(row) = asking.first() {
            assert_eq!(row["event"].as_s().unwrap(), "registered");
            let token = app.mailed("email_verification").await.unwrap();
            let body = json!({"token": token, "password": PASSWORD});
            let verify = app.post("/email/verify", body);
            verify.send().await.expect(204);
        }
    }
}

#[tokio::test]
async fn a_deployment_that_wants_proofs_and_sends_no_mail_does_not_start() {
    let app = App::with(&[NO_MAIL]).await;
    let variables = &app.local.environment["register"];
    for mode in ["later", "first"] {
        let lookup = |name: &str| match name {
            "EMAIL_VERIFICATION" => Some(mode.to_owned()),
            other => variables.get(other).cloned(),
        };
        let made = Register::from_env(&env(&lookup), Clock::Manual(app.clock.clone()));
        let error = made.err().unwrap().to_string();
        assert_eq!(
            error,
            "MAIL_FROM is not set; set it to the address that mails come from, or set \
             EMAIL_VERIFICATION to off"
        );
    }
}

#[tokio::test]
async fn without_mail_nothing_is_confirmed() {
    let app = App::with(&[NO_MAIL]).await;
    confirm(&app, "lkm_", PASSWORD)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_confirmation_costs_the_requests_of_the_design() {
    let faulty = FaultyStore::before(App::mailing(&[FIRST]).await).await;
    let token = asked(&faulty.app, ADA, PASSWORD).await;
    let body = json!({"token": token, "password": PASSWORD});
    let event = event("POST", "/register/confirm", &body, None);
    assert_eq!(call(&faulty.functions, "links", event).await.0, 201);
    let seen: Vec<_> = faulty.proxy.requests();
    let mut operations: Vec<_> = seen.iter().map(|one| one.operation.as_str()).collect();
    operations.sort_unstable();
    let expected = [
        "BatchGetItem", // link and registration
        "BatchGetItem", // the attempts with the link
        "PutItem",      // the attempt
        "TransactWriteItems",
    ];
    assert_eq!(operations, expected);
}
