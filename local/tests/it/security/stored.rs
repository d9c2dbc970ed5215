//! Nothing that is stored, streamed or logged can be presented as a token.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use local::mailbox::Mail;
use serde_json::{Value, json};
use shared::domain::{LinkToken, SessionId, UserId};

use crate::support::app::{Answer, App, PASSWORD, registration};
use crate::support::log::everything_logged;
use crate::support::mails::token_in;

/// Where a link can be used, and the members beside its token.
const USES: [(&str, &[(&str, &str)]); 4] = [
    ("/email/verify", &[("password", PASSWORD)]),
    ("/email/change/confirm", &[("password", PASSWORD)]),
    (
        "/password/reset",
        &[("new_password", "another good password")],
    ),
    ("/register/confirm", &[("password", PASSWORD)]),
];

#[tokio::test]
async fn nothing_that_is_stored_streamed_or_logged_can_be_presented() {
    everything_logged();
    let app = App::with(&[("EmailVerification", "later")]).await;
    let ada = app.user("ada@example.com").await;
    let bob = app.user("bob@example.com").await;
    let body = json!({"email": "ada@new.example.com", "password": PASSWORD});
    ada.post("/email/change", body).send().await.expect(202);
    let body = json!({ "email": bob.email });
    app.post("/password/forgot", body).send().await.expect(202);
    let links = [
        mail(&app, &ada.email, "/verify#").await,
        mail(&app, "ada@new.example.com", "/email-change#").await,
        mail(&app, &bob.email, "/reset#").await,
    ];
    let sessions = [&ada, &bob].map(|user| (user.id(), user.session_id()));
    present_all_of(&app, &links, &sessions).await;

    let first = App::with(&[("EmailVerification", "first")]).await;
    let body = registration("eve@example.com");
    first.post("/register", body).send().await.expect(202);
    let opens = mail(&first, "eve@example.com", "/register#").await;
    present_all_of(&first, std::slice::from_ref(&opens), &[]).await;

    // What the mails hold, and nothing else does, is good.
    for (place, link) in links.iter().enumerate() {
        use_link(&app, place, link).await.expect(204);
    }
    use_link(&first, 3, &opens).await.expect(201);
    app.refresh(&ada.refresh_token).await.expect(200);
    ada.get("/profile").send().await.expect(200);
}

/// Presents whatever the app has stored, streamed and logged, in every form that a token has.
async fn present_all_of(app: &App, links: &[String], sessions: &[(String, String)]) {
    let mut found = BTreeSet::new();
    let items = [app.all_items().await, app.events().await].concat();
    for value in items.iter().flat_map(|item| item.values()) {
        of_attribute(value, &mut found);
    }
    for document in app.local.streams.records().await.unwrap() {
        of_json(&document, &mut found);
    }
    everything_logged()
        .iter()
        .for_each(|line| of_json(line, &mut found));
    // Fewer octets can be no token.
    found.retain(|octets| octets.len() >= 16);
    assert!(found.len() > 50, "{}", found.len());
    let hashes = found.iter().filter(|octets| octets.len() == 32);
    assert!(
        hashes.count() >= links.len(),
        "the hashes of links are stored"
    );

    let mut texts = BTreeSet::new();
    for octets in &found {
        texts.extend(String::from_utf8(octets.clone()));
        texts.insert(URL_SAFE_NO_PAD.encode(octets));
        // A secret has 32 octets; with others, the text is no token.
        if octets.len() != 32 {
            continue;
        }
        for link in links {
            let token = LinkToken::parse(link).unwrap();
            let (user, id) = (*token.user_id().as_bytes(), *token.id().as_bytes());
            texts.insert(forged("lkm_", &[&user, &id, octets]));
        }
        for (user, session) in sessions {
            let user: UserId = user.parse().unwrap();
            let session: SessionId = session.parse().unwrap();
            let (user, session) = (*user.as_bytes(), *session.as_bytes());
            let counter = 0_u64.to_be_bytes();
            texts.insert(forged("lkr_", &[&user, &session, &counter, octets]));
        }
    }
    for text in texts {
        assert!(!links.contains(&text), "a link lies outside its mail");
        // Only what looks like a link is looked up.
        let uses = if text.starts_with("lkm_") {
            USES.len()
        } else {
            1
        };
        for place in 0..uses {
            refused(&use_link(app, place, &text).await, &text);
        }
        refused(&app.refresh(&text).await, &text);
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {text}")) {
            let call = app
                .get("/profile")
                .with(axum::http::header::AUTHORIZATION, value);
            refused(&call.send().await, &text);
        }
    }
}

async fn use_link(app: &App, place: usize, token: &str) -> Answer {
    let (path, others) = USES[place];
    let mut body = json!({ "token": token });
    for (name, value) in others {
        body[name] = json!(value);
    }
    app.post(path, body).send().await
}

#[track_caller]
fn refused(answer: &Answer, text: &str) {
    assert!(answer.status.is_client_error(), "{text}: {answer:?}");
}

fn forged(prefix: &str, parts: &[&[u8]]) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(parts.concat()))
}

/// Returns the token of the latest mail to `email` whose link leads to `page`.
async fn mail(app: &App, email: &str, page: &str) -> String {
    let mails = app.mails_to(email).await;
    let leads = |mail: &&std::sync::Arc<Mail>| mail.links.iter().any(|link| link.contains(page));
    token_in(mails.iter().rev().find(leads).unwrap())
}

fn of_attribute(value: &AttributeValue, found: &mut BTreeSet<Vec<u8>>) {
    match value {
        AttributeValue::S(text) => of_text(text, found),
        AttributeValue::B(octets) => drop(found.insert(octets.as_ref().to_vec())),
        AttributeValue::Bs(set) => found.extend(set.iter().map(|octets| octets.as_ref().to_vec())),
        AttributeValue::L(list) => list.iter().for_each(|value| of_attribute(value, found)),
        AttributeValue::M(map) => map.iter().for_each(|(name, value)| {
            of_text(name, found);
            of_attribute(value, found);
        }),
        _ => {}
    }
}

fn of_json(value: &Value, found: &mut BTreeSet<Vec<u8>>) {
    match value {
        Value::String(text) => of_text(text, found),
        Value::Array(values) => values.iter().for_each(|value| of_json(value, found)),
        Value::Object(members) => members.values().for_each(|value| of_json(value, found)),
        _ => {}
    }
}

/// Adds a text, each of its parts, and what these encode.
fn of_text(text: &str, found: &mut BTreeSet<Vec<u8>>) {
    for part in text.split(['#', ' ', '$']).chain([text]) {
        found.insert(part.as_bytes().to_vec());
        for engine in [&STANDARD, &URL_SAFE_NO_PAD] {
            let octets = engine.decode(part).unwrap_or_default();
            if octets.len() >= 16 {
                found.insert(octets);
            }
        }
    }
}
