//! Sessions and accounts if DynamoDB fails in the middle of a call.

use local::functions::Functions;
use serde_json::{Value, json};
use shared::domain::session::{Presented, RefreshToken, Session, SessionPolicy};
use shared::platform::clock::Clock;
use shared::store::Store;
use shared::store::sessions::Rotated;
use testkit::dynamodb::Fault;

use crate::support::app::{App, BEGINNING, PASSWORD, env, event, text};
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
        let (status, _) = call(&faulty.functions, "password", change()).await;
        assert!([204, 503].contains(&status), "{faults:?}: {status}");
        // One of the two passwords is valid, and everything works with it.
        let with_new = faulty.app.login(&ada.email, new).await.status == 200;
        let with_old = faulty.app.login(&ada.email, PASSWORD).await.status == 200;
        assert_ne!(with_new, with_old, "{faults:?}");
        assert!(with_new || status == 503, "{faults:?}");
        faulty.app.refresh(&ada.refresh_token).await.expect(200);
        if with_old {
            assert_eq!(call(&faulty.functions, "password", change()).await.0, 204);
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
    assert_eq!(call(&faulty.functions, "password", change).await.0, 204);
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
    let (session, account) = store.session_and_account(&token).await.unwrap();
    let session = session.unwrap();
    assert_eq!(account.unwrap().id, session.user_id);
    let next = |now: u64| match session.present(&token, &policy, 10, BEGINNING) {
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
        matches!(rotated, Rotated::Done)
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
