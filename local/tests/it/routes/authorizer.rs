//! The authorizer, its cache, and the functions that check tokens themselves.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::bare_event;
use crate::support::app::{App, text};

#[tokio::test]
async fn without_a_token_the_gateway_answers_401_and_with_a_refused_one_403() {
    let app = App::start().await;
    let answer = app.get("/profile").send().await.expect(401);
    assert_eq!(answer.body, r#"{"message":"Unauthorized"}"#);
    let answer = app
        .get("/profile")
        .header("authorization", "")
        .send()
        .await
        .expect(401);
    assert_eq!(answer.body, r#"{"message":"Unauthorized"}"#);
    let answer = app
        .get("/profile")
        .bearer("nonsense")
        .send()
        .await
        .expect(403);
    assert_eq!(answer.body, r#"{"message":"Forbidden"}"#);
}

#[tokio::test]
async fn any_letter_case_of_bearer_passes_and_nothing_else() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let token = &ada.access_token;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR "] {
        let call = app
            .get("/profile")
            .header("authorization", &format!("{scheme} {token}"));
        call.send().await.expect(200);
    }
    for value in [
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer {token},"),
        format!("Bearer {token} x"),
        format!("Bearer {token}, Bearer {token}"),
    ] {
        app.get("/profile")
            .header("authorization", &value)
            .send()
            .await
            .expect(403);
    }
    let twice = app.get("/profile").bearer(token).bearer(token);
    twice.send().await.expect(403);
}

#[tokio::test]
async fn a_token_outside_the_header_is_ignored() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let token = &ada.access_token;
    app.get(&format!("/profile?access_token={token}"))
        .send()
        .await
        .expect(401);
    app.get("/profile")
        .header("cookie", &format!("access_token={token}"))
        .send()
        .await
        .expect(401);
    app.get("/profile")
        .header("x-access-token", token)
        .send()
        .await
        .expect(401);
}

#[tokio::test]
async fn a_refresh_token_is_no_access_token() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let tokens = app
        .login("ada@example.com", crate::support::app::PASSWORD)
        .await
        .json();
    app.get("/profile")
        .bearer(&text(&tokens, "refresh_token"))
        .send()
        .await
        .expect(403);
}

#[tokio::test]
async fn the_gateway_caches_an_answer_for_the_time_in_the_template() {
    let app = App::with(&[
        ("AuthorizerCacheSeconds", "60"),
        ("AccessTokenSeconds", "60"),
    ])
    .await;
    let ada = app.user("ada@example.com").await;
    app.clock.advance(Duration::from_secs(50));
    ada.get("/profile").send().await.expect(200);
    // The token has expired, its leeway too, but the gateway still has the cached answer. The
    // function checks `exp`, so it is the function's 401, not the gateway's 403.
    app.clock.advance(Duration::from_secs(42));
    let answer = ada.get("/profile").send().await;
    answer.problem(401, "invalid-token");
    // Now the cached answer has expired, and the gateway asks again.
    app.clock.advance(Duration::from_secs(60));
    ada.get("/profile").send().await.expect(403);
}

#[tokio::test]
async fn without_a_cache_an_expired_token_is_refused_at_the_gateway() {
    let app = App::with(&[
        ("AuthorizerCacheSeconds", "0"),
        ("AccessTokenSeconds", "60"),
    ])
    .await;
    let ada = app.user("ada@example.com").await;
    ada.get("/profile").send().await.expect(200);
    app.clock.advance(Duration::from_secs(91));
    ada.get("/profile").send().await.expect(403);
}

#[tokio::test]
async fn a_cached_answer_serves_no_other_token() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    for _ in 0..2 {
        let seen = ada.get("/profile").send().await.expect(200).json();
        assert_eq!(text(&seen, "id"), ada.id());
        let seen = eve.get("/profile").send().await.expect(200).json();
        assert_eq!(text(&seen, "id"), eve.id());
        app.get("/profile")
            .bearer("nonsense")
            .send()
            .await
            .expect(403);
    }
}

#[tokio::test]
async fn a_function_without_an_authorizer_before_it_verifies_the_token_itself() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let ask = |event| app.local.functions.invoke("profile", event);

    let answer = ask(bare_event(Some(&format!("Bearer {}", ada.access_token))))
        .await
        .unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");

    let answer = ask(bare_event(None)).await.unwrap();
    assert_eq!(answer["statusCode"], 401);
    let challenge = text(&answer["headers"], "www-authenticate");
    assert_eq!(challenge, "Bearer realm=\"latchkey\"");
    assert!(answer["body"].as_str().unwrap().contains("missing-token"));

    let answer = ask(bare_event(Some("Bearer a.b.c"))).await.unwrap();
    assert_eq!(answer["statusCode"], 401);
    let challenge = text(&answer["headers"], "www-authenticate");
    assert!(
        challenge.starts_with("Bearer realm=\"latchkey\", error=\"invalid_token\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn an_authorizer_s_context_that_is_not_ours_does_not_fall_back_to_the_header() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let bearer = format!("Bearer {}", ada.access_token);
    let sid = ada.session_id();
    let good = json!({"sub": ada.id(), "sid": sid, "roles": "", "exp": 9_999_999_999_u64});
    let ask = |context: Value| {
        let mut event = bare_event(Some(&bearer));
        event["requestContext"]["authorizer"] = json!({"lambda": context});
        app.local.functions.invoke("profile", event)
    };
    assert_eq!(ask(good.clone()).await.unwrap()["statusCode"], 200);
    for (name, value) in [
        ("sub", json!("somebody")),
        ("sub", Value::Null),
        ("exp", json!(1)),
        ("exp", Value::Null),
        ("roles", json!(7)),
    ] {
        let mut context = good.clone();
        context[name] = value;
        let answer = ask(context.clone()).await.unwrap();
        assert_eq!(answer["statusCode"], 401, "{context}");
    }
}

#[tokio::test]
async fn a_method_that_the_function_does_not_know_is_a_405() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let mut event = bare_event(Some(&format!("Bearer {}", ada.access_token)));
    event["requestContext"]["http"]["method"] = json!("POST");
    let answer = app.local.functions.invoke("profile", event).await.unwrap();
    assert_eq!(answer["statusCode"], 405);
    assert_eq!(answer["headers"]["allow"], "GET, PUT, PATCH, DELETE");
    app.call(Method::POST, "/profile")
        .bearer(&ada.access_token)
        .send()
        .await
        .expect(404);
}
