//! The gateway's own answers.

use axum::http::Method;
use serde_json::json;

use crate::support::app::{Answer, App, SOURCE_IP, logged};

#[tokio::test]
async fn a_request_without_a_route_is_a_404() {
    let app = App::start().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/register"),
        (Method::POST, "/profile"),
        (Method::DELETE, "/login"),
        (Method::POST, "/register/"),
        (Method::POST, "/Register"),
        (Method::GET, "//profile"),
        (Method::GET, "/profile/x"),
        (Method::TRACE, "/profile"),
        (Method::HEAD, "/profile"),
        (Method::OPTIONS, "/profile"),
    ] {
        let answer = app.call(method, path).send().await.expect(404);
        assert_eq!(answer.body, r#"{"message":"Not Found"}"#);
    }
}

#[tokio::test]
async fn a_method_cannot_be_overridden() {
    let app = App::start().await;
    let call = app
        .get("/register")
        .header("x-http-method-override", "POST");
    call.send().await.expect(404);
}

#[tokio::test]
async fn a_body_of_more_than_10_mb_is_the_gateway_s_413() {
    let app = App::start().await;
    let post = || {
        app.call(Method::POST, "/register")
            .header("content-type", "application/json")
    };
    let answer = post()
        .body(vec![b' '; 10 * 1024 * 1024 + 1])
        .send()
        .await
        .expect(413);
    assert_eq!(answer.body, r#"{"message":"Request Entity Too Large"}"#);
    let answer = post().body(vec![b' '; 1024 * 1024]).send().await;
    answer.problem(413, "body-too-large");
}

#[tokio::test]
async fn a_function_that_fails_is_a_500_that_tells_the_client_nothing() {
    // Nothing listens at the discard port.
    let mut options = crate::support::app::options();
    options.functions = Some("http://127.0.0.1:9".to_owned());
    let local = local::Local::start(options).await.unwrap();
    let app = App {
        local,
        clock: shared::platform::clock::ManualClock::at(0),
        has_default_policy: true,
    };
    for answer in [
        app.register("ada@example.com").await,
        app.get("/profile").bearer("token").send().await,
    ] {
        assert_eq!(
            answer.expect(500).body,
            r#"{"message":"Internal Server Error"}"#
        );
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let app = App::start().await;
    let one = app.get("/nowhere").send().await;
    let two = app.get("/nowhere").send().await;
    assert_ne!(one.header("apigw-requestid"), two.header("apigw-requestid"));
    let refused = app.register("no address").await;
    let problem = refused.json();
    assert_eq!(problem["request_id"], refused.header("apigw-requestid"));
}

fn preflight(app: &App, origin: &str) -> impl Future<Output = Answer> {
    app.call(Method::OPTIONS, "/profile")
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization")
        .send()
}

#[tokio::test]
async fn without_the_parameter_no_origin_is_allowed() {
    let app = App::start().await;
    preflight(&app, "https://app.example").await.expect(404);
    let answer = app
        .get("/profile")
        .header("origin", "https://app.example")
        .send()
        .await;
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}

#[tokio::test]
async fn with_the_parameter_the_gateway_answers_preflights_and_adds_cors_headers_to_its_refusals() {
    let origins = "https://app.example,http://localhost:5173";
    let app = App::with(&[("CorsOrigins", origins)]).await;
    let answer = preflight(&app, "http://localhost:5173").await.expect(204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "http://localhost:5173"
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("PATCH")
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    assert!(
        !answer
            .headers
            .contains_key("access-control-allow-credentials")
    );

    let stranger = preflight(&app, "https://evil.example").await.expect(204);
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));

    let refused = app
        .get("/profile")
        .header("origin", "https://app.example")
        .send()
        .await;
    let refused = refused.expect(401);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert!(
        refused
            .header("access-control-expose-headers")
            .contains("etag")
    );

    let body = json!({"email": "x"});
    let refused = app
        .post("/login", body)
        .header("origin", "https://evil.example")
        .send()
        .await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
}

/// Returns the warnings that were logged since the last call.
fn warnings() -> Vec<String> {
    let lines = logged().into_iter();
    let warnings = lines.filter(|line| line["level"] == "WARN");
    warnings
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect()
}

async fn call_from(app: &App, origin: &str) {
    let call = app.post("/login", json!({"email": "x"}));
    call.header("origin", origin).send().await.expect(422);
}

#[tokio::test]
async fn an_origin_that_cors_blocks_is_logged_once_with_the_flag_that_allows_it() {
    let app = App::start().await;
    preflight(&app, "http://localhost:5173").await;
    let [warning] = &warnings()[..] else {
        panic!("not one warning")
    };
    assert!(
        warning.starts_with("a page at http://localhost:5173 called the API")
            && warning.ends_with(" --parameter CorsOrigins=http://localhost:5173"),
        "{warning}"
    );
    preflight(&app, "http://localhost:5173").await;
    call_from(&app, "http://localhost:5173").await;
    // The gateway's own origin, and origins that no browser sends.
    for origin in ["http://127.0.0.1:3000", "http://a\tb", "http://a;id", ""] {
        call_from(&app, origin).await;
    }
    assert_eq!(warnings(), [""; 0]);

    // A page that was opened as a file.
    call_from(&app, "null").await;
    let [warning] = &warnings()[..] else {
        panic!("not one warning")
    };
    assert!(warning.ends_with(": serve the page over HTTP"), "{warning}");

    // Naming one origin after the other does not fill the log.
    for port in 1..=40 {
        call_from(&app, &format!("http://localhost:{port}")).await;
    }
    assert_eq!(warnings().len(), 14);
}

#[tokio::test]
async fn an_origin_that_cors_allows_is_not_logged_and_stays_in_the_flag() {
    let app = App::with(&[("CorsOrigins", "https://app.example")]).await;
    call_from(&app, "https://app.example").await;
    assert_eq!(warnings(), [""; 0]);
    call_from(&app, "http://localhost:5173").await;
    let [warning] = &warnings()[..] else {
        panic!("not one warning")
    };
    let flag = "--parameter CorsOrigins=https://app.example,http://localhost:5173";
    assert!(warning.ends_with(flag), "{warning}");

    let any = App::with(&[("CorsOrigins", "*")]).await;
    let answer = preflight(&any, "http://localhost:5173").await.expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(warnings(), [""; 0]);
}

#[tokio::test]
async fn an_origin_that_api_gateway_cannot_allow_is_logged_without_a_flag() {
    let app = App::start().await;
    call_from(&app, "capacitor://localhost").await;
    let [warning] = &warnings()[..] else {
        panic!("not one warning")
    };
    assert!(warning.starts_with("a page at capacitor://localhost called the API"));
    assert!(!warning.contains("--parameter"), "{warning}");
}

#[tokio::test]
async fn more_headers_are_allowed_by_parameter() {
    let headers = |answer: &Answer| -> Vec<String> {
        let list = answer.header("access-control-allow-headers");
        list.split(',').map(str::to_owned).collect()
    };
    let origins = ("CorsOrigins", "https://app.example");
    let app = App::with(&[origins]).await;
    let plain = headers(&preflight(&app, origins.1).await.expect(204));
    assert!(plain.contains(&"authorization".to_owned()), "{plain:?}");
    assert!(!plain.contains(&String::new()), "{plain:?}");

    let more = ("CorsHeaders", "sentry-trace,baggage,traceparent");
    let app = App::with(&[origins, more]).await;
    let all = headers(&preflight(&app, origins.1).await.expect(204));
    let added = ["sentry-trace", "baggage", "traceparent"].map(str::to_owned);
    assert_eq!(all, [plain, added.to_vec()].concat());
}

#[tokio::test]
async fn a_path_is_decoded_before_its_route_is_looked_for() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let request = axum::http::Request::get("/%70rofile");
    let request = request.header("authorization", format!("Bearer {}", ada.access_token));
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = app.local.gateway.answer(request, SOURCE_IP).await;
    assert_eq!(answer.status(), 200);
    let id = ada.session_id();
    let (start, end) = id.split_at(8);
    let encoded = end.replacen('-', "%2D", 1);
    // An encoded slash separates segments, so there is no such route.
    for path in [
        format!("/sessions%2F{id}x/y"),
        format!("/sessions/{id}%2fx"),
    ] {
        let answer = ada.delete(&path).send().await.expect(404);
        assert_eq!(answer.body, r#"{"message":"Not Found"}"#, "{path}");
    }
    // These are texts that name no session.
    for odd in [
        "%00", "%20", "+", "%25", "%ff", "%C3%A9", "%zz", "%3F", "%23", "%5C", "%0A",
    ] {
        let path = format!("/sessions/{id}{odd}");
        ada.delete(&path).send().await.problem(404, "not-found");
    }
    let path = format!("/sessions/{start}{encoded}");
    ada.delete(&path).send().await.expect(204);
}

#[test]
fn an_event_has_the_decoded_path_and_the_query_as_it_came() {
    use axum::http::Request;
    let request = Request::get("/notes/a%20b+c%2Bd?x=%20+").body(()).unwrap();
    let (head, ()) = request.into_parts();
    let route = local::template::Route {
        method: "GET".to_owned(),
        path: "/notes/{id}".to_owned(),
        function: "notes".to_owned(),
        authorized: false,
    };
    let arrival = local::event::Arrival {
        request_id: "r-1",
        source_ip: [203, 0, 113, 7].into(),
        millis: 0,
    };
    let parameters = [("id".to_owned(), "a b+c+d".to_owned())].into();
    let path = "/notes/a b+c+d";
    let event = local::event::of_request(&head, path, &route, &parameters, &arrival);
    assert_eq!(event["rawPath"], path);
    assert_eq!(event["requestContext"]["http"]["path"], path);
    assert_eq!(event["pathParameters"]["id"], "a b+c+d");
    assert_eq!(event["rawQueryString"], "x=%20+");
}
