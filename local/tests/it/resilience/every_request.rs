//! Every fault, at every request of every operation.

use serde_json::{Value, json};
use shared::domain::Purpose;
use testkit::dynamodb::Fault;

use crate::support::app::{App, PASSWORD, event, registration, text};
use crate::support::faulty_store::{FaultyStore, call};

/// A call of a function, and its requests to DynamoDB.
struct Operation {
    name: &'static str,
    function: &'static str,
    event: Value,
    /// Its status without faults.
    status: u16,
    /// Its requests in order.
    requests: &'static [&'static str],
}

/// Returns one operation of each kind, for an account with two sessions.
fn operations(
    token: &str,
    refresh_token: &str,
    other: &str,
    [reset, verify]: &[String; 2],
) -> Vec<Operation> {
    let reset = json!({"token": reset, "new_password": "another good password"});
    let verify = json!({"token": verify, "password": PASSWORD});
    let address = json!({"email": "ada@example.com"});
    let token = Some(token);
    let login = json!({"email": "ada@example.com", "password": PASSWORD});
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let refresh = json!({ "refresh_token": refresh_token });
    let mut end_one = event("DELETE", &format!("/sessions/{other}"), &Value::Null, token);
    end_one["pathParameters"] = json!({ "id": other });
    let operation = |name, function, event, status, requests| Operation {
        name,
        function,
        event,
        status,
        requests,
    };
    vec![
        operation(
            "register",
            "register",
            event("POST", "/register", &registration("eve@example.com"), None),
            201,
            &["TransactWriteItems"],
        ),
        operation(
            "login",
            "login",
            event("POST", "/login", &login, None),
            200,
            &["BatchGetItem", "GetItem", "PutItem", "UpdateItem"],
        ),
        operation(
            "refresh",
            "session",
            event("POST", "/refresh", &refresh, None),
            200,
            &["BatchGetItem", "UpdateItem"],
        ),
        operation(
            "list",
            "session",
            event("GET", "/sessions", &Value::Null, token),
            200,
            &["Query"],
        ),
        operation(
            "end one",
            "session",
            end_one,
            204,
            &["BatchGetItem", "TransactWriteItems"],
        ),
        operation(
            "profile",
            "profile",
            event("GET", "/profile", &Value::Null, token),
            200,
            &["BatchGetItem"],
        ),
        operation(
            "activity",
            "activity",
            event("GET", "/activity", &Value::Null, token),
            200,
            &["Query", "BatchGetItem"],
        ),
        operation(
            "patch",
            "profile",
            event(
                "PATCH",
                "/profile",
                &json!({"first_name": "Augusta"}),
                token,
            ),
            200,
            &["BatchGetItem", "UpdateItem"],
        ),
        operation(
            "logout",
            "session",
            event("POST", "/logout", &refresh, None),
            204,
            &["TransactWriteItems"],
        ),
        operation(
            "change the password",
            "password",
            event("POST", "/password/change", &change, token),
            200,
            &["BatchGetItem", "PutItem", "TransactWriteItems"],
        ),
        operation(
            "ask for a link",
            "forgot",
            event("POST", "/password/forgot", &address, None),
            202,
            &["UpdateItem", "PutItem"],
        ),
        operation(
            "ask for a proof",
            "forgot",
            event("POST", "/email/verify/resend", &address, None),
            202,
            &["UpdateItem", "PutItem"],
        ),
        operation(
            "prove the address",
            "links",
            event("POST", "/email/verify", &verify, None),
            204,
            &["BatchGetItem", "PutItem", "TransactWriteItems"],
        ),
        operation(
            "reset the password",
            "links",
            event("POST", "/password/reset", &reset, None),
            204,
            &["BatchGetItem", "TransactWriteItems"],
        ),
        operation(
            "end all",
            "session",
            event("DELETE", "/sessions", &Value::Null, token),
            204,
            &[
                "BatchGetItem",
                "Query",
                "BatchWriteItem",
                "TransactWriteItems",
            ],
        ),
        operation(
            "delete the account",
            "profile",
            event(
                "DELETE",
                "/profile",
                &json!({ "password": PASSWORD }),
                token,
            ),
            204,
            &[
                "GetItem",
                "BatchGetItem",
                "PutItem",
                "TransactWriteItems",
                "Query",
                "BatchWriteItem",
                "DeleteItem",
            ],
        ),
    ]
}

/// Returns the items of users, without the counters of attempts.
async fn stored_items(app: &App) -> Vec<String> {
    let mut items: Vec<_> = app
        .items()
        .await
        .iter()
        .map(|item| format!("{item:?}"))
        .collect();
    items.sort();
    items
}

#[tokio::test]
async fn after_a_fault_at_any_request_a_call_is_done_or_not_and_a_retry_completes_it() {
    for place in 0.. {
        let mut more = false;
        for fault in [
            Fault::Broken,
            Fault::Throttled,
            Fault::Cut,
            Fault::WriteConflict,
        ] {
            let faulty = FaultyStore::before(App::with_mail().await).await;
            let ada = faulty.app.user("ada@example.com").await;
            let other = faulty
                .app
                .login(&ada.email, PASSWORD)
                .await
                .expect(200)
                .json();
            let other = text(
                &crate::support::app::claims(&text(&other, "access_token")),
                "sid",
            );
            let links = [
                faulty.app.mint(&ada.id(), Purpose::PasswordReset).await,
                faulty.app.mint(&ada.id(), Purpose::EmailVerification).await,
            ];
            let operations = operations(&ada.access_token, &ada.refresh_token, &other, &links);
            let Some(operation) = operations.into_iter().nth(place) else {
                continue;
            };
            more = true;
            let named = |request| format!("{}, {request}: {fault:?}", operation.name);
            for request in operation.requests {
                if matches!(fault, Fault::WriteConflict)
                    && !["PutItem", "UpdateItem", "DeleteItem"].contains(request)
                {
                    continue;
                }
                let before = stored_items(&faulty.app).await;
                faulty.inject(request, &[fault; 40]);
                let failed = call(
                    &faulty.functions,
                    operation.function,
                    operation.event.clone(),
                );
                let (status, _) = failed.await;
                faulty.inject(request, &[]);
                let after = stored_items(&faulty.app).await;
                // A call that can only be completed, not undone, may be partly done.
                let goes_on = ["Query", "BatchWriteItem", "DeleteItem"].contains(request)
                    && ["end all", "delete the account"].contains(&operation.name)
                    // The own session, with the event of the end of all.
                    || (*request, operation.name) == ("TransactWriteItems", "end all");
                assert_eq!(status, 503, "{}", named(request));
                assert!(
                    goes_on || before == after,
                    "{}: half of it is done",
                    named(request)
                );
            }
            let healed = call(
                &faulty.functions,
                operation.function,
                operation.event.clone(),
            );
            assert_eq!(
                healed.await.0,
                operation.status,
                "{}: a retry",
                operation.name
            );
        }
        if !more {
            assert!(place > 9, "only {place} operations were tried");
            return;
        }
    }
}
