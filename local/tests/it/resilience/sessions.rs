//! Sessions and accounts if DynamoDB fails in the middle of a call.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::functions::Functions;
use serde_json::{Value, json};
use shared::domain::session::{Presented, RefreshToken, Session, SessionPolicy};
use shared::domain::throttle::Source;
use shared::platform::clock::Clock;
use shared::store::Store;
use shared::store::refreshes::Refreshed;
use testkit::dynamodb::Fault;

use crate::support::app::{App, BEGINNING, PASSWORD, env, event, logged_events, text};
use crate::support::faulty_store::{FaultyStore, ask, call};

#[tokio::test]
async fn a_fault_during_a_refresh_never_loses_the_session() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    for (operation, fault) in [
        ("BatchGetItem", Fault::Broken),
        ("BatchGetItem", Fault::Throttled),
        ("UpdateItem", Fault::Broken),
        ("UpdateItem", Fault::WriteConflict),
    ] {
        faulty.inject(operation, &[fault; 20]);
        assert_eq!(
            faulty.refresh(&ada.refresh_token).await.0,
            503,
            "{operation} {fault:?}"
        );
        faulty.inject(operation, &[]);
    }
    let (status, tokens) = faulty.refresh(&ada.refresh_token).await;
    assert_eq!(status, 200);
    let next = text(&tokens, "refresh_token");

    // The write is done, but its answer is lost. The SDK's next try finds it done.
    faulty.inject("UpdateItem", &[Fault::AnswerLost]);
    let (status, tokens) = faulty.refresh(&next).await;
    assert_eq!(status, 200);
    let next = text(&tokens, "refresh_token");
    // Every answer is lost, and the client presents its token again.
    faulty.inject(
        "UpdateItem",
        &[Fault::AnswerLost, Fault::Broken, Fault::Broken],
    );
    assert_eq!(faulty.refresh(&next).await.0, 503);
    let (status, tokens) = faulty.refresh(&next).await;
    assert_eq!(status, 200);
    assert_eq!(faulty.refresh(&text(&tokens, "refresh_token")).await.0, 200);
}

#[tokio::test]
async fn credential_and_account_never_disagree() {
    for faults in [
        &[Fault::Broken; 3][..],
        &[Fault::AnswerLost; 3],
        &[Fault::Conflict, Fault::Broken, Fault::Broken, Fault::Broken],
        &[Fault::AnswerLost, Fault::Conflict],
    ] {
        let faulty = FaultyStore::start().await;
        let ada = faulty.app.user("ada@example.com").await;
        let new = "another good password";
        let body = json!({"current_password": PASSWORD, "new_password": new});
        let change = || event("POST", "/password/change", &body, Some(&ada.access_token));
        faulty.inject("TransactWriteItems", faults);
        let (status, changed) = call(&faulty.functions, "password", change()).await;
        assert!([200, 503].contains(&status), "{faults:?}: {status}");
        // One of the two passwords is valid, and everything works with it.
        let with_new = faulty.app.login(&ada.email, new).await.status == 200;
        let with_old = faulty.app.login(&ada.email, PASSWORD).await.status == 200;
        assert_ne!(with_new, with_old, "{faults:?}");
        assert!(with_new || status == 503, "{faults:?}");
        // Whatever was answered, its tokens are good; a change that is lost takes the old with it.
        let refresh_token = match status {
            200 => text(&changed, "refresh_token"),
            _ => ada.refresh_token.clone(),
        };
        let refreshed = faulty.app.refresh(&refresh_token).await.status;
        let expected = if status == 200 || with_old { 200 } else { 401 };
        assert_eq!(refreshed, expected, "{faults:?}");
        if with_old {
            assert_eq!(call(&faulty.functions, "password", change()).await.0, 200);
        }
        let credential = &faulty.app.items_of("CREDENTIAL").await[0];
        let account = &faulty.app.items_of("ACCOUNT").await[0];
        assert_eq!(credential["password_epoch"], account["password_epoch"]);
    }
}

#[tokio::test]
async fn sessions_whose_removal_fails_have_ended_all_the_same() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let other = faulty.app.login(&ada.email, PASSWORD).await.json();
    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    faulty.inject("Query", &[Fault::Broken; 3]);
    let change = event("POST", "/password/change", &body, Some(&ada.access_token));
    assert_eq!(call(&faulty.functions, "password", change).await.0, 200);
    assert_eq!(faulty.app.items_of("SESSION#").await.len(), 2);
    let refreshed = faulty.app.refresh(&text(&other, "refresh_token")).await;
    refreshed.problem(401, "invalid-refresh-token");
}

#[tokio::test]
async fn a_deletion_that_fails_half_way_is_finished_by_the_next_call() {
    for (operation, faults) in [
        ("TransactWriteItems", &[Fault::Broken; 3][..]),
        ("TransactWriteItems", &[Fault::AnswerLost; 3]),
        ("Query", &[Fault::Broken; 3]),
        ("BatchWriteItem", &[Fault::Broken; 3]),
        ("BatchWriteItem", &[Fault::AnswerLost; 3]),
        ("DeleteItem", &[Fault::Broken; 3]),
    ] {
        let faulty = FaultyStore::start().await;
        let ada = faulty.app.user("ada@example.com").await;
        let body = json!({ "password": PASSWORD });
        let delete = || event("DELETE", "/profile", &body, Some(&ada.access_token));
        faulty.inject(operation, faults);
        assert_eq!(
            call(&faulty.functions, "profile", delete()).await.0,
            503,
            "{operation}"
        );
        let begun = faulty.app.items_of("CREDENTIAL").await.is_empty();
        let login = faulty.app.login(&ada.email, PASSWORD).await.status;
        assert_eq!(login == 401, begun, "{operation}: no login in between");
        assert_eq!(
            call(&faulty.functions, "profile", delete()).await.0,
            204,
            "{operation}"
        );
        assert!(faulty.app.items().await.is_empty(), "{operation}");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_signed_costs_neither_login_nor_refresh_anything() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    // Without an issuer nothing can be signed: none is set, and the event has no domain.
    let mut functions = Functions::default();
    for name in ["login", "session"] {
        let variables = &app.local.environment[name];
        let lookup = |variable: &str| match variable {
            "ISSUER" => None,
            other => variables.get(other).cloned(),
        };
        let clock = Clock::Manual(app.clock.clone());
        assert!(functions.add(name, &env(&lookup), &clock).unwrap());
    }
    let before = app.items().await;
    let body = json!({ "refresh_token": ada.refresh_token });
    let mut refresh = event("POST", "/refresh", &body, None);
    refresh["requestContext"]["domainName"] = Value::Null;
    assert_eq!(call(&functions, "session", refresh).await.0, 500);
    let body = json!({"email": ada.email, "password": PASSWORD});
    let mut login = event("POST", "/login", &body, None);
    login["requestContext"]["domainName"] = Value::Null;
    assert_eq!(call(&functions, "login", login).await.0, 500);
    assert_eq!(app.items().await, before);
    app.refresh(&ada.refresh_token).await.expect(200);
}

#[tokio::test]
async fn the_store_itself_rotates_no_session_that_is_over() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let variables = &app.local.environment["session"];
    let lookup = |variable: &str| variables.get(variable).cloned();
    let store = Store::from_env(&env(&lookup)).unwrap();
    let policy = SessionPolicy::from_env(&env(&lookup)).unwrap();
    let token = RefreshToken::parse(&ada.refresh_token).unwrap();
    let read = store.session_and_account(token.user_id(), token.session_id());
    let (session, account) = read.await.unwrap();
    let session = session.unwrap();
    assert_eq!(account.unwrap().id, session.user_id);
    let home = Source::of("203.0.113.7");
    let next = |now: u64| match session.present(&token, &home, &policy, BEGINNING) {
        Presented::Current { next, .. } => Session {
            rotated_at: now,
            ..next
        },
        other => panic!("{other:?}"),
    };
    let rotate = async |now: u64, began_after: u64| {
        let rotated = store
            .rotate_session(&session, &next(now), began_after)
            .await
            .unwrap();
        matches!(rotated, Refreshed::Done)
    };
    // Neither after its idle time nor after its maximum lifetime, whatever the caller believes.
    assert!(!rotate(session.expires_at, 0).await);
    assert!(!rotate(BEGINNING, session.created_at).await);
    assert!(rotate(BEGINNING, session.created_at - 1).await);
    assert!(!rotate(BEGINNING, 0).await, "it has been rotated");
}

#[tokio::test]
async fn a_login_that_an_account_s_deletion_overtakes_leaves_no_session() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    // The account is deleted between the login's reads and its writes. A known source counts in one
    // place only, so the first update is that of the account.
    assert_eq!(faulty.login().await.0, 200);
    faulty.app.remove_sessions().await;
    faulty.inject("UpdateItem", &[Fault::ItemGone]);
    assert_eq!(faulty.login().await.0, 401);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
    assert!(
        faulty.app.items_of("ACCOUNT").await.is_empty(),
        "nor an account"
    );
}

#[tokio::test]
async fn a_session_that_ends_during_its_refresh_stays_ended() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    faulty.inject("UpdateItem", &[Fault::ItemGone]);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 401);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_costs_nothing_even_without_a_grace_time() {
    let app = App::with(&[("RefreshGraceSeconds", "0")]).await;
    let faulty = FaultyStore::before(app).await;
    let token = faulty.app.user("ada@example.com").await.refresh_token;
    faulty.inject("UpdateItem", &[Fault::AnswerLost]);
    let (status, tokens) = faulty.refresh(&token).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(faulty.refresh(&text(&tokens, "refresh_token")).await.0, 200);
}

#[tokio::test]
async fn unprocessed_keys_of_a_batch_are_requested_again() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    faulty.inject("BatchGetItem", &[Fault::Unprocessed; 2]);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 200);
    faulty.inject("BatchGetItem", &[Fault::Unprocessed; 20]);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 503);
    faulty.inject("BatchGetItem", &[]);

    // Items that were read before are not lost, and unprocessed ones are not taken for missing.
    faulty.inject("BatchGetItem", &[Fault::OnlyFirst]);
    assert_eq!(faulty.login().await.0, 200);
    faulty.inject("BatchGetItem", &[Fault::OnlyFirst, Fault::OnlyFirst]);
    assert_eq!(faulty.login().await.0, 200);
    faulty.inject("BatchGetItem", &[Fault::Unprocessed; 20]);
    assert_eq!(faulty.login().await.0, 503);
    let wrong = json!({"email": "ada@example.com", "password": "not the password"});
    for status in [401, 401, 401, 401, 401, 429] {
        faulty.inject("BatchGetItem", &[Fault::OnlyFirst, Fault::OnlyFirst]);
        let answer = ask(&faulty.functions, "login", "POST", &wrong, None).await;
        assert_eq!(answer.0, status);
    }
    faulty.inject("BatchGetItem", &[]);

    faulty.app.copy_session(30).await;
    faulty.inject("BatchWriteItem", &[Fault::Unprocessed; 2]);
    let end = event("DELETE", "/sessions", &Value::Null, Some(&ada.access_token));
    assert_eq!(call(&faulty.functions, "session", end).await.0, 204);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
}

/// Ends a session while answers are lost, and returns the statuses and the events.
async fn end_with(faults: &[Fault], logout: bool) -> (u16, Vec<Value>, usize) {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let end = if logout {
        let body = json!({ "refresh_token": ada.refresh_token });
        event("POST", "/logout", &body, None)
    } else {
        let path = format!("/sessions/{}", ada.session_id());
        let mut end = event("DELETE", &path, &Value::Null, Some(&ada.access_token));
        end["pathParameters"] = json!({ "id": ada.session_id() });
        end
    };
    faulty.inject("TransactWriteItems", faults);
    logged_events();
    let (status, _) = call(&faulty.functions, "session", end).await;
    let left = faulty.app.items_of("SESSION#").await.len();
    (status, logged_events(), left)
}

// On one thread, since the functions' tasks log to the log of their thread.
#[tokio::test]
async fn a_session_whose_end_was_not_answered_has_ended_and_is_in_the_log() {
    for logout in [false, true] {
        for faults in [
            &[Fault::AnswerLost][..],
            &[Fault::AnswerLost, Fault::Broken],
            &[Fault::Broken, Fault::AnswerLost],
            // A conflict is an answer: nothing was done.
            &[Fault::Conflict, Fault::AnswerLost],
        ] {
            let (status, events, left) = end_with(faults, logout).await;
            let named = format!("{faults:?}, {logout}");
            assert_eq!((status, left), (204, 0), "{named}");
            let [event] = &events[..] else {
                panic!("{named}: {events:?}")
            };
            assert_eq!(event["event"], "session_ended", "{named}");
        }
        // A session that another request has ended is not ended again by one whose try was refused.
        for fault in [Fault::ItemGone, Fault::Throttled, Fault::Conflict] {
            let faults = [fault, Fault::ItemGone];
            let (status, events, _) = end_with(&faults, logout).await;
            let expected = if logout { 204 } else { 404 };
            assert_eq!(status, expected, "{fault:?}");
            assert_eq!(events, [] as [Value; 0], "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_refresh_that_reads_across_a_change_of_the_password_reads_once_more() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    // The batch is answered in two parts, the session first.
    faulty.inject("BatchGetItem", &[Fault::OnlyFirst, Fault::Held]);
    let change = async {
        faulty.proxy.held().await;
        // Both get the next epoch, as by a change that leaves this session its token.
        let mut items = faulty.app.items_of("SESSION#").await;
        items.extend(faulty.app.items_of("ACCOUNT").await);
        for mut item in items {
            let epoch = AttributeValue::N("1".to_owned());
            item.insert("password_epoch".to_owned(), epoch);
            let put = faulty.app.dynamodb().put_item().table_name("latchkey");
            put.set_item(Some(item.into_iter().collect()))
                .send()
                .await
                .unwrap();
        }
        faulty.proxy.release();
    };
    let ((status, _), ()) = tokio::join!(faulty.refresh(&ada.refresh_token), change);
    assert_eq!(status, 200);
    // A session of another epoch is refused, after one more read.
    faulty.seen();
    let epoch = AttributeValue::N("2".to_owned());
    faulty
        .app
        .set_attribute(&ada.id(), "password_epoch", epoch)
        .await;
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 401);
    assert_eq!(faulty.seen(), ["BatchGetItem 2", "BatchGetItem 2"]);
}

#[tokio::test]
async fn a_repeat_whose_count_was_not_answered_counts_once_and_gets_the_successor() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let (_, first) = faulty.refresh(&ada.refresh_token).await;
    faulty.app.clock.advance(Duration::from_secs(11));
    faulty.inject("UpdateItem", &[Fault::AnswerLost]);
    let (status, again) = faulty.refresh(&ada.refresh_token).await;
    assert_eq!(status, 200);
    assert_eq!(again["refresh_token"], first["refresh_token"]);
    let repeats = &faulty.app.items_of("SESSION#").await[0]["repeats"];
    assert_eq!(
        repeats.as_l().unwrap()[1],
        AttributeValue::N("1".to_owned())
    );
}
