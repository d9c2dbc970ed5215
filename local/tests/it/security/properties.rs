//! Random requests to every route: none causes an internal error, and nothing of them is stored.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::Value;

use crate::support::app::App;

const CASES: usize = 400;

/// Generates bodies that look like expected ones, with something else in them.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let member = prop_oneof![
        Just("email"),
        Just("password"),
        Just("first_name"),
        Just("locale"),
        Just("current_password"),
        Just("new_password"),
        Just("refresh_token"),
        Just("roles"),
        Just("__proto__"),
    ];
    let value = prop_oneof![
        ".*".prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
        "lkr_[A-Za-z0-9_-]{90,100}".prop_map(Value::from),
        proptest::collection::vec(".*", 0..4).prop_map(Value::from),
    ];
    let object = proptest::collection::vec((member, value), 0..6).prop_map(|members| {
        let members = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes()
    });
    prop_oneof![
        4 => object,
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => "[\\[\\]{}:,\"\\\\udefnultr0-9. eE+-]{0,120}".prop_map(String::into_bytes),
        1 => Just(vec![b' '; 20_000]),
    ]
}

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = prop_oneof![
        Just("authorization"),
        Just("content-type"),
        Just("if-match"),
        Just("if-none-match"),
        Just("x-http-method-override"),
        Just("x-forwarded-for"),
        Just("x-forwarded-proto"),
        Just("host"),
        Just("content-length"),
        Just("cookie"),
    ];
    let value = prop_oneof![
        Just("application/json".to_owned()),
        "[ -~]{0,60}",
        "Bearer [A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}",
        "\"[0-9]{0,30}\"",
    ];
    (name, value).prop_map(|(name, value)| {
        let value = HeaderValue::from_str(value.trim()).unwrap();
        (HeaderName::from_static(name), value)
    })
}

#[tokio::test]
async fn random_requests_are_answered_and_leave_nothing_behind() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let before = app.items().await;
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    });
    let routes = prop_oneof![
        Just("/register"),
        Just("/login"),
        Just("/refresh"),
        Just("/logout"),
        Just("/profile"),
        Just("/sessions"),
        Just("/sessions/x"),
        Just("/sessions/018bcfe5-687b-7000-8000-000000000002"),
        Just("/password/change"),
        Just("/.well-known/jwks.json"),
        Just("/sessions?cursor=%00%ff&cursor=a"),
        Just("/sessions?cursor=\"{}|^`"),
        "/[a-z%0-9?&=./-]{0,40}".prop_map(|path| &*path.leak()),
    ];
    let methods = prop_oneof![
        Just(Method::GET),
        Just(Method::POST),
        Just(Method::PUT),
        Just(Method::PATCH),
        Just(Method::HEAD),
        Just(Method::OPTIONS),
        Just(Method::TRACE),
    ];
    let headers = proptest::collection::vec(header(), 0..4);
    let requests = (routes, methods, headers, body(), any::<bool>());
    for _ in 0..CASES {
        let (path, method, headers, body, known) =
            requests.new_tree(&mut runner).unwrap().current();
        let shown = format!(
            "{method} {path} {headers:?} {}",
            String::from_utf8_lossy(&body)
        );
        if path.parse::<axum::http::Uri>().is_err() {
            continue;
        }
        // With a token, these methods could rightly change names.
        let known = known && ![Method::PUT, Method::PATCH].contains(&method);
        let mut call = app.call(method, path);
        if known {
            call = call.bearer(&ada.access_token);
        }
        for (name, value) in headers {
            // The gateway computes this header itself.
            if name != "content-length" {
                call = call.with(name, value);
            }
        }
        let answer = call.body(body).send().await;
        assert!(
            answer.status < StatusCode::INTERNAL_SERVER_ERROR,
            "{shown}: {answer:?}"
        );
        if answer.status.is_client_error() && !answer.body.is_empty() {
            let problem = answer.json();
            let of_gateway = problem["message"].is_string();
            assert!(
                of_gateway || problem["code"].is_string(),
                "{shown}: {problem}"
            );
        }
    }
    assert_eq!(app.items().await, before);
}
