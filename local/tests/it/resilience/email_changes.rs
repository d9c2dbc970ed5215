//! Changes of addresses and registrations by link if DynamoDB fails.

use serde_json::{Value, json};
use shared::domain::Purpose;
use testkit::dynamodb::Fault;

use crate::support::app::{App, EVENT_TABLE, PASSWORD, event, registration, text};
use crate::support::faulty_store::{FaultyStore, call};

const NEW: &str = "ada.king@example.org";

/// Returns the items of users, without the counters.
async fn stored(app: &App) -> Vec<String> {
    let items = app.items_but_secrets().await;
    let mut items: Vec<_> = items.iter().map(|item| format!("{item:?}")).collect();
    items.sort();
    items
}

/// A call of a function, its status, and its requests to DynamoDB.
struct Operation {
    function: &'static str,
    event: Value,
    status: u16,
    requests: &'static [&'static str],
}

/// Returns the app of an operation, and the operation.
async fn prepared(name: &str) -> (FaultyStore, Operation) {
    let first = ("EmailVerification", "first");
    let parameters: &[_] = match name {
        "register" | "register/confirm" => &[first],
        _ => &[],
    };
    let faulty = FaultyStore::before(App::mailing(parameters).await).await;
    let app = &faulty.app;
    let operation = match name {
        "register" => Operation {
            function: "register",
            event: event("POST", "/register", &registration("ada@example.com"), None),
            status: 202,
            requests: &["UpdateItem", "TransactWriteItems"],
        },
        "register/confirm" => {
            app.register("ada@example.com").await.expect(202);
            let token = app.mailed("registration").await.unwrap();
            let body = json!({"token": token, "password": PASSWORD});
            Operation {
                function: "links",
                event: event("POST", "/register/confirm", &body, None),
                status: 201,
                requests: &["BatchGetItem", "PutItem", "TransactWriteItems"],
            }
        }
        "email/verify" => {
            let id = text(
                &app.register("ada@example.com").await.expect(201).json(),
                "id",
            );
            let token = app.mint(&id, Purpose::EmailVerification).await;
            let body = json!({"token": token, "password": PASSWORD});
            Operation {
                function: "links",
                event: event("POST", "/email/verify", &body, None),
                status: 204,
                requests: &["BatchGetItem", "PutItem", "TransactWriteItems"],
            }
        }
        "email/change" => {
            let ada = app.user("ada@example.com").await;
            let body = json!({"email": NEW, "password": PASSWORD});
            Operation {
                function: "profile",
                event: event("POST", "/email/change", &body, Some(&ada.access_token)),
                status: 202,
                requests: &[
                    "BatchGetItem",
                    "PutItem",
                    "UpdateItem",
                    "TransactWriteItems",
                ],
            }
        }
        _ => {
            let ada = app.user("ada@example.com").await;
            app.login(&ada.email, PASSWORD).await.expect(200);
            let body = json!({"email": NEW, "password": PASSWORD});
            ada.post("/email/change", body).send().await.expect(202);
            let token = app.mailed("email_change").await.unwrap();
            let body = json!({"token": token, "password": PASSWORD});
            Operation {
                function: "links",
                event: event("POST", "/email/change/confirm", &body, None),
                status: 204,
                requests: &["BatchGetItem", "PutItem", "TransactWriteItems"],
            }
        }
    };
    (faulty, operation)
}

const OPERATIONS: [&str; 5] = [
    "register",
    "register/confirm",
    "email/verify",
    "email/change",
    "email/change/confirm",
];

#[tokio::test]
async fn after_a_fault_at_any_request_nothing_is_done_and_a_retry_completes_it() {
    for name in OPERATIONS {
        for fault in [Fault::Broken, Fault::Throttled, Fault::Cut] {
            let (faulty, operation) = prepared(name).await;
            for request in operation.requests {
                let before = stored(&faulty.app).await;
                faulty.inject(request, &[fault; 40]);
                let failed = call(
                    &faulty.functions,
                    operation.function,
                    operation.event.clone(),
                );
                let (status, _) = failed.await;
                faulty.inject(request, &[]);
                let after = stored(&faulty.app).await;
                assert_eq!(status, 503, "{name}, {request}: {fault:?}");
                assert_eq!(before, after, "{name}, {request}: {fault:?}");
            }
            let healed = call(&faulty.functions, operation.function, operation.event);
            assert_eq!(healed.await.0, operation.status, "{name}: a retry");
        }
    }
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_done_once_and_told_as_done() {
    for name in OPERATIONS {
        let (faulty, operation) = prepared(name).await;
        faulty.inject("TransactWriteItems", &[Fault::AnswerLost; 2]);
        let done = call(
            &faulty.functions,
            operation.function,
            operation.event.clone(),
        );
        assert_eq!(done.await.0, operation.status, "{name}");
        let expected = match name {
            "register" => ("registration_requested", 202),
            "register/confirm" => ("registered", 400),
            "email/verify" => ("email_verified", 400),
            "email/change" => ("email_change_requested", 202),
            _ => ("email_changed", 400),
        };
        let (event, again) = expected;
        let rows = faulty.app.rows().await;
        let of = |row: &&std::collections::BTreeMap<String, _>| {
            row["event"] == aws_sdk_dynamodb::types::AttributeValue::S(event.to_owned())
        };
        assert_eq!(rows.iter().filter(of).count(), 1, "{name}");
        // A link is used up by it.
        let again_status = call(&faulty.functions, operation.function, operation.event);
        assert_eq!(again_status.await.0, again, "{name}");
    }
}

#[tokio::test]
async fn a_transaction_that_collides_is_tried_again() {
    for name in OPERATIONS {
        let (faulty, operation) = prepared(name).await;
        faulty.inject("TransactWriteItems", &[Fault::Conflict; 3]);
        let done = call(&faulty.functions, operation.function, operation.event);
        assert_eq!(done.await.0, operation.status, "{name}");
    }
}

/// Holds the transaction of a move back until `meanwhile` is done.
async fn moves_while(meanwhile: impl AsyncFnOnce(&App)) -> FaultyStore {
    let (faulty, operation) = prepared("email/change/confirm").await;
    faulty.inject("TransactWriteItems", &[Fault::Held]);
    let moved = call(&faulty.functions, operation.function, operation.event);
    let (moved, ()) = tokio::join!(moved, async {
        faulty.proxy.held().await;
        meanwhile(&faulty.app).await;
        faulty.proxy.release();
    });
    assert_eq!(moved.0, 204);
    faulty
}

#[tokio::test]
async fn a_hash_that_a_login_replaces_in_the_meantime_is_the_one_that_moves() {
    let faulty = moves_while(async |app| {
        // Another hash of the same password.
        app.register("eve@example.com").await.expect(201);
        let of = |email: &str| {
            let email = shared::domain::Email::parse(email).unwrap();
            format!("EMAIL#{}", email.fingerprint())
        };
        let other = app.item(&of("eve@example.com"), "CREDENTIAL").await;
        let mut hers = app
            .item(&of("ada@example.com"), "CREDENTIAL")
            .await
            .unwrap();
        hers.insert("password".to_owned(), other.unwrap()["password"].clone());
        let put = app.dynamodb().put_item().table_name("latchkey");
        let put = put.set_item(Some(hers.into_iter().collect()));
        put.send().await.unwrap();
    })
    .await;
    faulty.app.login(NEW, PASSWORD).await.expect(200);
    let old = faulty.app.login("ada@example.com", PASSWORD).await;
    old.problem(401, "invalid-credentials");
}

#[tokio::test]
async fn a_session_that_ends_in_the_meantime_does_not_stop_the_move() {
    let faulty = moves_while(async |app| app.remove_sessions().await).await;
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
    faulty.app.login(NEW, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_confirmation_that_fails_takes_no_attempt() {
    for name in ["register/confirm", "email/verify", "email/change/confirm"] {
        let (faulty, operation) = prepared(name).await;
        for _ in 0..8 {
            faulty.inject("TransactWriteItems", &[Fault::Broken; 40]);
            let failed = call(
                &faulty.functions,
                operation.function,
                operation.event.clone(),
            );
            assert_eq!(failed.await.0, 503, "{name}");
        }
        faulty.inject("TransactWriteItems", &[]);
        let done = call(&faulty.functions, operation.function, operation.event);
        assert_eq!(done.await.0, operation.status, "{name}");
    }
}

#[tokio::test]
async fn a_password_that_is_wrong_while_nothing_can_be_told_is_not_told_as_right_or_wrong() {
    for name in ["register/confirm", "email/verify", "email/change/confirm"] {
        let (faulty, operation) = prepared(name).await;
        let body = operation.event["body"].as_str().unwrap();
        let mut wrong = operation.event.clone();
        wrong["body"] = body.replace(PASSWORD, "not the password").into();
        // The attempt is counted, and its event is not stored.
        faulty
            .proxy
            .inject_in(EVENT_TABLE, "PutItem", &[Fault::Broken; 40]);
        let failed = call(&faulty.functions, operation.function, wrong.clone());
        assert_eq!(failed.await.0, 503, "{name}");
        faulty.inject("PutItem", &[]);
        let told = call(&faulty.functions, operation.function, wrong);
        assert_eq!(told.await.0, 403, "{name}");
        let done = call(&faulty.functions, operation.function, operation.event);
        assert_eq!(done.await.0, operation.status, "{name}");
    }
}

#[tokio::test]
async fn a_link_whose_account_changes_before_its_password_is_read_is_refused() {
    const OTHER: &str = "another good password";
    for name in ["email/verify", "email/change/confirm"] {
        let (faulty, operation) = prepared(name).await;
        // Link and account are read, and the password of then is the one that is presented.
        faulty.inject("BatchGetItem", &[Fault::Passes, Fault::Held]);
        let used = call(&faulty.functions, operation.function, operation.event);
        let (used, ()) = tokio::join!(used, async {
            faulty.proxy.held().await;
            let login = faulty.app.login("ada@example.com", PASSWORD).await;
            let token = text(&login.expect(200).json(), "access_token");
            let body = json!({"current_password": PASSWORD, "new_password": OTHER});
            let change = faulty.app.post("/password/change", body).bearer(&token);
            change.send().await.expect(200);
            faulty.proxy.release();
        });
        assert_eq!(used.0, 400, "{name}");
        faulty.app.login("ada@example.com", OTHER).await.expect(200);
    }
}

#[tokio::test]
async fn sessions_whose_items_cannot_be_removed_have_ended_all_the_same() {
    let (faulty, operation) = prepared("email/change/confirm").await;
    faulty.inject("Query", &[Fault::Broken; 40]);
    let done = call(&faulty.functions, operation.function, operation.event);
    assert_eq!(done.await.0, 204);
    assert_eq!(faulty.app.items_of("SESSION#").await.len(), 2);
    let login = faulty.app.login(NEW, PASSWORD).await.expect(200).json();
    let token = text(&login, "access_token");
    let list = faulty.app.get("/sessions").bearer(&token).send().await;
    let list = list.expect(200).json();
    // The one that asked, and this one.
    assert_eq!(list["sessions"].as_array().unwrap().len(), 2);
}
