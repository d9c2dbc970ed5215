//! Administration if DynamoDB fails: all of it or nothing, and a retry completes it.

use serde_json::{Value, json};
use testkit::dynamodb::Fault;

use crate::support::app::{App, PASSWORD, event, text};
use crate::support::faulty_store::{FaultyStore, call};

/// A call of the function `admin` of an administrator on Ada's account.
struct Operation {
    name: &'static str,
    method: &'static str,
    rest: &'static str,
    body: Value,
    status: u16,
    /// The requests before the change, and the one that makes it.
    requests: &'static [&'static str],
}

fn operations() -> Vec<Operation> {
    let operation = |name, method, rest, body, status, requests| Operation {
        name,
        method,
        rest,
        body,
        status,
        requests,
    };
    let of_account: &[_] = &["BatchGetItem", "GetItem", "TransactWriteItems"];
    let of_mail: &[_] = &[
        "BatchGetItem",
        "GetItem",
        "UpdateItem",
        "TransactWriteItems",
    ];
    let invitation = json!({"email": "alan@example.com", "first_name": "Alan", "last_name": ""});
    vec![
        operation(
            "invite",
            "POST",
            "",
            invitation,
            201,
            &["BatchGetItem", "UpdateItem", "TransactWriteItems"],
        ),
        operation(
            "roles",
            "PATCH",
            "/ID",
            json!({"roles": ["editor"]}),
            200,
            of_account,
        ),
        operation(
            "disable",
            "PATCH",
            "/ID",
            json!({"status": "disabled"}),
            200,
            of_account,
        ),
        operation("delete", "DELETE", "/ID", Value::Null, 204, of_account),
        operation(
            "sign out",
            "DELETE",
            "/ID/sessions",
            Value::Null,
            204,
            of_account,
        ),
        operation(
            "reset",
            "POST",
            "/ID/password-reset",
            Value::Null,
            202,
            of_mail,
        ),
    ]
}

/// An app with an administrator and Ada.
struct Prepared {
    faulty: FaultyStore,
    token: String,
    ada: String,
    refresh_token: String,
}

async fn prepared() -> Prepared {
    let faulty = FaultyStore::before(App::mailing(&[]).await).await;
    let (token, ada, refresh_token) = {
        let root = faulty.app.administrator("root@example.com").await;
        let ada = faulty.app.user("ada@example.com").await;
        (root.access_token.clone(), ada.id(), ada.refresh_token)
    };
    Prepared {
        faulty,
        token,
        ada,
        refresh_token,
    }
}

impl Prepared {
    async fn call(&self, operation: &Operation) -> (u16, Value) {
        let path = format!("/admin/users{}", operation.rest.replace("ID", &self.ada));
        let event = event(operation.method, &path, &operation.body, Some(&self.token));
        call(&self.faulty.functions, "admin", event).await
    }

    /// Returns the items of users and the events, without counters.
    async fn stored(&self) -> (Vec<String>, usize) {
        let app = &self.faulty.app;
        let items = app.items_but_secrets().await;
        let mut items: Vec<_> = items.iter().map(|item| format!("{item:?}")).collect();
        items.sort();
        (items, app.events().await.len())
    }
}

#[tokio::test]
async fn after_a_fault_at_any_request_nothing_is_done_and_a_retry_completes_it() {
    for operation in operations() {
        let prepared = prepared().await;
        for request in operation.requests {
            let before = prepared.stored().await;
            for fault in [Fault::Broken, Fault::Throttled] {
                prepared.faulty.inject(request, &[fault; 40]);
                let (status, _) = prepared.call(&operation).await;
                prepared.faulty.inject(request, &[]);
                let shown = format!("{}, {request}: {fault:?}", operation.name);
                assert_eq!(status, 503, "{shown}");
                assert_eq!(prepared.stored().await, before, "{shown}");
            }
        }
        let (status, body) = prepared.call(&operation).await;
        assert_eq!(status, operation.status, "{}: {body}", operation.name);
    }
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_told_as_done() {
    for operation in operations() {
        let prepared = prepared().await;
        let lost = [Fault::AnswerLost; 2];
        prepared.faulty.inject("TransactWriteItems", &lost);
        let (status, body) = prepared.call(&operation).await;
        assert_eq!(status, operation.status, "{}: {body}", operation.name);
    }
}

#[tokio::test]
async fn a_transaction_that_collides_is_tried_again() {
    for operation in operations() {
        let prepared = prepared().await;
        let collides = [Fault::Conflict; 3];
        prepared.faulty.inject("TransactWriteItems", &collides);
        let (status, body) = prepared.call(&operation).await;
        assert_eq!(status, operation.status, "{}: {body}", operation.name);
    }
}

#[tokio::test]
async fn disabling_and_signing_out_end_all_sessions_by_one_write() {
    for operation in operations() {
        if !["disable", "sign out"].contains(&operation.name) {
            continue;
        }
        let prepared = prepared().await;
        // The items of the sessions cannot be removed.
        prepared.faulty.inject("Query", &[Fault::Broken; 40]);
        prepared.faulty.proxy.requests();
        let (status, _) = prepared.call(&operation).await;
        assert_eq!(status, operation.status, "{}", operation.name);
        let requests = prepared.faulty.proxy.requests();
        let writes = requests
            .iter()
            .filter(|request| request.operation == "TransactWriteItems");
        assert_eq!(writes.count(), 1, "{}", operation.name);
        let app = &prepared.faulty.app;
        assert_eq!(app.items_of("SESSION#").await.len(), 3, "none is removed");
        let refused = app.refresh(&prepared.refresh_token).await;
        refused.problem(401, "invalid-refresh-token");
    }
}

#[tokio::test]
async fn a_deletion_that_stopped_half_way_is_finished_by_the_next_call() {
    for (request, faults) in [("Query", 40), ("BatchWriteItem", 40), ("DeleteItem", 40)] {
        let prepared = prepared().await;
        let operations = operations();
        let delete = operations.iter().find(|it| it.name == "delete").unwrap();
        prepared
            .faulty
            .inject(request, &vec![Fault::Broken; faults]);
        let (status, _) = prepared.call(delete).await;
        assert_eq!(status, 503, "{request}");
        prepared.faulty.inject(request, &[]);
        let app = &prepared.faulty.app;
        // The first step is done: nobody logs in, and the address is free.
        let login = app.login("ada@example.com", PASSWORD).await;
        login.problem(401, "invalid-credentials");
        let shown = app.get(&format!("/admin/users/{}", prepared.ada));
        let shown = shown.bearer(&prepared.token).send().await.expect(200);
        assert_eq!(text(&shown.json(), "status"), "deleting");
        assert_eq!(prepared.call(delete).await.0, 204, "{request}");
        assert_eq!(prepared.call(delete).await.0, 404, "{request}");
        let left = app.items().await;
        let left = left.iter().map(|item| format!("{item:?}"));
        assert_eq!(left.filter(|it| it.contains(&prepared.ada)).count(), 0);
    }
}

#[tokio::test]
async fn a_change_in_the_meantime_is_kept_and_the_act_is_done_to_it() {
    let prepared = prepared().await;
    let operations = operations();
    let roles = operations.iter().find(|it| it.name == "roles").unwrap();
    prepared.faulty.inject("TransactWriteItems", &[Fault::Held]);
    let (changed, ()) = tokio::join!(prepared.call(roles), async {
        prepared.faulty.proxy.held().await;
        let app = &prepared.faulty.app;
        let tokens = app.login("ada@example.com", PASSWORD).await.expect(200);
        let patch = app.patch("/profile", json!({"first_name": "Augusta"}));
        let patch = patch.bearer(&text(&tokens.json(), "access_token"));
        patch.send().await.expect(200);
        prepared.faulty.proxy.release();
    });
    assert_eq!(changed.0, 200);
    assert_eq!(changed.1["first_name"], "Augusta");
    assert_eq!(changed.1["roles"], json!(["editor"]));
}

#[tokio::test]
async fn an_administrator_who_is_demoted_in_the_meantime_changes_nothing() {
    for operation in operations() {
        let prepared = prepared().await;
        let app = &prepared.faulty.app;
        let root = app.item_of_root().await;
        prepared.faulty.inject("TransactWriteItems", &[Fault::Held]);
        let before = prepared.stored().await.1;
        let ((status, body), ()) = tokio::join!(prepared.call(&operation), async {
            prepared.faulty.proxy.held().await;
            app.set_roles(&root, &[]).await;
            prepared.faulty.proxy.release();
        });
        assert_eq!(status, 403, "{}", operation.name);
        assert_eq!(body["code"], "forbidden", "{}", operation.name);
        assert_eq!(prepared.stored().await.1, before, "{}", operation.name);
        app.login("ada@example.com", PASSWORD).await.expect(200);
    }
}

impl App {
    /// Returns the id of the one administrator.
    async fn item_of_root(&self) -> String {
        let items = self.items_of("ACCOUNT").await;
        let root = items
            .iter()
            .find(|item| item["email"].as_s().map(String::as_str) == Ok("root@example.com"));
        let pk = root.unwrap()["pk"].as_s().unwrap();
        pk.strip_prefix("USER#").unwrap().to_owned()
    }
}

#[tokio::test]
async fn of_two_who_do_the_same_at_once_both_have_a_row() {
    let prepared = prepared().await;
    let app = &prepared.faulty.app;
    let other = app.administrator("other@example.com").await;
    let operations = operations();
    let disable = operations.iter().find(|it| it.name == "disable").unwrap();
    prepared.faulty.inject("TransactWriteItems", &[Fault::Held]);
    let ((status, body), ()) = tokio::join!(prepared.call(disable), async {
        prepared.faulty.proxy.held().await;
        let path = format!("/admin/users/{}", prepared.ada);
        let patch = other.patch(&path, disable.body.clone());
        patch.send().await.expect(200);
        prepared.faulty.proxy.release();
    });
    assert_eq!(status, 200, "{body}");
    let events = app.events().await;
    let disabled = events
        .iter()
        .filter(|row| row["event"].as_s().unwrap() == "account_disabled");
    let actors: Vec<_> = disabled
        .map(|row| row["actor"].as_s().unwrap().clone())
        .collect();
    assert_eq!(actors.len(), 2);
    assert_ne!(actors[0], actors[1]);
}
