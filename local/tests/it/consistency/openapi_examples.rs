//! Runs every example of docs/openapi.yaml and every request of openapi_cases.yaml, and compares the
//! answers with the examples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use local::functions::Functions;
use local::gateway::Gateway;
use local::template::Template;
use serde_json::{Value, json};
use shared::domain::Purpose;
use shared::platform::clock::Clock;

use super::openapi::{NOT_CAUSED, of_name, template};
use crate::support::app::bare_event;
use crate::support::app::{
    Answer, App, BEGINNING, EVENT_TABLE, PASSWORD, claims, env, options, root, text,
};
use crate::support::links::{MAIL, NO_MAIL};
use crate::support::openapi::{
    Operation, Part, answer_examples, cases, described, without_parameters,
};

#[tokio::test]
async fn every_example_of_register_and_login_is_run() {
    run("register").await;
    run("login").await;
}

#[tokio::test]
async fn every_example_of_sessions_is_run() {
    run("session").await;
}

#[tokio::test]
async fn every_example_of_the_profile_is_run() {
    run("profile").await;
}

#[tokio::test]
async fn every_example_of_a_password_change_is_run() {
    run("password").await;
}

#[tokio::test]
async fn every_example_of_administration_is_run() {
    run("admin").await;
}

#[tokio::test]
async fn every_example_of_discovery_is_run() {
    run("discovery").await;
}

/// The functions with their own test above, since they have the most examples.
const APART: [&str; 7] = [
    "admin",
    "discovery",
    "login",
    "password",
    "profile",
    "register",
    "session",
];

#[tokio::test]
async fn every_example_of_all_other_functions_is_run() {
    for tag in described().document["tags"].as_array().unwrap() {
        let function = text(tag, "name");
        if !APART.contains(&&*function) {
            run(&function).await;
        }
    }
}

#[test]
fn examples_that_tests_cannot_cause_are_described() {
    for (id, name, _) in NOT_CAUSED {
        let mut operations = described().operations();
        let known = operations.any(|o| (id == "*" || o.id() == id) && of_name(o, name).is_some());
        assert!(known, "{id} has no {name}");
    }
}

/// Causes each example answer of a function's operations, and sends every example request.
async fn run(function: &str) {
    let of_function = |operation: &Operation<'_>| operation.value["tags"][0] == function;
    for operation in described().operations().filter(of_function) {
        let mut names = operation.request_names();
        names.extend(
            operation
                .answer_examples()
                .iter()
                .map(|example| example.name),
        );
        for name in names {
            let listed = |&(id, listed, _): &(&str, &str, &str)| {
                (id == "*" || id == operation.id()) && listed == name
            };
            if NOT_CAUSED.iter().any(listed) {
                continue;
            }
            let examples = operation.request_examples().into_iter();
            let media_types = examples.filter_map(|example| match example.part {
                Part::Body { media_type } if example.name == name => Some(media_type),
                _ => None,
            });
            let media_types: Vec<_> = media_types.collect();
            let media_types = match media_types.as_slice() {
                [] => &["application/json"],
                there => there,
            };
            for media_type in media_types {
                let answer = bring(operation, name, media_type).await;
                let shown = format!("{} of {}: {answer:?}", name, operation.id());
                match of_name(operation, name) {
                    Some(example) => {
                        assert_eq!(answer.status, example.status, "{shown}");
                        let media_type = without_parameters(answer.header("content-type"));
                        assert_eq!(media_type, example.media_type, "{shown}");
                        // The example of a file shows how it begins.
                        if media_type.starts_with("text/") {
                            let beginning = example.value.as_str().unwrap();
                            assert!(answer.body.starts_with(beginning), "{shown}");
                            continue;
                        }
                        let body = answer.json();
                        assert!(
                            alike(example.value, &body),
                            "{} is not {shown}",
                            example.value
                        );
                    }
                    None => assert!([202, 204, 304].contains(&answer.status.as_u16()), "{shown}"),
                }
            }
        }
    }
}

/// Causes the answer `name` of an operation, and returns it.
async fn bring(operation: Operation<'_>, name: &str, media_type: &str) -> Answer {
    let tag = operation.value["tags"][0].as_str().unwrap();
    let of_admin = tag == "admin";
    let of_mail = operation.id() == "changeEmail" || ["admin", "forgot", "links"].contains(&tag);
    // Guesses come before mails there.
    let guesses = operation.id() == "changeEmail"
        || operation.value["tags"][0] == "links" && operation.id() != "resetPassword";
    let mut app = match name {
        "failed" => without_functions().await,
        "no-mail" => App::with(&[NO_MAIL]).await,
        "no-directory" => App::with(&[("Directory", "off")]).await,
        "too-many-attempts" if of_mail && !guesses => {
            App::with(&[MAIL, ("MailsPerAddress", "3")]).await
        }
        "too-many-attempts" if !of_mail => App::with(&[("LoginAttemptsPerSource", "10")]).await,
        "registration-closed" => App::with(&[MAIL, ("Registration", "closed")]).await,
        _ if operation.id() == "confirmRegistration" => {
            App::with(&[MAIL, ("EmailVerification", "first")]).await
        }
        _ if of_mail => App::with_mail().await,
        _ => App::start().await,
    };
    let (mut access_token, mut refresh_token) = (String::new(), String::new());
    let mut link = String::new();
    let (mut user_id, mut cursor) = (EXAMPLE_USER.to_owned(), String::new());
    let has_people = !["failed", "registration-closed"].contains(&name)
        && match operation.id() {
            "confirmRegistration" => false,
            "register" => ["email-taken", "too-many-attempts"].contains(&name),
            _ => true,
        };
    if has_people {
        let ada = app.register("ada@example.com").await.expect(201).json();
        if ["exportProfile", "listActivity"].contains(&operation.id()) {
            // Events of one millisecond are in any order.
            app.clock.advance(Duration::from_secs(1));
        }
        if of_admin && name == "too-many-attempts" {
            // The wait for mails ends with the hour, and an administrator logs in not long before.
            app.clock.advance(Duration::from_secs(3569));
        }
        let login = app.post(
            "/login",
            json!({"email": "ada@example.com", "password": PASSWORD}),
        );
        let tokens = login.header("user-agent", "curl/7.88.1").send().await;
        let tokens = tokens.expect(200).json();
        access_token = text(&tokens, "access_token");
        refresh_token = text(&tokens, "refresh_token");
        link = match operation.id() {
            "verifyEmail" => {
                app.mint(&text(&ada, "id"), Purpose::EmailVerification)
                    .await
            }
            "resetPassword" => app.mint(&text(&ada, "id"), Purpose::PasswordReset).await,
            "confirmEmailChange" if name != "no-mail" => {
                let body = json!({"email": "eve@example.com", "password": PASSWORD});
                let ask = app.post("/email/change", body).bearer(&access_token);
                ask.send().await.expect(202);
                app.mailed("email_change").await.unwrap()
            }
            _ => link,
        };
        if name == "own-account" {
            app.make_administrator(&text(&ada, "id")).await;
        }
        if of_admin {
            (user_id, cursor) = administered(&app, &ada, &access_token, name).await;
        }
        if operation.id() == "confirmEmailChange" && name == "email-taken" {
            app.register("eve@example.com").await.expect(201);
        }
    }
    if operation.id() == "confirmRegistration"
        && !["failed", "no-mail", "registration-closed"].contains(&name)
    {
        for _ in 0..2 {
            app.register("ada@example.com").await.expect(202);
            app.clock.advance(Duration::from_secs(1));
        }
        let mut links = app.all_mailed("registration").await;
        if name == "email-taken" {
            let body = json!({"token": links.remove(0), "password": PASSWORD});
            let confirm = app.post("/register/confirm", body).send().await;
            confirm.expect(201);
        }
        link = links.remove(0);
    }
    match name {
        "first-part" | "next-part" => app.copy_session(120).await,
        "unavailable" => rebuild(
            &mut app,
            "AWS_ENDPOINT_URL_DYNAMODB",
            Some("http://127.0.0.1:9"),
        ),
        "internal" if operation.id() == "getConfiguration" => rebuild(&mut app, "ISSUER", None),
        "reauthentication-required" if !of_admin => app.clock.advance(Duration::from_secs(600)),
        "internal" => corrupt_items(&app).await,
        "missing-token" => {
            let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
            let without = text.replacen("        DefaultAuthorizer: Token\n", "", 1);
            assert_ne!(text, without);
            let template = Template::parse(&without, &options().parameters).unwrap();
            let functions = Arc::clone(&app.local.functions);
            let clock = Clock::Manual(app.clock.clone());
            app.local.gateway = Arc::new(Gateway::new(&template, functions, clock).unwrap());
        }
        // The gateway's cache outlives the token, and the function checks again.
        "invalid-token" => {
            let end = claims(&access_token)["exp"].as_u64().unwrap();
            app.clock.advance(Duration::from_secs(end - 10 - BEGINNING));
            let profile = app.get("/profile").bearer(&access_token);
            profile.send().await.expect(200);
            app.clock.advance(Duration::from_secs(45));
        }
        _ => {}
    }

    let examples = operation.request_examples();
    let sent = if examples.iter().any(|example| example.name == name) {
        Some(name)
    } else if of_name(operation, name).is_some_and(|example| example.status < 300) {
        None
    } else {
        let shown = examples.iter().find(|example| example.shown);
        shown.map(|example| example.name)
    };
    let sent = || examples.iter().filter(|e| Some(e.name) == sent);

    let mut path = operation.path.to_owned();
    let mut headers = Vec::new();
    for example in sent() {
        let Part::Parameter(parameter) = example.part else {
            continue;
        };
        let value = match example.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match text(parameter, "in").as_str() {
            // The session of the token, if anybody has logged in.
            "path" if example.name == "ended" && !access_token.is_empty() => {
                path = path.replace("{id}", &text(&claims(&access_token), "sid"));
            }
            "path" if value == EXAMPLE_USER => path = path.replace("{id}", &user_id),
            "path" => path = path.replace(&format!("{{{}}}", text(parameter, "name")), &value),
            "query" if example.name == "next-users" => path = format!("{path}?cursor={cursor}"),
            "query" => path = format!("{path}?{}={value}", text(parameter, "name")),
            _ => headers.push((text(parameter, "name"), value)),
        }
    }
    if of_admin {
        path = path.replace("{id}", &user_id);
    }
    let body = sent().find_map(|example| match example.part {
        Part::Body { media_type: of } if of == media_type => Some(example.value),
        _ => None,
    });
    let body = body.map(|body| {
        let body = body.to_string().replace(EXAMPLE_TOKEN, &refresh_token);
        body.replace(EXAMPLE_LINK, &link)
    });
    let body = match name {
        "malformed-json" => Some("{".to_owned()),
        "not-an-object" => Some("[]".to_owned()),
        "repeated-member" => body.map(|body| body.replacen('{', "{\"last_name\":\"Byron\",", 1)),
        "too-many-members" => {
            let members: BTreeMap<_, _> = (0..65).map(|n| (format!("member_{n}"), n)).collect();
            Some(serde_json::to_string(&members).unwrap())
        }
        "body-too-large" => Some(" ".repeat(16 * 1024 + 1)),
        "request-too-large" => Some(" ".repeat(10 * 1024 * 1024 + 1)),
        _ => body,
    };

    let call = || {
        let method: Method = operation.method.to_uppercase().parse().unwrap();
        let mut call = app.call(method, &path);
        if let Some(body) = &body {
            let media_type = match name {
                "unsupported-media-type" => "text/plain",
                _ => media_type,
            };
            call = call.header("content-type", media_type).body(body.clone());
        }
        for (name, value) in &headers {
            call = call.with(name.parse().unwrap(), value.parse().unwrap());
        }
        match name {
            // If the gateway passes no domain and none is set, there is no issuer.
            "internal" if operation.id() == "getConfiguration" => call.header("host", "other"),
            "unauthorized" | "missing-token" => call,
            "forbidden" => call.bearer("a.b.c"),
            _ if operation.is_public() => call,
            _ => call.bearer(&access_token),
        }
    };
    if name == "too-many-attempts" {
        match operation.id() {
            // The wait for a source ends with its five minutes, 30 seconds later.
            "register" => app.clock.advance(Duration::from_secs(270)),
            // That for mails ends with the hour.
            _ if of_mail && !guesses && !of_admin => app.clock.advance(Duration::from_secs(3570)),
            _ => {}
        }
        for _ in 0..10 {
            let refused = call().send().await;
            if refused.status == 429 {
                break;
            }
            let wrong = [201, 202, 401, 403, 409].contains(&refused.status.as_u16());
            assert!(wrong, "{refused:?}");
        }
    }
    call().send().await
}

/// Makes Ada an administrator, and returns the account that she administers: her own, or one that is
/// opened for it, and the cursor of the second page of accounts.
async fn administered(app: &App, ada: &Value, token: &str, name: &str) -> (String, String) {
    let body = json!({
        "email": "grace@example.com", "password": PASSWORD,
        "first_name": "Grace", "last_name": "Hopper",
    });
    let grace = app.post("/register", body).send().await.expect(201);
    let (ada, grace) = (text(ada, "id"), text(&grace.json(), "id"));
    if name == "not-administrator" {
        return (grace, String::new());
    }
    app.make_administrator(&ada).await;
    // Events of one millisecond are in any order.
    app.clock.advance(Duration::from_secs(1));
    let sign_out = format!("/admin/users/{grace}/sessions");
    let sign_out = app.call(Method::DELETE, &sign_out).bearer(token);
    let sign_out = sign_out.header("user-agent", "curl/7.88.1").send().await;
    sign_out.expect(204);
    let mut cursor = String::new();
    if name == "next-users" {
        let first = app.get("/admin/users?limit=1").bearer(token).send().await;
        cursor = text(&first.expect(200).json(), "next_cursor");
    }
    if name == "reauthentication-required" {
        app.clock.advance(Duration::from_secs(600));
    }
    match name {
        "own-account" => (ada, cursor),
        _ => (grace, cursor),
    }
}

/// The account of the examples of administration.
const EXAMPLE_USER: &str = "01a209aa-250d-7c04-a99b-29d1c32af3e2";

/// The refresh token of the examples, which the tests replace by a valid one.
const EXAMPLE_TOKEN: &str = "lkr_AaIJqiUNfASpmynRwyrz4gGiCaooBHb9gysuImuicAEAAAAA9Vw0mOFO7Jxu0mcuHKFGZK-wgZyiVFkNRTtEwpeGhcM";

/// The token of a link of the examples, which the tests replace by a valid one.
const EXAMPLE_LINK: &str =
    "lkm_AaIJqiUNfASpmynRwyrz4gGiCaooBHb9gysuImuicAGrze-8gzG0-bS1jP2Z5dYyZ0ZpJYp2bWfjmCkN0a8xYw";

/// Returns an app whose functions cannot be called: nothing listens at the discard port.
async fn without_functions() -> App {
    let mut app = App::start().await;
    let mut functions = Functions::default();
    for name in app.local.environment.keys() {
        functions.add_remote(name, "http://127.0.0.1:9").unwrap();
    }
    let clock = Clock::Manual(app.clock.clone());
    app.local.gateway = Arc::new(Gateway::new(&template(), Arc::new(functions), clock).unwrap());
    app
}

/// Replaces the functions of the gateway by some with another value of a variable, or with none.
fn rebuild(app: &mut App, variable: &str, value: Option<&str>) {
    let mut functions = Functions::default();
    let clock = Clock::Manual(app.clock.clone());
    for (name, variables) in &app.local.environment {
        let lookup = |asked: &str| match asked == variable {
            true => value.map(str::to_owned),
            false => variables.get(asked).cloned(),
        };
        assert!(functions.add(name, &env(&lookup), &clock).unwrap());
    }
    app.local.gateway = Arc::new(Gateway::new(&template(), Arc::new(functions), clock).unwrap());
}

/// Makes the stored items of users unreadable.
async fn corrupt_items(app: &App) {
    for item in app.items().await {
        let sort_key = item["sk"].as_s().unwrap();
        let attribute = match sort_key.as_str() {
            "ACCOUNT" => "date_joined",
            "CREDENTIAL" => "user_id",
            "REGISTRATION" => "first_name",
            _ => "refresh_hash",
        };
        let mut put = app.dynamodb().put_item().table_name("latchkey");
        for (name, value) in item {
            put = put.item(name, value);
        }
        let put = put.item(attribute, AttributeValue::Bool(true));
        put.send().await.unwrap();
    }
    for event in app.events().await {
        let put = app.dynamodb().put_item().table_name(EVENT_TABLE);
        let put = put.set_item(Some(event.into_iter().collect()));
        let put = put.item("event", AttributeValue::Bool(true));
        put.send().await.unwrap();
    }
}

#[tokio::test]
async fn the_answer_to_a_method_that_a_function_does_not_take_is_as_described() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let mut event = bare_event(Some(&format!("Bearer {}", ada.access_token)));
    event["requestContext"]["http"]["method"] = json!("POST");
    event["requestContext"]["requestId"] = json!("7d2d53c1b4b0fd9e");
    let answer = app.local.functions.invoke("profile", event).await.unwrap();
    let answer = local::event::to_response(answer).unwrap();
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    assert_eq!(answer.status, 405);
    let response = &cases()["answers"]["405"];
    assert_eq!(described().fault_of(response, &answer), None);
    let example = answer_examples(405, response).remove(0).value;
    assert!(alike(example, &answer.json()), "{example}: {answer:?}");
}

/// Returns whether an answer has the same form as the example: the same members, and the same
/// values except those that vary.
fn alike(example: &Value, real: &Value) -> bool {
    match (example, real) {
        (Value::Object(example), Value::Object(real)) => {
            example.keys().eq(real.keys())
                && example
                    .iter()
                    .all(|(name, value)| match (name.as_str(), value) {
                        // The example shows only the first of many.
                        ("activity" | "sessions" | "events" | "users", Value::Array(_)) => {
                            alike(&value[0], &real[name][0])
                        }
                        _ => alike(value, &real[name]),
                    })
        }
        (Value::Array(example), Value::Array(real)) => {
            example.len() == real.len() && example.iter().zip(real).all(|(a, b)| alike(a, b))
        }
        (Value::String(example), Value::String(real)) => {
            example == real || (kind(example).is_some() && kind(example) == kind(real))
        }
        (Value::Number(example), Value::Number(real)) => {
            // The lifetime of an access token is shortened at random.
            let is_life =
                |n: &serde_json::Number| n.as_u64().is_some_and(|n| (855..=900).contains(&n));
            example == real || (is_life(example) && is_life(real))
        }
        (example, real) => example == real,
    }
}

/// Returns the kind of a text that varies.
fn kind(text: &str) -> Option<&'static str> {
    let of = |plain: fn(char) -> bool| text.chars().all(plain);
    let is_base64url = of(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    match text {
        _ if text.starts_with("lkr_") => Some("refresh token"),
        _ if text.starts_with("eyJ") => Some("access token"),
        _ if text.starts_with("https://") || text.starts_with("http://") => Some("URL"),
        _ if text.len() == 36 && text.matches('-').count() == 4 => Some("identifier"),
        _ if text.len() == 20 && text.ends_with('Z') => Some("time"),
        _ if text.len() == 16 && of(|c| c.is_ascii_hexdigit()) => Some("request"),
        _ if is_base64url
            && text.contains(char::is_uppercase)
            && text.contains(char::is_numeric) =>
        {
            Some("octets")
        }
        _ => None,
    }
}
