//! The work that a process does before its first request, so that the request need not wait for it.

use std::time::Duration;

use forgot::Forgot;
use login::Login;
use profile::Profile;
use serde_json::{Value, json};
use shared::http::handler::{Handler, answer, warm_up};
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use testkit::dynamodb::Proxy;
use testkit::kms::Fault;
use tokio::time::Instant;

use crate::support::app::bare_event;
use crate::support::app::{App, PASSWORD, env, event};
use crate::support::stack::Stack;

/// Calls `work` with a function's environment, with its DynamoDB at `dynamodb`.
fn with<T>(app: &App, function: &str, dynamodb: &str, work: impl FnOnce(&Env<'_>) -> T) -> T {
    let variables = &app.local.environment[function];
    let lookup = |name: &str| match name {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(dynamodb.to_owned()),
        _ => variables.get(name).cloned(),
    };
    work(&env(&lookup))
}

async fn ask(handler: &impl Handler, event: Value) -> u64 {
    let event = lambda_http::LambdaEvent::new(
        serde_json::from_value(event).unwrap(),
        lambda_http::Context::default(),
    );
    let answer = serde_json::to_value(answer(handler, event).await.unwrap()).unwrap();
    answer["statusCode"].as_u64().unwrap()
}

#[tokio::test]
async fn the_first_request_finds_the_connection_to_dynamodb_open() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let proxy = Proxy::start(&app.local.dynamodb_url).await;
    let clock = Clock::Manual(app.clock.clone());
    let profile = with(&app, "profile", &proxy.url, |env| {
        Profile::from_env(env, clock)
    })
    .unwrap();
    warm_up(&profile).await;
    assert_eq!(proxy.connections(), 1);
    let event = bare_event(Some(&format!("Bearer {}", ada.access_token)));
    assert_eq!(ask(&profile, event).await, 200);
    assert_eq!(proxy.connections(), 1, "the same one");
}

#[tokio::test]
async fn a_function_that_may_not_read_opens_its_connection_by_a_write_that_changes_nothing() {
    let app = App::with_mail().await;
    let proxy = Proxy::start(&app.local.dynamodb_url).await;
    let clock = Clock::Manual(app.clock.clone());
    let forgot = with(&app, "forgot", &proxy.url, |env| {
        Forgot::from_env(env, clock)
    })
    .unwrap();
    warm_up(&forgot).await;
    assert_eq!(proxy.connections(), 1);
    assert_eq!(app.all_items().await, []);
    let body = json!({"email": "ada@example.com"});
    let event = event("POST", "/password/forgot", &body, None);
    assert_eq!(ask(&forgot, event).await, 202);
    assert_eq!(proxy.connections(), 1, "the same one");
}

#[tokio::test]
async fn a_login_from_a_new_source_finds_as_many_connections_open_as_it_asks_over_at_once() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let proxy = Proxy::start(&app.local.dynamodb_url).await;
    let clock = Clock::Manual(app.clock.clone());
    let login = with(&app, "login", &proxy.url, |env| Login::from_env(env, clock)).unwrap();
    warm_up(&login).await;
    assert_eq!(proxy.connections(), 4);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let event = event("POST", "/login", &body, None);
    assert_eq!(ask(&login, event).await, 200);
    assert_eq!(proxy.connections(), 4, "the same ones");
}

#[tokio::test]
async fn a_key_in_kms_is_reached_before_the_first_token_and_signs_nothing_then() {
    for spec in ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"] {
        let stack = Stack::with_key(spec).await;
        let login = stack.handler("login", Login::from_env);
        warm_up(&login).await;
        let asked = stack.kms.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0]["Operation"], "Sign");
        assert_eq!(asked[0]["DryRun"], true);
        assert!(!asked[0]["Message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn services_that_do_not_answer_hold_up_the_start_for_two_seconds_at_most() {
    let stack = Stack::with_key("RSA_2048").await;
    stack.kms.inject(&[Fault::Silence, Fault::Silence]);
    let login = stack.handler("login", Login::from_env);
    tokio::time::pause();
    let began = Instant::now();
    warm_up(&login).await;
    assert!(began.elapsed() < Duration::from_millis(2100));
    tokio::time::resume();

    // Work that failed at the start is retried by the request that needs it.
    stack.app.register("ada@example.com").await.expect(201);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let event = event("POST", "/login", &body, None);
    assert_eq!(ask(&login, event).await, 200);
}
