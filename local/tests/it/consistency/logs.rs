//! The log: one line for each request, with its metrics, and one for each security event.
//!
//! All tests run on one thread, since the functions' tasks log to the log of their thread.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::Purpose;
use shared::observe::audit::AuditEvent;
use shared::observe::emf::METRICS;
use testkit::kms::Fault;

use crate::support::app::{App, PASSWORD, logged, logged_events, logged_requests, root, text};
use crate::support::emf::stored;
use crate::support::links::MAIL;
use crate::support::stack::Stack;

const WRONG: &str = "not the password";

/// Returns the events since the last call, without those of the mailer, which comes when it comes.
fn events_of_calls() -> Vec<Value> {
    let mut events = logged_events();
    events.retain(|event| event["route"] != "stream");
    events
}

/// Checks that exactly one event was logged since the last call, with this name, this route and
/// only these other fields.
#[track_caller]
fn one_event(name: &str, route: &str, fields: Value) {
    let events = events_of_calls();
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    assert_event(event, name, route, fields);
}

#[track_caller]
fn assert_event(event: &Value, name: &str, route: &str, fields: Value) {
    assert!(
        AuditEvent::ALL.iter().any(|event| event.name() == name),
        "{name}"
    );
    assert_eq!(
        (&event["event"], &event["route"]),
        (&json!(name), &json!(route))
    );
    assert_eq!(text(event, "request_id").len(), 16, "{event}");
    let mut others = event.as_object().unwrap().clone();
    for common in [
        "event",
        "level",
        "message",
        "request_id",
        "route",
        "target",
        "timestamp",
    ] {
        assert!(others.remove(common).is_some(), "no {common}: {event}");
    }
    assert_eq!(Value::Object(others), fields, "{event}");
}

#[tokio::test]
async fn an_account_from_its_registration_to_its_deletion_is_in_the_log() {
    let app = App::start().await;
    let account = app.register("ada@example.com").await.expect(201).json();
    let id = text(&account, "id");
    one_event("registered", "POST /register", json!({"user_id": id}));

    let ada = app.login("ada@example.com", PASSWORD).await.expect(200);
    let session = text(
        &crate::support::app::claims(&text(&ada.json(), "access_token")),
        "sid",
    );
    let of_session = json!({"user_id": id, "session_id": session});
    one_event("logged_in", "POST /login", of_session.clone());

    let token = text(&ada.json(), "access_token");
    let bearer = |method, path| app.call(method, path).bearer(&token);
    let body = json!({"current_password": WRONG, "new_password": "another good password"});
    let call = bearer(axum::http::Method::POST, "/password/change");
    call.json(body).send().await.expect(403);
    one_event(
        "password_refused",
        "POST /password/change",
        of_session.clone(),
    );

    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let call = bearer(axum::http::Method::POST, "/password/change");
    call.json(body).send().await.expect(200);
    let events = events_of_calls();
    let [changed, ended] = &events[..] else {
        panic!("{events:?}")
    };
    assert_event(
        changed,
        "password_changed",
        "POST /password/change",
        of_session.clone(),
    );
    let by = json!({"user_id": id, "by": "password_change"});
    assert_event(ended, "sessions_ended", "POST /password/change", by);

    let call = bearer(axum::http::Method::DELETE, "/profile");
    let body = json!({"password": "another good password"});
    call.json(body).send().await.expect(204);
    let events = events_of_calls();
    let [deleted, ended] = &events[..] else {
        panic!("{events:?}")
    };
    assert_event(deleted, "account_deleted", "DELETE /profile", of_session);
    let by = json!({"user_id": id, "by": "deletion"});
    assert_event(ended, "sessions_ended", "DELETE /profile", by);
}

#[tokio::test]
async fn a_refused_login_is_in_the_log_with_the_reason_that_the_client_is_not_told() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let id = ada.id();
    let refused = async |email: &str, password: &str, reason: &str, user_id: Option<&str>| {
        logged();
        app.login(email, password)
            .await
            .problem(401, "invalid-credentials");
        let lines = logged();
        let [event, request] = &lines[..] else {
            panic!("{lines:?}")
        };
        let mut fields = json!({"reason": reason});
        if let Some(id) = user_id {
            fields["user_id"] = json!(id);
        }
        assert_event(event, "login_refused", "POST /login", fields);
        assert_eq!(request["logins_refused"], 1, "{request}");
        assert_eq!(request["reason"], reason, "{request}");
        assert_eq!(request.get("user_id").and_then(Value::as_str), user_id);
        let by_reason = ("logins_refused".to_owned(), vec!["reason".to_owned()]);
        assert!(stored(request).contains(&by_reason), "{request}");
        assert!(
            stored(request).contains(&("logins_refused".to_owned(), vec![])),
            "{request}"
        );
    };
    refused("eve@example.com", PASSWORD, "unknown_address", None).await;
    refused("ada@example.com", WRONG, "wrong_password", Some(&id)).await;
    // The state that a change of the password during the login leaves.
    let epoch = AttributeValue::N("7".to_owned());
    app.set_attribute(&id, "password_epoch", epoch).await;
    refused("ada@example.com", PASSWORD, "account_changed", Some(&id)).await;
    let disabled = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&id, "status", disabled).await;
    refused("ada@example.com", PASSWORD, "account_disabled", Some(&id)).await;
    refused("ada@example.com", WRONG, "wrong_password", Some(&id)).await;
}

#[tokio::test]
async fn what_has_too_many_attempts_is_in_the_log() {
    let app = App::with(&[("LoginAttempts", "3"), ("LoginAttemptsPerAccount", "10")]).await;
    for _ in 0..3 {
        app.login("eve@example.com", WRONG).await.expect(401);
    }
    logged();
    app.login("eve@example.com", WRONG).await.expect(429);
    let lines = logged();
    let [event, request] = &lines[..] else {
        panic!("{lines:?}")
    };
    let fields = json!({"by": "both", "seconds": 30});
    assert_event(event, "attempt_refused", "POST /login", fields);
    assert_eq!(event["level"], "WARN");
    assert_eq!(request["attempts_refused"], 1, "{request}");
    assert!(stored(request).contains(&("attempts_refused".to_owned(), vec![])));
}

#[tokio::test]
async fn links_are_in_the_log_from_their_request_to_their_use() {
    let app = App::with(&[MAIL, ("MailsPerAddress", "1")]).await;
    let ada = app.user("ada@example.com").await;
    let id = json!({"user_id": ada.id()});
    let asked = |path, email: &str| app.post(path, json!({ "email": email })).send();
    logged();
    // Whether the address has an account is not known here.
    asked("/password/forgot", &ada.email).await.expect(202);
    let event = "password_reset_requested";
    one_event(event, "POST /password/forgot", json!({}));
    let resend = "/email/verify/resend";
    asked(resend, "nobody@example.com").await.expect(202);
    let event = "email_verification_requested";
    one_event(event, "POST /email/verify/resend", json!({}));
    asked(resend, "nobody@example.com").await.expect(429);
    let fields = json!({"by": "address", "seconds": 3600});
    one_event("attempt_refused", "POST /email/verify/resend", fields);

    let verify = |token: &str, password: &str| {
        let body = json!({"token": token, "password": password});
        app.post("/email/verify", body).send()
    };
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    verify(&token, PASSWORD).await.expect(400);
    let fields = json!({"user_id": ada.id(), "reason": "other_purpose"});
    one_event("link_refused", "POST /email/verify", fields);
    // A token of no link may name any account.
    verify("lkm_AAAA", PASSWORD).await.expect(400);
    let fields = json!({"reason": "malformed"});
    one_event("link_refused", "POST /email/verify", fields);

    let new = "another good password";
    let body = json!({"token": token, "new_password": new});
    let reset = app.post("/password/reset", body);
    reset.send().await.expect(204);
    let events = events_of_calls();
    let [reset, ended, verified] = &events[..] else {
        panic!("{events:?}")
    };
    let route = "POST /password/reset";
    assert_event(reset, "password_reset", route, id.clone());
    let by = json!({"user_id": ada.id(), "by": "password_reset"});
    assert_event(ended, "sessions_ended", route, by);
    assert_event(verified, "email_verified", route, id.clone());

    let token = app.mint(&ada.id(), Purpose::EmailVerification).await;
    verify(&token, WRONG).await.expect(403);
    one_event("password_refused", "POST /email/verify", id.clone());
    verify(&token, new).await.expect(204);
    one_event("email_verified", "POST /email/verify", id);
}

#[tokio::test]
async fn the_end_of_a_session_is_in_the_log_with_what_ended_it() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let of =
        |session: &str, by: &str| json!({"user_id": ada.id(), "session_id": session, "by": by});
    let login = async || {
        let tokens = app
            .login("ada@example.com", PASSWORD)
            .await
            .expect(200)
            .json();
        let session = text(
            &crate::support::app::claims(&text(&tokens, "access_token")),
            "sid",
        );
        logged();
        (text(&tokens, "refresh_token"), session)
    };
    let logout = async |token: &str| {
        let body = json!({ "refresh_token": token });
        app.post("/logout", body).send().await.expect(204);
    };

    let (token, session) = login().await;
    logout(&token).await;
    one_event("session_ended", "POST /logout", of(&session, "logout"));
    logout(&token).await;
    assert_eq!(events_of_calls(), [] as [Value; 0], "it had ended before");

    let (token, session) = login().await;
    app.refresh(&token).await.expect(200);
    logout(&token).await;
    one_event("session_ended", "POST /logout", of(&session, "logout"));

    let (_, session) = login().await;
    let path = format!("/sessions/{session}");
    ada.delete(&path).send().await.expect(204);
    one_event(
        "session_ended",
        "DELETE /sessions/{id}",
        of(&session, "owner"),
    );
    ada.delete(&path).send().await.expect(404);
    assert_eq!(events_of_calls(), [] as [Value; 0], "it had ended before");

    let (token, session) = login().await;
    let next = app.refresh(&token).await.expect(200).json();
    let next = text(&next, "refresh_token");
    app.refresh(&next).await.expect(200);
    logged();
    app.refresh(&token).await.expect(401);
    let lines = logged();
    let [reused, ended, request] = &lines[..] else {
        panic!("{lines:?}")
    };
    let of_session = json!({"user_id": ada.id(), "session_id": session});
    assert_event(reused, "refresh_token_reused", "POST /refresh", of_session);
    assert_eq!(reused["level"], "WARN");
    assert_event(
        ended,
        "session_ended",
        "POST /refresh",
        of(&session, "reuse"),
    );
    assert_eq!(request["refresh_tokens_reused"], 1, "{request}");
    assert!(stored(request).contains(&("refresh_tokens_reused".to_owned(), vec![])));

    let others = ada.delete("/sessions?others=true");
    others.send().await.expect(204);
    let of_others = of(&ada.session_id(), "owner");
    one_event("sessions_ended", "DELETE /sessions", of_others);

    ada.delete("/sessions").send().await.expect(204);
    let by = json!({"user_id": ada.id(), "by": "owner"});
    one_event("sessions_ended", "DELETE /sessions", by);
}

#[tokio::test]
async fn every_repeat_of_a_refresh_token_is_in_the_log_with_where_and_when() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let first = app.refresh(&ada.refresh_token).await.expect(200).json();
    let repeat = async |ip: &str, by: &str, reason: &str| {
        logged();
        let body = json!({ "refresh_token": ada.refresh_token });
        let answer = app.post("/refresh", body).from(ip).send().await.expect(200);
        assert_eq!(answer.json()["refresh_token"], first["refresh_token"]);
        let lines = logged();
        let [event, request] = &lines[..] else {
            panic!("{lines:?}")
        };
        let source = text(event, "source");
        let fields = json!({
            "user_id": ada.id(), "session_id": ada.session_id(),
            "by": by, "reason": reason, "source": source,
        });
        assert_event(event, "refresh_token_repeated", "POST /refresh", fields);
        assert!(!event.to_string().contains(ip), "{event}");
        let counted = (by, reason) != ("same_network", "within_grace");
        let metric = ("refresh_tokens_repeated".to_owned(), vec![]);
        assert_eq!(stored(request).contains(&metric), counted, "{request}");
        source
    };
    let home = "203.0.113.7";
    let at_home = repeat(home, "same_network", "within_grace").await;
    let elsewhere = repeat("198.51.100.1", "other_network", "within_grace").await;
    assert_ne!(at_home, elsewhere);
    app.clock.advance(Duration::from_secs(11));
    assert_eq!(repeat(home, "same_network", "after_grace").await, at_home);
    let again = repeat("198.51.100.1", "other_network", "after_grace").await;
    assert_eq!(again, elsewhere);
}

#[tokio::test]
async fn the_authorizer_logs_one_line_a_call_and_why_it_refuses_a_token() {
    let app = App::with(&[("AuthorizerCacheSeconds", "0")]).await;
    let ada = app.user("ada@example.com").await;
    let of_authorizer = || {
        let mut lines = logged();
        lines.retain(|line| line["target"] == "authorizer" || line["event"] == "token_refused");
        lines
    };
    logged();
    ada.get("/profile").send().await.expect(200);
    let lines = of_authorizer();
    let [request] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(request["authorized"], true, "{request}");
    assert_eq!(request["route"], "GET /profile");
    assert_eq!(request["user_id"], ada.id());
    assert!(request["duration_ms"].is_f64(), "{request}");

    app.clock.advance(Duration::from_secs(3600));
    ada.get("/profile").send().await.expect(403);
    let lines = of_authorizer();
    let [event, request] = &lines[..] else {
        panic!("{lines:?}")
    };
    let reason = json!({"reason": "the token has expired"});
    assert_event(event, "token_refused", "GET /profile", reason);
    assert_eq!(request["authorized"], false, "{request}");
    assert_eq!(request.get("user_id"), None);
}

#[tokio::test]
async fn a_request_logs_one_line_with_its_route_and_outcome() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let session = ada.session_id();
    let other = "018bcfe5-687b-7000-8000-000000000002";
    logged();
    for (route, path, status, code) in [
        ("GET /profile", "/profile", 200, None),
        (
            "GET /sessions",
            "/sessions?cursor=x",
            422,
            Some("invalid-fields"),
        ),
        (
            "DELETE /sessions/{id}",
            &*format!("/sessions/{other}"),
            404,
            Some("not-found"),
        ),
        (
            "DELETE /sessions/{id}",
            &*format!("/sessions/{session}"),
            204,
            None,
        ),
    ] {
        let method = route.split(' ').next().unwrap().parse().unwrap();
        let answer = ada.call(method, path).send().await.expect(status);
        let lines = logged_requests();
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(line["route"], route);
        assert_eq!(line["status"], status);
        assert_eq!(line["user_id"], ada.id());
        assert_eq!(line["request_id"], answer.header("apigw-requestid"));
        assert_eq!(line.get("code").and_then(Value::as_str), code);
        assert!(line["duration_ms"].is_f64(), "{line}");
        assert!(!line.to_string().contains("/sessions/0"), "an id: {line}");
    }
}

#[tokio::test]
async fn a_login_s_line_holds_how_long_its_hash_and_dynamodb_took() {
    let app = App::with(&[("Argon2MemoryKib", "7168"), ("Argon2Iterations", "5")]).await;
    app.user("ada@example.com").await;
    let lines = logged_requests();
    let [_, login] = &lines[..] else {
        panic!("{lines:?}")
    };
    let metrics: BTreeSet<_> = stored(login).into_iter().map(|(name, _)| name).collect();
    let of_each = ["hash_ms", "logins", "store_ms"].map(str::to_owned);
    assert!(metrics.is_superset(&of_each.into()), "{login}");
    assert_eq!(login["logins"], 1);
    assert!(login["hash_ms"].as_f64().unwrap() > 1.0, "{login}");
    let store_ms = login["store_ms"].as_f64().unwrap();
    assert!(store_ms > 0.0 && store_ms < login["duration_ms"].as_f64().unwrap());
    // Numbers that are not metrics are logged as well.
    assert!(login["store_requests"].as_u64().unwrap() >= 5, "{login}");
    assert!(!metrics.contains("store_requests") && !metrics.contains("duration_ms"));
    // Metrics of things that did not happen are absent, so they cost nothing.
    for absent in ["logins_refused", "kms_ms", "kms_faults", "store_faults"] {
        assert_eq!(login.get(absent), None, "{login}");
    }
}

#[tokio::test]
async fn a_fault_of_kms_is_counted_and_its_time_measured() {
    let stack = Stack::with_key("ECC_NIST_P256").await;
    let body = crate::support::app::registration("ada@example.com");
    assert_eq!(stack.post("register", "/register", body).await.0, 201);
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let login = async || {
        logged();
        stack.post("login", "/login", credentials.clone()).await;
        let mut lines = logged_requests();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    };
    let line = login().await;
    assert_eq!(line["status"], 200, "{line}");
    assert!(line["kms_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!(line.get("kms_faults"), None, "{line}");

    stack.kms.inject(&[Fault::Denied]);
    let line = login().await;
    assert_eq!(
        (&line["status"], &line["level"]),
        (&json!(503), &json!("ERROR"))
    );
    assert_eq!(line["kms_faults"], 1, "{line}");
    assert!(line["kms_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(text(&line, "cause").contains("AccessDenied"), "{line}");
    let metrics = stored(&line);
    for name in ["kms_ms", "kms_faults"] {
        assert!(metrics.contains(&(name.to_owned(), vec![])), "{line}");
    }
}

/// Returns the first column of the table that follows a heading.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (_, after) = text
        .split_once(heading)
        .unwrap_or_else(|| panic!("{heading}"));
    // The row below the column titles.
    let rows = after.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn the_operator_s_page_lists_every_event_and_every_metric() {
    let events: BTreeSet<_> = AuditEvent::ALL
        .iter()
        .map(|event| event.name().to_owned())
        .collect();
    assert_eq!(events.len(), AuditEvent::ALL.len(), "two have one name");
    assert_eq!(
        listed("docs/operations.md", "\n### Security events\n"),
        events
    );
    let metrics: BTreeSet<_> = METRICS
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_eq!(listed("docs/operations.md", "\n### Metrics\n"), metrics);
}

#[tokio::test]
async fn a_line_names_the_account_whose_roles_were_written_wrongly() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    for wrong in [
        AttributeValue::L(vec![AttributeValue::S("Admin".to_owned())]),
        AttributeValue::Ss(vec!["admin".to_owned()]),
        AttributeValue::S("admin".to_owned()),
    ] {
        app.set_attribute(&ada.id(), "roles", wrong).await;
        logged_requests();
        app.login("ada@example.com", PASSWORD).await.expect(500);
        app.refresh(&ada.refresh_token).await.expect(500);
        ada.get("/sessions").send().await.expect(500);
        let lines = logged_requests();
        assert_eq!(lines.len(), 3);
        for line in lines {
            assert_eq!(line["user_id"], ada.id(), "{line}");
            let cause = line["cause"].as_str().unwrap();
            assert!(cause.contains(r#"its attribute "roles""#), "{line}");
        }
    }
    // Each is a role, but no verifier would accept a token with all of them.
    let roles = (0..85).map(|n| AttributeValue::S(format!("{n:0>64}")));
    app.set_attribute(&ada.id(), "roles", AttributeValue::L(roles.collect()))
        .await;
    logged_requests();
    app.login("ada@example.com", PASSWORD)
        .await
        .problem(500, "internal");
    app.refresh(&ada.refresh_token)
        .await
        .problem(500, "internal");
    let lines = logged_requests();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["user_id"], ada.id(), "{line}");
        let cause = line["cause"].as_str().unwrap();
        assert!(
            cause.contains("give the account fewer or shorter roles"),
            "{line}"
        );
    }
    let mended = AttributeValue::L(vec![AttributeValue::S("admin".to_owned())]);
    app.set_attribute(&ada.id(), "roles", mended).await;
    app.refresh(&ada.refresh_token).await.expect(200);
}
