//! Events if the event table fails: a call whose event is not stored is a 503, and a client that
//! repeats it loses nothing.

use std::time::Duration;

use local::dynamodb::TABLE;
use serde_json::{Value, json};
use testkit::dynamodb::Fault;

use crate::support::app::{
    App, EVENT_TABLE, PASSWORD, event, join_all, logged_events, logged_requests, text,
};
use crate::support::faulty_store::{FaultyStore, ask, call};

/// As often as the SDK tries.
const FAILS: [Fault; 3] = [Fault::Broken; 3];

impl FaultyStore {
    /// Lets each write to the event table fail, or none.
    fn break_events(&self, broken: bool) {
        let faults = [Fault::Broken; 200];
        let faults = if broken { &faults[..] } else { &[] };
        self.proxy.inject_in(EVENT_TABLE, "PutItem", faults);
    }
}

/// Returns the names of the stored events.
async fn stored(app: &App) -> Vec<String> {
    let rows = app.events().await;
    let mut names: Vec<_> = rows
        .iter()
        .map(|row| row["event"].as_s().unwrap().clone())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_login_whose_event_is_not_stored_gives_no_token_and_is_no_guess() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    for time in 1..=12 {
        faulty.break_events(true);
        logged_events();
        let (status, body) = faulty.login().await;
        assert_eq!(status, 503, "time {time}");
        assert!(!body.to_string().contains("token"), "{body}");
        assert_eq!(logged_events(), [] as [Value; 0]);
        assert!(faulty.app.items_of("SESSION#").await.is_empty());
    }
    faulty.break_events(false);
    assert_eq!(faulty.login().await.0, 200);
    assert_eq!(stored(&faulty.app).await, ["logged_in", "registered"]);
}

#[tokio::test]
async fn an_event_whose_answer_was_lost_is_stored_once() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    let faults = [Fault::AnswerLost, Fault::Throttled];
    faulty.proxy.inject_in(EVENT_TABLE, "PutItem", &faults);
    assert_eq!(faulty.login().await.0, 200);
    assert_eq!(stored(&faulty.app).await, ["logged_in", "registered"]);
}

#[tokio::test]
async fn a_login_that_fails_later_may_leave_its_event_and_never_a_session_without() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    // The attempt is counted, and the session is not stored.
    let faults = [Fault::Passes, Fault::Broken, Fault::Broken, Fault::Broken];
    faulty.proxy.inject_in(TABLE, "PutItem", &faults);
    logged_events();
    assert_eq!(faulty.login().await.0, 503);
    assert_eq!(logged_events(), [] as [Value; 0]);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
    assert_eq!(stored(&faulty.app).await, ["logged_in", "registered"]);
}

#[tokio::test]
async fn a_refusal_whose_event_is_not_stored_is_a_503_for_known_and_unknown_addresses() {
    let faulty = FaultyStore::before(App::with(&[("LoginAttempts", "3")]).await).await;
    assert_eq!(faulty.register().await.0, 201);
    let login = async |email: &str| {
        let body = json!({"email": email, "password": "not the password"});
        ask(&faulty.functions, "login", "POST", &body, None).await.0
    };
    for email in ["ada@example.com", "eve@example.com"] {
        faulty.break_events(true);
        assert_eq!(login(email).await, 503);
        faulty.break_events(false);
        // The attempt counts nevertheless.
        assert_eq!([login(email).await, login(email).await], [401; 2]);
        faulty.seen();
        logged_requests();
        assert_eq!(login(email).await, 429);
        // One read and one event: an attempt that must wait still hashes nothing.
        assert_eq!(faulty.seen(), ["BatchGetItem 3", "PutItem 1"]);
        assert_eq!(logged_requests()[0].get("hash_ms"), None);
        faulty.break_events(true);
        assert_eq!(login(email).await, 503);
        faulty.break_events(false);
    }
    faulty.break_events(true);
    assert_eq!(faulty.register().await.0, 503);
    faulty.break_events(false);
    assert_eq!(faulty.register().await.0, 409);
}

#[tokio::test]
async fn a_wrong_password_in_a_session_whose_event_is_not_stored_is_a_503_and_counts() {
    let faulty = FaultyStore::before(App::with(&[("LoginAttempts", "3")]).await).await;
    let ada = faulty.app.user("ada@example.com").await;
    let change = async || {
        let body = json!({"current_password": "wrong", "new_password": "another good password"});
        let change = event("POST", "/password/change", &body, Some(&ada.access_token));
        call(&faulty.functions, "password", change).await.0
    };
    faulty.break_events(true);
    assert_eq!(change().await, 503);
    faulty.break_events(false);
    let told = [change().await, change().await, change().await];
    assert_eq!(told, [403, 403, 429]);
}

#[tokio::test]
async fn a_repeat_whose_event_is_not_stored_is_not_counted() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 200);
    faulty.app.clock.advance(Duration::from_secs(60));
    let elsewhere = async || {
        let body = json!({ "refresh_token": ada.refresh_token });
        let mut refresh = event("POST", "/refresh", &body, None);
        refresh["requestContext"]["http"]["sourceIp"] = "198.51.100.1".into();
        call(&faulty.functions, "session", refresh).await.0
    };
    // More often than repeats from other networks end a session.
    for _ in 0..10 {
        faulty.break_events(true);
        assert_eq!(elsewhere().await, 503);
    }
    faulty.break_events(false);
    assert_eq!(elsewhere().await, 200);
}

#[tokio::test]
async fn the_end_of_a_session_and_its_event_are_one() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let next = faulty.refresh(&ada.refresh_token).await.1;
    let next = text(&next, "refresh_token");
    assert_eq!(faulty.refresh(&next).await.0, 200);
    let before = stored(&faulty.app).await;
    // A reuse ends it.
    faulty.inject("TransactWriteItems", &FAILS);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 503);
    assert_eq!(stored(&faulty.app).await, before);
    assert_eq!(faulty.app.items_of("SESSION#").await.len(), 1);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 401);
    let expected = [
        "logged_in",
        "refresh_token_reused",
        "registered",
        "session_ended",
    ];
    assert_eq!(stored(&faulty.app).await, expected);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
}

#[tokio::test]
async fn the_end_of_all_sessions_is_repeated_until_its_event_is_stored() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let end = async || {
        let end = event("DELETE", "/sessions", &Value::Null, Some(&ada.access_token));
        call(&faulty.functions, "session", end).await.0
    };
    faulty.app.copy_session(3).await;
    faulty.inject("TransactWriteItems", &FAILS);
    assert_eq!(end().await, 503);
    // The one that asks is left, or the call could not be repeated.
    assert_eq!(faulty.app.items_of("SESSION#").await.len(), 1);
    faulty.inject("TransactWriteItems", &[]);
    assert_eq!(end().await, 204);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
    let expected = ["logged_in", "registered", "sessions_ended"];
    assert_eq!(stored(&faulty.app).await, expected);
}

#[tokio::test]
async fn an_account_and_the_event_of_its_registration_are_one_and_so_are_those_of_its_deletion() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &FAILS);
    assert_eq!(faulty.register().await.0, 503);
    assert!(stored(&faulty.app).await.is_empty());
    let ada = faulty.app.user("ada@example.com").await;
    let before = stored(&faulty.app).await;
    let body = json!({ "password": PASSWORD });
    let delete = || event("DELETE", "/profile", &body, Some(&ada.access_token));
    let delete = async || call(&faulty.functions, "profile", delete()).await.0;
    faulty.inject("TransactWriteItems", &FAILS);
    assert_eq!(delete().await, 503);
    assert_eq!(stored(&faulty.app).await, before);
    assert_eq!(faulty.app.items_of("CREDENTIAL").await.len(), 1);
    // The rest of the deletion fails, and a repeated call finishes it without another event.
    faulty.inject("Query", &FAILS);
    assert_eq!(delete().await, 503);
    assert_eq!(delete().await, 204);
    let mut expected = [
        before,
        vec!["account_deleted".into(), "sessions_ended".into()],
    ]
    .concat();
    expected.sort();
    assert_eq!(stored(&faulty.app).await, expected);
}

#[tokio::test]
async fn of_many_reuses_at_once_one_ends_the_session_and_writes_to_its_owner() {
    let app = App::with(&[("MailFrom", "accounts@example.com")]).await;
    let ada = app.user("ada@example.com").await;
    let next = app.refresh(&ada.refresh_token).await.expect(200).json();
    app.refresh(&text(&next, "refresh_token")).await.expect(200);
    let answers = join_all((0..8).map(|_| app.refresh(&ada.refresh_token))).await;
    for answer in answers {
        answer.problem(401, "invalid-refresh-token");
    }
    let rows = app.events().await;
    let of = |name: &str, value: &str| {
        let is = |row: &&_| {
            let row: &std::collections::BTreeMap<String, _> = row;
            row.get(name)
                .is_some_and(|it: &aws_sdk_dynamodb::types::AttributeValue| {
                    it.as_s().unwrap() == value
                })
        };
        rows.iter().filter(is).count()
    };
    assert_eq!(of("event", "session_ended"), 1);
    assert_eq!(of("mail", "token_reused"), 1);
    assert!(of("event", "refresh_token_reused") >= 1);
}
