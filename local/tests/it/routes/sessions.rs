//! `GET /sessions`, `DELETE /sessions/{id}`, `DELETE /sessions`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use local::dynamodb;
use serde_json::{Value, json};

use crate::support::app::{App, BEGINNING, PASSWORD, claims, faults, text};

fn ids(list: &Value) -> Vec<String> {
    list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| text(session, "id"))
        .collect()
}

/// Logs in again. Returns the session's id and its refresh token.
async fn another(app: &App, email: &str) -> (String, String) {
    let tokens = app.login(email, PASSWORD).await.expect(200).json();
    let session_id = text(&claims(&text(&tokens, "access_token")), "sid");
    (session_id, text(&tokens, "refresh_token"))
}

#[tokio::test]
async fn sessions_are_listed_the_latest_first_with_what_the_gateway_saw() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.user("eve@example.com").await;
    app.clock.advance(Duration::from_secs(60));
    let login = app.post("/login", json!({"email": ada.email, "password": PASSWORD}));
    login
        .header("user-agent", "phone/2.0")
        .send()
        .await
        .expect(200);
    let answer = ada.get("/sessions").send().await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let list = answer.json();
    assert_eq!(list.as_object().unwrap().len(), 1, "no cursor: {list}");
    let sessions = list["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(
        sessions[1],
        json!({
            "id": ada.session_id(),
            "created_at": "2027-01-15T08:00:00Z",
            "last_used_at": "2027-01-15T08:00:00Z",
            "ip": "203.0.113.7",
            "user_agent": "",
            "current": true,
        })
    );
    assert_eq!(
        (&sessions[0]["current"], &sessions[0]["user_agent"]),
        (&json!(false), &json!("phone/2.0"))
    );
}

#[tokio::test]
async fn the_last_use_of_a_session_is_shown_by_the_hour() {
    let app = App::start().await;
    app.clock.advance(Duration::from_secs(59 * 60));
    let ada = app.user("ada@example.com").await;
    let mut token = ada.refresh_token.clone();
    let shown = async || {
        let list = ada.get("/sessions").send().await.expect(200).json();
        text(&list["sessions"][0], "last_used_at")
    };
    for (minutes, expected) in [
        // Never before the session began.
        (0, "2027-01-15T08:59:00Z"),
        (2, "2027-01-15T09:00:00Z"),
        (4, "2027-01-15T09:00:00Z"),
    ] {
        app.clock.advance(Duration::from_secs(minutes * 60));
        let next = app.refresh(&token).await.expect(200).json();
        token = text(&next, "refresh_token");
        assert_eq!(shown().await, expected);
    }
    // What is stored is exact.
    let stored = &app.items_of("SESSION#").await[0]["last_used_at"];
    let exact = BEGINNING + (59 + 6) * 60;
    assert_eq!(*stored, AttributeValue::N(exact.to_string()));
}

#[tokio::test]
async fn sessions_that_are_over_are_never_shown() {
    let app = App::with(&[("RefreshIdleSeconds", "600"), ("RefreshMaxSeconds", "700")]).await;
    let ada = app.user("ada@example.com").await;
    app.clock.advance(Duration::from_secs(300));
    let (second, refresh_token) = another(&app, &ada.email).await;
    let next = app.refresh(&refresh_token).await.expect(200).json();
    let token = text(&next, "access_token");
    app.clock.advance(Duration::from_secs(300));
    let list = app.get("/sessions").bearer(&token).send().await;
    assert_eq!(ids(&list.expect(200).json()), [second]);
    assert_eq!(
        app.items_of("SESSION#").await.len(),
        2,
        "TTL removes it later"
    );
    let gone = app.call(Method::DELETE, &format!("/sessions/{}", ada.session_id()));
    gone.bearer(&token).send().await.problem(404, "not-found");
}

#[tokio::test]
async fn a_session_is_ended_by_its_id_and_only_by_its_owner() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    let (second, refresh_token) = another(&app, &ada.email).await;
    eve.delete(&format!("/sessions/{second}"))
        .send()
        .await
        .problem(404, "not-found");
    app.refresh(&refresh_token).await.expect(200);

    let answer = ada
        .delete(&format!("/sessions/{second}"))
        .send()
        .await
        .expect(204);
    assert_eq!(answer.body, "");
    app.refresh(&refresh_token)
        .await
        .problem(401, "invalid-refresh-token");
    ada.delete(&format!("/sessions/{second}"))
        .send()
        .await
        .problem(404, "not-found");
    for id in [
        "x",
        "..",
        "00000000-0000-0000-0000-000000000000",
        "ACCOUNT",
        "%00",
    ] {
        ada.delete(&format!("/sessions/{id}"))
            .send()
            .await
            .expect(404);
    }
    assert_eq!(
        ids(&ada.get("/sessions").send().await.json()),
        [ada.session_id()]
    );
}

#[tokio::test]
async fn an_identifier_may_be_written_in_capitals_and_is_answered_in_small_letters() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let (second, _) = another(&app, &ada.email).await;
    app.copy_session(120).await;
    let first_part = ada.get("/sessions").send().await.expect(200).json();
    let cursor = text(&first_part, "next_cursor");
    let mut parts = Vec::new();
    for cursor in [cursor.clone(), cursor.to_uppercase()] {
        let part = ada.get(&format!("/sessions?cursor={cursor}"));
        parts.push(part.send().await.expect(200).json());
    }
    assert_eq!(parts[0], parts[1]);
    assert!(!ids(&parts[0]).is_empty());
    let all = ids(&first_part);
    assert!(all.contains(&second) && all.iter().all(|id| *id == id.to_lowercase()));

    let capitals = format!("/sessions/{}", second.to_uppercase());
    ada.delete(&capitals).send().await.expect(204);
    ada.delete(&capitals).send().await.problem(404, "not-found");
    for other in [second.replace('-', ""), format!("%7B{second}%7D")] {
        ada.delete(&format!("/sessions/{other}"))
            .send()
            .await
            .expect(404);
        let part = ada.get(&format!("/sessions?cursor={other}"));
        part.send().await.problem(422, "invalid-fields");
    }
}

#[tokio::test]
async fn all_sessions_are_ended_at_once_this_one_too() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    let (_, second) = another(&app, &ada.email).await;
    ada.delete("/sessions").send().await.expect(204);
    for token in [&ada.refresh_token, &second] {
        app.refresh(token)
            .await
            .problem(401, "invalid-refresh-token");
    }
    app.refresh(&eve.refresh_token).await.expect(200);
    app.login(&ada.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_token_whose_session_has_ended_reads_and_changes_nothing_of_the_account() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    for end in ["/logout", "/sessions", "/sessions/id", "/password/change"] {
        let tokens = app.login(&ada.email, PASSWORD).await.expect(200).json();
        let old = text(&tokens, "access_token");
        app.get("/profile").bearer(&old).send().await.expect(200);
        let (other, _) = another(&app, &ada.email).await;
        match end {
            "/logout" => {
                let body = json!({ "refresh_token": tokens["refresh_token"] });
                app.post("/logout", body).send().await.expect(204);
            }
            "/sessions" => {
                let delete = app.call(Method::DELETE, "/sessions").bearer(&old);
                delete.send().await.expect(204);
            }
            "/sessions/id" => {
                let path = format!("/sessions/{}", text(&claims(&old), "sid"));
                let delete = app.call(Method::DELETE, &path).bearer(&old);
                delete.send().await.expect(204);
            }
            _ => {
                let tokens = app.login(&ada.email, PASSWORD).await.expect(200).json();
                let body = json!({
                    "current_password": PASSWORD, "new_password": "another good password",
                });
                let change = app.post("/password/change", body);
                let change = change.bearer(&text(&tokens, "access_token"));
                change.send().await.expect(200);
            }
        }
        let items = async || {
            let mut items: Vec<_> = app.items().await;
            items.sort_by_key(|item| format!("{:?}", item["sk"]));
            items
        };
        let before = items().await;
        app.owners_calls_are_refused(&old, &other).await;
        assert_eq!(items().await, before, "{end}");
    }
}

#[tokio::test]
async fn an_access_token_from_before_an_account_was_disabled_stays_void_when_it_is_enabled() {
    let app = App::start().await;
    let admin = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let path = format!("/admin/users/{}", ada.id());
    for status in ["disabled", "active"] {
        let patch = admin.patch(&path, json!({ "status": status }));
        patch.send().await.expect(200);
        app.owners_calls_are_refused(&ada.access_token, &ada.session_id())
            .await;
    }
}

#[tokio::test]
async fn all_other_sessions_are_ended_and_this_one_goes_on() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.copy_session(130).await;
    let eve = app.user("eve@example.com").await;
    let (_, second) = another(&app, &ada.email).await;
    for invalid in ["", "1", "TRUE", "true,true", "yes"] {
        let ended = ada.delete(&format!("/sessions?others={invalid}"));
        let problem = ended.send().await.problem(422, "invalid-fields");
        assert_eq!(
            faults(&problem),
            [(String::new(), "invalid-others".to_owned())]
        );
    }
    let others = || ada.delete("/sessions?others=true");
    others().send().await.expect(204);
    let list = ada.get("/sessions").send().await.expect(200).json();
    assert_eq!(ids(&list), [ada.session_id()]);
    app.refresh(&second)
        .await
        .problem(401, "invalid-refresh-token");
    app.refresh(&ada.refresh_token).await.expect(200);
    app.refresh(&eve.refresh_token).await.expect(200);
    others().send().await.expect(204);

    ada.delete("/sessions?others=false")
        .send()
        .await
        .expect(204);
    assert_eq!(app.items_of("SESSION#").await.len(), 1, "eve's");
}

#[tokio::test]
async fn a_long_list_comes_in_parts() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.copy_session(230).await;
    let mut all = Vec::new();
    let mut path = "/sessions".to_owned();
    let mut parts = 0;
    loop {
        let list = ada.get(&path).send().await.expect(200).json();
        assert!(list["sessions"].as_array().unwrap().len() <= 100);
        all.extend(ids(&list));
        parts += 1;
        match list["next_cursor"].as_str() {
            Some(cursor) => path = format!("/sessions?cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!((parts, all.len()), (3, 231));
    assert_eq!(all[0], ada.session_id(), "the latest first");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 231, "each once");
    for cursor in ["x", "", "018bcfe5", "ACCOUNT"] {
        let problem = ada.get(&format!("/sessions?cursor={cursor}")).send().await;
        let problem = problem.problem(422, "invalid-fields");
        assert_eq!(
            faults(&problem),
            [(String::new(), "invalid-cursor".to_owned())]
        );
    }
}

#[tokio::test]
async fn any_number_of_sessions_is_ended() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.copy_session(130).await;
    ada.delete("/sessions").send().await.expect(204);
    assert!(app.items_of("SESSION#").await.is_empty());
    assert_eq!(app.items_of("ACCOUNT").await.len(), 1);
}

#[tokio::test]
async fn a_page_that_ends_at_an_item_without_a_session_s_id_hides_no_session() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.copy_session(120).await;
    let list = async || {
        let first = ada.get("/sessions").send().await.expect(200).json();
        let cursor = text(&first, "next_cursor");
        let rest = ada.get(&format!("/sessions?cursor={cursor}"));
        let rest = rest.send().await.expect(200).json();
        assert_eq!(rest.get("next_cursor"), None);
        (ids(&first), ids(&rest))
    };
    let (first, rest) = list().await;
    // Just before the last session of the first page, latest first.
    let item = [
        ("pk", format!("USER#{}", ada.id())),
        ("sk", format!("SESSION#{}~", first.last().unwrap())),
    ];
    let item = item.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    let put = app.dynamodb().put_item().table_name(dynamodb::TABLE);
    put.set_item(Some(item.into())).send().await.unwrap();

    let (fewer, more) = list().await;
    assert_eq!(fewer.len() + 1, first.len());
    assert_eq!([fewer, more].concat(), [first, rest].concat());
}

#[tokio::test]
async fn items_of_unknown_kinds_do_not_break_lists_and_are_deleted_with_their_owner() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.copy_session(120).await;
    // Items before the account, between it and the sessions, and after them, and a session without
    // an id.
    for (kind, count) in [
        ("AAA#", 3),
        ("PASSKEY#", 130),
        ("SESSION#", 1),
        ("ZZZ#", 130),
    ] {
        for n in 0..count {
            let item = [
                ("pk", format!("USER#{}", ada.id())),
                ("sk", format!("{kind}{n}")),
                ("of", "a later version".to_owned()),
            ];
            let item = item.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
            let put = app.dynamodb().put_item().table_name(dynamodb::TABLE);
            put.set_item(Some(item.into())).send().await.unwrap();
        }
    }
    let first = ada.get("/sessions").send().await.expect(200).json();
    let cursor = text(&first, "next_cursor");
    let rest = ada.get(&format!("/sessions?cursor={cursor}"));
    let rest = rest.send().await.expect(200).json();
    assert_eq!(rest.get("next_cursor"), None);
    let all = [ids(&first), ids(&rest)].concat();
    assert_eq!(all.len(), 121);
    ada.delete("/sessions").send().await.expect(204);
    assert!(app.items_of("SESSION#").await.is_empty());

    let tokens = app.login("ada@example.com", PASSWORD).await;
    let token = text(&tokens.expect(200).json(), "access_token");
    let deletion = app.call(Method::DELETE, "/profile").bearer(&token);
    deletion
        .json(json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    let left = app.all_items().await;
    let of_ada = left.iter().filter(|item| {
        let partition = item["pk"].as_s().unwrap();
        partition.starts_with("USER#") || partition.starts_with("EMAIL#")
    });
    assert_eq!(of_ada.count(), 0, "{left:?}");
}
