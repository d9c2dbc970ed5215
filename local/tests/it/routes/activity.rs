//! `GET /activity`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::app::{App, EVENT_TABLE, PASSWORD, User, faults, text};

fn names(list: &Value) -> Vec<String> {
    let events = list["events"].as_array().unwrap().iter();
    events.map(|event| text(event, "event")).collect()
}

async fn listed(user: &User<'_>, query: &str) -> Value {
    let list = user.get(&format!("/activity{query}")).send().await;
    list.expect(200).json()
}

/// Puts `count` copies of the one event of `ada` into the table, each a millisecond after the other.
async fn copy_event(app: &App, ada: &User<'_>, count: u32) {
    let of_ada = AttributeValue::S(format!("USER#{}", ada.id()));
    let mut rows = app.events().await;
    rows.retain(|row| row["pk"] == of_ada);
    for n in 0..count {
        let mut copy = rows[0].clone();
        let id = format!("018bcfe5-{n:04x}-7000-8000-000000000000");
        copy.insert("sk".to_owned(), AttributeValue::S(id));
        let put = app.dynamodb().put_item().table_name(EVENT_TABLE);
        let put = put.set_item(Some(copy.into_iter().collect()));
        put.send().await.unwrap();
    }
}

#[tokio::test]
async fn an_owner_sees_what_happened_the_latest_first_and_nothing_of_others() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.user("eve@example.com").await;
    app.clock.advance(Duration::from_secs(60));
    // What strangers do at the address.
    app.register("ada@example.com").await.expect(409);
    app.login("ada@example.com", "wrong").await.expect(401);
    let wrong = json!({"current_password": "wrong", "new_password": "another good password"});
    let change = ada.post("/password/change", wrong);
    change
        .header("user-agent", "phone/2.0")
        .send()
        .await
        .expect(403);

    let answer = ada.get("/activity").send().await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let list = answer.json();
    assert_eq!(list.as_object().unwrap().len(), 1, "no cursor: {list}");
    let mut all = names(&list);
    assert_eq!(all.remove(0), "password_refused");
    all.sort();
    assert_eq!(all, ["logged_in", "registered"]);
    let latest = &list["events"][0];
    assert_eq!(
        *latest,
        json!({
            "id": text(latest, "id"),
            "event": "password_refused",
            "at": "2027-01-15T08:01:00Z",
            "session_id": ada.session_id(),
            "ip": "203.0.113.7",
            "user_agent": "phone/2.0",
        })
    );
    app.clock.advance(Duration::from_secs(60));
    ada.delete("/sessions?others=true").send().await.expect(204);
    let latest = &listed(&ada, "").await["events"][0];
    assert_eq!(
        (&latest["event"], &latest["by"]),
        (&json!("sessions_ended"), &json!("owner"))
    );
}

#[tokio::test]
async fn a_long_list_comes_in_parts() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    copy_event(&app, &ada, 150).await;
    let first = listed(&ada, "").await;
    assert_eq!(names(&first).len(), 100);
    let cursor = text(&first, "next_cursor");
    assert_eq!(cursor, text(&first["events"][99], "id"));
    for cursor in [cursor.to_uppercase(), cursor] {
        let second = listed(&ada, &format!("?cursor={cursor}")).await;
        assert_eq!(names(&second).len(), 52);
        assert_eq!(second.get("next_cursor"), None);
        let ids = |list: &Value| -> Vec<String> {
            let events = list["events"].as_array().unwrap().iter();
            events.map(|event| text(event, "id")).collect()
        };
        let all = [ids(&first), ids(&second)].concat();
        let mut sorted = all.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!(all, sorted);
    }
    for wrong in ["first", "", "018bcfe5-687b"] {
        let answer = ada.get(&format!("/activity?cursor={wrong}")).send().await;
        let problem = answer.problem(422, "invalid-fields");
        let expected = (String::new(), "invalid-cursor".to_owned());
        assert_eq!(faults(&problem), [expected]);
    }
}

#[tokio::test]
async fn an_event_that_has_expired_is_not_listed_although_it_is_not_removed_yet() {
    let app = App::with(&[("EventDays", "1")]).await;
    let ada = app.user("ada@example.com").await;
    let later = async |seconds| {
        app.clock.advance(Duration::from_secs(seconds));
        let refreshed = app.refresh(&ada.refresh_token).await.expect(200).json();
        let token = text(&refreshed, "access_token");
        let list = app.get("/activity").bearer(&token).send().await;
        names(&list.expect(200).json()).len()
    };
    assert_eq!(later(86_399).await, 2);
    assert_eq!(later(1).await, 0);
    assert_eq!(app.events().await.len(), 3, "two, and a repeat");
}

#[tokio::test]
async fn a_thief_does_not_learn_when_the_owner_refreshes() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    // The thief is first, and the owner's refresh is a repeat.
    let stolen = app.refresh(&ada.refresh_token).await.expect(200).json();
    app.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(app.events().await.len(), 3);
    let of_thief = async |token: &str| {
        let list = app.get("/activity").bearer(token).send().await;
        names(&list.expect(200).json())
    };
    let mut all = of_thief(&text(&stolen, "access_token")).await;
    all.sort();
    assert_eq!(all, ["logged_in", "registered"]);
    app.clock.advance(Duration::from_secs(3600));
    let next = app.login("ada@example.com", PASSWORD).await.expect(200);
    let all = of_thief(&text(&next.json(), "access_token")).await;
    assert!(
        all.contains(&"refresh_token_repeated".to_owned()),
        "{all:?}"
    );
}

#[tokio::test]
async fn a_token_lists_no_events_once_its_session_has_ended_whatever_part_it_asks_for() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    copy_event(&app, &ada, 150).await;
    let cursor = text(&listed(&ada, "").await, "next_cursor");
    let logout = app.post("/logout", json!({ "refresh_token": ada.refresh_token }));
    logout.send().await.expect(204);
    for query in [String::new(), format!("?cursor={cursor}")] {
        let list = ada.get(&format!("/activity{query}")).send().await;
        list.problem(401, "invalid-token");
    }
}

#[tokio::test]
async fn without_a_token_it_answers_401() {
    let app = App::start().await;
    app.get("/activity").send().await.expect(401);
}
