//! Changes of addresses and registrations by link if DynamoDB fails.

use serde_json::{Value, json};
use testkit::dynamodb::Fault;

use crate::support::app::{App, PASSWORD, event, registration, text};
use crate::support::faulty_store::{FaultyStore, call};

const NEW: &str = "ada.king@example.org";

/// Returns the items of users, without the counters.
async fn stored(app: &App) -> Vec<String> {
    let items = app.items().await;
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
            let body = json!({ "token": token });
            Operation {
                function: "links",
                event: event("POST", "/email/change/confirm", &body, None),
                status: 204,
                requests: &["BatchGetItem", "GetItem", "TransactWriteItems"],
            }
        }
    };
    (faulty, operation)
}

const OPERATIONS: [&str; 4] = [
    "register",
    "register/confirm",
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

#[tokio::test]
async fn a_confirmation_that_fails_takes_no_attempt() {
    let (faulty, operation) = prepared("register/confirm").await;
    for _ in 0..8 {
        faulty.inject("TransactWriteItems", &[Fault::Broken; 40]);
        let failed = call(
            &faulty.functions,
            operation.function,
            operation.event.clone(),
        );
        assert_eq!(failed.await.0, 503);
    }
    faulty.inject("TransactWriteItems", &[]);
    let done = call(&faulty.functions, operation.function, operation.event);
    assert_eq!(done.await.0, 201);
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
