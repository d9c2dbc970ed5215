//! Sources of attempts: where a request comes from, and how many attempts a source has.

use serde_json::json;

use super::throttle::wait;
use crate::support::app::{App, PASSWORD, logged, registration, text};

const WRONG: &str = "not the password at all";

#[tokio::test]
async fn registrations_of_a_source_are_bounded() {
    let app = App::with(&[("LoginAttemptsPerSource", "20")]).await;
    app.register("ada@example.com").await.expect(201);
    let register = |email: String, ip: &'static str| {
        let body = registration(&email);
        app.post("/register", body).from(ip).send()
    };
    // Asking whether addresses have accounts is bounded as guessing is.
    for _ in 0..20 {
        register("ada@example.com".into(), "198.51.100.1")
            .await
            .problem(409, "email-taken");
    }
    let refused = register("grace@example.com".into(), "198.51.100.1").await;
    assert!((1..=300).contains(&wait(&refused)));
    register("grace@example.com".into(), "198.51.100.2")
        .await
        .expect(201);
    // Those that succeed count as well, or one machine could open accounts without end.
    for n in 0..20 {
        register(format!("user{n}@example.com"), "198.51.100.3")
            .await
            .expect(201);
    }
    register("another@example.com".into(), "198.51.100.3")
        .await
        .expect(429);
}

/// SHA-256 of "open sesame".
const SECRET_HASH: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

#[tokio::test]
async fn behind_cloudfront_each_client_is_a_source_of_its_own() {
    let app = App::with(&[("ProxySecretHash", SECRET_HASH)]).await;
    app.register("ada@example.com").await.expect(201);
    let through_edge = |viewer: &'static str, secret: &'static str, password: &'static str| {
        let body = json!({"email": "ada@example.com", "password": password});
        let call = app.post("/login", body).from("130.176.0.1");
        let call = call.header("x-origin-verify", secret);
        call.header("cloudfront-viewer-address", viewer).send()
    };
    for _ in 0..5 {
        through_edge("198.51.100.1:4711", "open sesame", WRONG)
            .await
            .expect(401);
    }
    through_edge("198.51.100.1:4712", "open sesame", PASSWORD)
        .await
        .expect(429);
    let login = through_edge("203.0.113.9:4711", "open sesame", PASSWORD).await;
    let login = login.expect(200).json();
    let sessions = app.get("/sessions").bearer(&text(&login, "access_token"));
    let sessions = sessions.send().await.expect(200).json();
    assert_eq!(sessions["sessions"][0]["ip"], "203.0.113.9");
    // A repeated refresh token is from another network if another viewer sends it.
    let body = json!({"refresh_token": text(&login, "refresh_token")});
    logged();
    for (viewer, expected) in [
        ("203.0.113.9:4712", None),
        ("203.0.113.9:4713", Some("same_network")),
        ("198.51.100.7:4711", Some("other_network")),
    ] {
        let call = app.post("/refresh", body.clone()).from("130.176.0.1");
        let call = call.header("x-origin-verify", "open sesame");
        let call = call.header("cloudfront-viewer-address", viewer);
        call.send().await.expect(200);
        let repeat = logged()
            .into_iter()
            .find(|line| line["event"] == "refresh_token_repeated");
        let by = repeat.map(|line| text(&line, "by"));
        assert_eq!(by.as_deref(), expected, "{viewer}");
    }
    // Without the secret, a client names no address: all are at the edge.
    for (n, expected) in [401, 401, 401, 401, 401, 429].into_iter().enumerate() {
        let viewer: &'static str = format!("192.0.2.{n}:4711").leak();
        through_edge(viewer, "sesame", WRONG).await.expect(expected);
    }
}
