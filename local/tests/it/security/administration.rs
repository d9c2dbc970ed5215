//! Administration: who may, as of now, and what nobody may.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, PASSWORD, User, claims, event, faults, join_all, text};
use crate::support::links::MAIL;

/// The routes of administration, with bodies that would be taken.
fn routes(id: &str) -> Vec<(Method, String, Option<Value>)> {
    let user = |rest: &str| format!("/admin/users/{id}{rest}");
    let invitation = json!({"email": "alan@example.com", "first_name": "Alan", "last_name": ""});
    vec![
        (Method::GET, "/admin/users".to_owned(), None),
        (
            Method::GET,
            "/admin/users?limit=0&cursor=x".to_owned(),
            None,
        ),
        (
            Method::GET,
            "/admin/users?email=ada@example.com".to_owned(),
            None,
        ),
        (Method::POST, "/admin/users".to_owned(), Some(invitation)),
        (Method::POST, "/admin/users".to_owned(), Some(json!([]))),
        (Method::GET, user(""), None),
        (Method::PATCH, user(""), Some(json!({"roles": ["admin"]}))),
        (Method::PATCH, user(""), Some(json!({"roles": 1}))),
        (Method::DELETE, user(""), None),
        (Method::DELETE, user("/sessions"), None),
        (Method::POST, user("/password-reset"), None),
        (Method::GET, user("/activity"), None),
        (Method::GET, user("/activity?cursor=x"), None),
    ]
}

async fn ask(
    app: &App,
    token: &str,
    (method, path, body): (Method, String, Option<Value>),
) -> Answer {
    let call = app.call(method, &path).bearer(token);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

/// Returns a body without the identifier of its request.
fn without_id(answer: &Answer) -> String {
    answer.body.replace(&text(&answer.json(), "request_id"), "")
}

#[tokio::test]
async fn whoever_is_no_administrator_gets_one_refusal_from_every_route() {
    let app = App::with_mail().await;
    let root = app.administrator("root@example.com").await;
    let nobody = app.user("nobody@example.com").await;
    let editor = app.user("editor@example.com").await;
    app.set_roles(&editor.id(), &["editor", "admins", "administrator"])
        .await;
    let former = app.administrator("former@example.com").await;
    app.set_roles(&former.id(), &[]).await;
    assert_eq!(claims(&former.access_token)["roles"], json!(["admin"]));
    let before = app.all_items().await.len();
    let mut seen = Vec::new();
    for user in [&nobody, &editor, &former] {
        let ids = [
            root.id(),
            user.id(),
            "018bcfe5-687b-7000-8000-000000000002".to_owned(),
            "not-an-id".to_owned(),
        ];
        for route in ids.iter().flat_map(|id| routes(id)) {
            let shown = format!("{route:?}");
            let answer = ask(&app, &user.access_token, route).await;
            assert_eq!(answer.status, 403, "{shown}: {answer:?}");
            assert_eq!(answer.json()["code"], "forbidden", "{shown}");
            seen.push(without_id(&answer));
        }
        // Neither the path nor the method makes a difference.
        for (method, path) in [
            ("PUT", "/admin/users"),
            ("GET", "/admin/users/x/y/z"),
            ("POST", "/admin"),
            ("GET", "/"),
        ] {
            let event = event(method, path, &json!("x"), Some(&user.access_token));
            let answer = app.local.functions.invoke("admin", event).await.unwrap();
            assert_eq!(answer["statusCode"], 403, "{method} {path}");
            let body = answer["body"].as_str().unwrap();
            let id = serde_json::from_str::<Value>(body).unwrap();
            seen.push(body.replace(&text(&id, "request_id"), ""));
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(app.all_items().await.len(), before);
    assert!(app.mails_to("alan@example.com").await.is_empty());
}

#[tokio::test]
async fn whoever_has_no_live_session_is_nobody() {
    let app = App::start().await;
    let disabled = app.administrator("disabled@example.com").await;
    let status = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&disabled.id(), "status", status).await;
    let ended = app.administrator("ended@example.com").await;
    ended.delete("/sessions").send().await.expect(204);
    let changed = app.administrator("changed@example.com").await;
    let tokens = app.login(&changed.email, PASSWORD).await.expect(200).json();
    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let change = app.post("/password/change", body);
    let change = change.bearer(&text(&tokens, "access_token")).send().await;
    change.expect(200);
    for user in [&disabled, &ended, &changed] {
        for route in routes(&user.id()) {
            let answer = ask(&app, &user.access_token, route).await;
            answer.problem(401, "invalid-token");
        }
    }
}

#[tokio::test]
async fn a_role_that_is_taken_away_counts_at_once() {
    let app = App::start().await;
    let root = app.administrator("root@example.com").await;
    let second = app.administrator("second@example.com").await;
    second.get("/admin/users").send().await.expect(200);
    let path = format!("/admin/users/{}", second.id());
    let demote = root.patch(&path, json!({"roles": ["editor"]}));
    demote.send().await.expect(200);
    assert_eq!(claims(&second.access_token)["roles"], json!(["admin"]));
    second
        .get("/admin/users")
        .send()
        .await
        .problem(403, "forbidden");
    // And one that is given counts at once, though the token lacks it.
    let promote = root.patch(&path, json!({"roles": ["admin"]}));
    promote.send().await.expect(200);
    second.get("/admin/users").send().await.expect(200);
}

#[tokio::test]
async fn an_authentication_of_ten_minutes_ago_is_asked_again() {
    let app = App::start().await;
    let root = app.administrator("root@example.com").await;
    app.clock.advance(Duration::from_secs(599));
    root.get("/admin/users").send().await.expect(200);
    app.clock.advance(Duration::from_secs(1));
    for route in routes(&root.id()) {
        let answer = ask(&app, &root.access_token, route).await;
        answer.problem(403, "reauthentication-required");
    }
    // A refresh is no authentication.
    let refreshed = app.refresh(&root.refresh_token).await.expect(200).json();
    let token = text(&refreshed, "access_token");
    let list = app.get("/admin/users").bearer(&token).send().await;
    list.problem(403, "reauthentication-required");
    // A change of the password is one.
    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let change = app
        .post("/password/change", body)
        .bearer(&token)
        .send()
        .await;
    let token = text(&change.expect(200).json(), "access_token");
    let list = app.get("/admin/users").bearer(&token).send().await;
    list.expect(200);
    // Whoever is none is not told that this would help.
    app.set_roles(&root.id(), &[]).await;
    let refused = app.get("/admin/users").bearer(&token).send().await;
    refused.problem(403, "forbidden");
}

#[tokio::test]
async fn nobody_disables_demotes_or_deletes_themselves() {
    let app = App::start().await;
    let root = app.administrator("root@example.com").await;
    let path = format!("/admin/users/{}", root.id());
    for patch in [
        json!({"status": "disabled"}),
        json!({"roles": []}),
        json!({"roles": ["editor"], "first_name": "Eve"}),
    ] {
        let refused = root.patch(&path, patch).send().await;
        refused.problem(409, "own-account");
    }
    root.delete(&path).send().await.problem(409, "own-account");
    for (method, path) in [
        (Method::DELETE, "/profile"),
        (Method::POST, "/profile/delete"),
    ] {
        let delete = root.call(method, path).json(json!({"password": PASSWORD}));
        delete.send().await.problem(409, "own-account");
    }
    // All else they may.
    let patch = json!({"roles": ["editor", "admin"], "first_name": "Eve", "status": "active"});
    let changed = root.patch(&path, patch).send().await.expect(200);
    assert_eq!(changed.json()["roles"], json!(["editor", "admin"]));
    app.set_roles(&root.id(), &["editor"]).await;
    let delete = root.call(Method::DELETE, "/profile");
    let delete = delete.json(json!({"password": PASSWORD}));
    delete.send().await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_demote_each_other_one_remains() {
    let app = App::start().await;
    let one = app.administrator("one@example.com").await;
    let other = app.administrator("other@example.com").await;
    let path = |user: &User<'_>| format!("/admin/users/{}", user.id());
    for round in 0..12 {
        let acts: Vec<_> = [(&one, path(&other)), (&other, path(&one))]
            .into_iter()
            .map(|(actor, path)| match round % 3 {
                0 => actor.patch(&path, json!({"roles": []})).send(),
                1 => actor.patch(&path, json!({"roles": ["editor"]})).send(),
                _ => actor
                    .patch(&path, json!({"roles": [], "first_name": "Eve"}))
                    .send(),
            })
            .collect();
        let answers = join_all(acts.into_iter()).await;
        let mut statuses: Vec<_> = answers.iter().map(|it| it.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "round {round}: {answers:?}");
        let admins = app.items_of("ACCOUNT").await.into_iter().filter(|item| {
            let roles = item["roles"].as_l().unwrap();
            roles.contains(&AttributeValue::S("admin".to_owned()))
        });
        assert_eq!(admins.count(), 1, "round {round}");
        for user in [&one, &other] {
            app.make_administrator(&user.id()).await;
        }
    }
}

#[tokio::test]
async fn a_deletion_leaves_nothing_but_the_events() {
    let app = App::with_mail().await;
    let root = app.administrator("root@example.com").await;
    let (items, rows) = (app.items().await, app.events().await.len());
    let ada = app.user("ada@example.com").await;
    app.copy_session_of(&ada, 60).await;
    let forgot = json!({ "email": ada.email });
    app.post("/password/forgot", forgot)
        .send()
        .await
        .expect(202);
    app.mail_to(&ada.email).await;
    let path = format!("/admin/users/{}", ada.id());
    root.delete(&path).send().await.expect(204);
    let sorted = |mut items: Vec<_>| {
        items.sort_by_key(
            |item: &std::collections::BTreeMap<String, AttributeValue>| {
                format!("{:?} {:?}", item["pk"], item["sk"])
            },
        );
        items
    };
    assert_eq!(sorted(app.items().await), sorted(items));
    for item in app.all_items().await {
        let shown = format!("{item:?}");
        assert!(!shown.contains(&ada.id()), "{shown}");
        assert!(!shown.contains("ada@example.com"), "{shown}");
    }
    assert!(app.events().await.len() > rows);
}

#[tokio::test]
async fn an_owner_sees_that_an_operator_did_it_and_not_who() {
    let app = App::start().await;
    let root = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let path = format!("/admin/users/{}", ada.id());
    let patch = root.patch(&path, json!({"roles": ["editor"]}));
    let patch = patch
        .from("198.51.100.99")
        .header("user-agent", "root's browser");
    patch.send().await.expect(200);
    let seen = ada.get("/activity").send().await.expect(200);
    assert!(!seen.body.contains(&root.id()), "{}", seen.body);
    assert!(!seen.body.contains("198.51.100.99"), "{}", seen.body);
    assert!(!seen.body.contains("browser"), "{}", seen.body);
    let seen = seen.json();
    let of = |list: &Value| {
        let mut events = list["events"].as_array().unwrap().clone();
        events.retain(|event| event["event"] == "roles_changed");
        events.remove(0)
    };
    assert_eq!(of(&seen)["by"], "operator");
    let shown = root.get(&format!("{path}/activity")).send().await;
    let shown = of(&shown.expect(200).json());
    assert_eq!(shown["actor"], root.id());
    assert_eq!(shown["ip"], "198.51.100.99");
}

#[tokio::test]
async fn names_and_claims_that_look_like_expressions_or_markup_are_only_text() {
    let app = App::start().await;
    let root = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let path = format!("/admin/users/{}", ada.id());
    for name in [
        "SET roles = :admin REMOVE password",
        "#status = :active",
        ":admin",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "$(reboot)",
        "{{7*7}}",
        "'; DROP TABLE users; --",
    ] {
        let body = json!({"first_name": name, "last_name": name, "claims": {"urn:a:b": name}});
        let changed = root.patch(&path, body).send().await.expect(200).json();
        let shown = root.get(&path).send().await.expect(200);
        assert_eq!(shown.header("content-type"), "application/json");
        assert_eq!(shown.json(), changed);
        for member in ["first_name", "last_name"] {
            assert_eq!(changed[member], name);
        }
        assert_eq!(changed["claims"]["urn:a:b"], name);
        assert_eq!(changed["roles"], json!([]));
        assert_eq!(changed["status"], "active");
    }
    for prefix in [
        "%23status",
        ":shard",
        "a%20OR%201=1",
        "%25",
        "*",
        "%00",
        "%F0%9F%97%9D",
    ] {
        let list = root.get(&format!("/admin/users?prefix={prefix}"));
        let list = list.send().await.expect(200).json();
        assert_eq!(list["users"], json!([]), "{prefix}");
    }
}

#[tokio::test]
async fn roles_and_claims_whose_tokens_would_be_too_long_are_refused() {
    let scopes: Vec<_> = (0..78).map(|n| format!("scope-{n:058}")).collect();
    let scopes = format!("everything={}", scopes.join(" "));
    let app = App::with(&[MAIL, ("RoleScopes", &scopes)]).await;
    let root = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let path = format!("/admin/users/{}", ada.id());
    let too_long = |member: &str| [(format!("/{member}"), "too-long".to_owned())];
    let patch = json!({"roles": ["everything"]});
    root.patch(&path, patch).send().await.expect(200);
    app.login(&ada.email, PASSWORD).await.expect(200);
    let claims = json!({"claims": {"urn:example:text": "x".repeat(900)}});
    let patch = root.patch(&path, claims).send().await;
    let problem = patch.problem(422, "invalid-fields");
    assert_eq!(faults(&problem), too_long("claims"));
    let mut roles = vec!["everything".to_owned()];
    roles.extend((0..20).map(|n| format!("role-{n:059}")));
    let invitation = json!({
        "email": "alan@example.com", "first_name": "Alan", "last_name": "", "roles": roles,
    });
    let invited = root.post("/admin/users", invitation).send().await;
    let problem = invited.problem(422, "invalid-fields");
    assert_eq!(faults(&problem), too_long("roles"));
    app.login(&ada.email, PASSWORD).await.expect(200);
    let more: Vec<_> = (0..33).map(|n| format!("role{n}")).collect();
    let patch = root.patch(&path, json!({ "roles": more })).send().await;
    let problem = patch.problem(422, "invalid-fields");
    assert_eq!(faults(&problem), too_long("roles"));
}
