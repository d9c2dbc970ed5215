//! `GET POST /notes`, `GET /users/{id}/notes`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::functions::Functions;
use serde_json::{Value, json};
use shared::platform::Clock;

use crate::support::app::{App, PASSWORD, User, env, event, faults, logged_requests, text};
use crate::support::faulty_store::{FaultyStore, call};
use crate::support::privileges::{allowed, behind_proxies, used};

/// Creates a note, and returns it.
async fn create(user: &User<'_>, words: &str) -> Value {
    let created = user.post("/notes", json!({ "text": words })).send().await;
    created.expect(201).json()
}

/// Gives a user the role `admin`, as an operator would, and returns a new access token.
async fn make_admin(app: &App, user: &User<'_>) -> String {
    let roles = AttributeValue::L(vec![AttributeValue::S("admin".to_owned())]);
    app.set_attribute(&user.id(), "roles", roles).await;
    let tokens = app.login(&user.email, PASSWORD).await.expect(200).json();
    text(&tokens, "access_token")
}

#[tokio::test]
async fn notes_are_listed_latest_first_and_to_their_owner_only() {
    let app = App::start().await;
    let (ada, eve) = (
        app.user("ada@example.com").await,
        app.user("eve@example.com").await,
    );
    let first = create(&ada, "Buy milk").await;
    app.clock.advance(Duration::from_secs(60));
    let second = create(&ada, " 買う \u{1f95b}\n").await;
    assert_eq!(second["text"], " 買う \u{1f95b}\n", "as written");
    assert_eq!(second["created_at"], "2027-01-15T08:01:00Z");

    let list = ada.get("/notes").send().await.expect(200).json();
    assert_eq!(list, json!({ "notes": [second, first] }));
    let list = eve.get("/notes").send().await.expect(200).json();
    assert_eq!(list, json!({ "notes": [] }));
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    for n in 0..101 {
        app.clock.advance(Duration::from_millis(1));
        create(&ada, &n.to_string()).await;
    }
    let first = ada.get("/notes").send().await.expect(200).json();
    assert_eq!(first["notes"].as_array().unwrap().len(), 100);
    let next = format!("/notes?cursor={}", text(&first, "next_cursor"));
    let last = ada.get(&next).send().await.expect(200).json();
    assert_eq!(last["notes"].as_array().unwrap().len(), 1);
    assert_eq!(last["notes"][0]["text"], "0");
    assert!(last.get("next_cursor").is_none(), "{last}");

    let other = ada.get("/notes?cursor=2").send().await;
    let problem = other.problem(422, "invalid-fields");
    assert_eq!(
        faults(&problem),
        [(String::new(), "invalid-cursor".to_owned())]
    );
}

#[tokio::test]
async fn every_fault_of_a_note_is_named() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    for (body, expected) in [
        (json!({}), vec![("/text", "missing")]),
        (json!({"text": " \n"}), vec![("/text", "blank")]),
        (json!({"text": 1}), vec![("/text", "wrong-type")]),
        (
            json!({"text": "x".repeat(1001)}),
            vec![("/text", "too-long")],
        ),
        (
            json!({"text": "", "user_id": "x"}),
            vec![("/text", "blank"), ("/user_id", "unknown")],
        ),
    ] {
        let refused = ada.post("/notes", body).send().await;
        let problem = refused.problem(422, "invalid-fields");
        let expected = expected.into_iter();
        let expected: Vec<_> = expected
            .map(|(p, c)| (p.to_owned(), c.to_owned()))
            .collect();
        assert_eq!(faults(&problem), expected);
    }
    let longest = json!({ "text": "ñ".repeat(1000) });
    ada.post("/notes", longest).send().await.expect(201);
    let broken = ada.post("/notes", Value::Null).body("{\"text\":");
    broken.send().await.problem(400, "malformed-json");
}

#[tokio::test]
async fn only_an_administrator_lists_the_notes_of_others() {
    let app = App::start().await;
    let (ada, eve) = (
        app.user("ada@example.com").await,
        app.user("eve@example.com").await,
    );
    let note = create(&ada, "Buy milk").await;
    let path = format!("/users/{}/notes", ada.id());
    for user in [&ada, &eve] {
        user.get(&path).send().await.problem(403, "forbidden");
    }
    let admin = make_admin(&app, &eve).await;
    let list = app.get(&path).bearer(&admin).send().await;
    assert_eq!(list.expect(200).json(), json!({ "notes": [note] }));
    let nobody = app.get("/users/ada/notes").bearer(&admin).send().await;
    nobody.problem(404, "not-found");
}

#[tokio::test]
async fn without_a_token_every_route_answers_401() {
    let app = App::start().await;
    app.get("/notes").send().await.expect(401);
    let note = json!({"text": "Buy milk"});
    app.post("/notes", note).send().await.expect(401);
    app.get("/users/x/notes").send().await.expect(401);
}

#[tokio::test]
async fn a_fault_of_dynamodb_is_503_and_its_cause_is_in_the_log() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let functions = FaultyStore::functions(&app, "http://127.0.0.1:9");
    let token = Some(ada.access_token.as_str());
    for (method, body) in [("GET", Value::Null), ("POST", json!({"text": "Buy milk"}))] {
        logged_requests();
        let (status, problem) =
            call(&functions, "notes", event(method, "/notes", &body, token)).await;
        assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
        let line = logged_requests().pop().unwrap();
        assert_eq!(line["status"], 503, "{line}");
        assert!(line["cause"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn its_role_may_do_what_it_does_and_nothing_else() {
    let (app, proxies) = behind_proxies().await;
    let ada = app.user("ada@example.com").await;
    create(&ada, "Buy milk").await;
    ada.get("/notes").send().await.expect(200);
    assert_eq!(used(&proxies["notes"].requests()), allowed()["notes"]);
}

#[tokio::test]
async fn without_its_table_it_does_not_start() {
    let app = App::start().await;
    let variables = &app.local.environment["notes"];
    let lookup = |name: &str| {
        variables
            .get(name)
            .filter(|_| name != "NOTES_TABLE")
            .cloned()
    };
    let made = Functions::default().add("notes", &env(&lookup), &Clock::System);
    assert_eq!(
        made.unwrap_err().to_string(),
        "NOTES_TABLE is not set; set it to the name of the table of notes"
    );
}
