//! docs/openapi.yaml and the rest say the same: routes, codes, and every example, which is run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::{HeaderValue, Method, StatusCode};
use local::functions::Functions;
use local::gateway::Gateway;
use local::template::Template;
use serde_json::{Value, json};
use shared::http::problem::{Problem, TokenRejection};
use shared::platform::clock::Clock;

use crate::app::{
    Answer, App, BEGINNING, PASSWORD, claims, env, options, root, template_document, text,
};
use crate::authorizer::bare_event;
use crate::described::{AnswerExample, Operation, answer_examples, described};

/// The examples of answers that nothing here brings about: operation, name, and why.
const NOT_BROUGHT: [(&str, &str, &str); 2] = [
    (
        "*",
        "throttled",
        "API Gateway's own throttle, which `cargo run` does not imitate",
    ),
    (
        "register",
        "internal",
        "it reads nothing that is stored; what is left is a hash for which there is no memory",
    ),
];

fn template() -> Template {
    template_document().with(&options().parameters).unwrap()
}

/// One of every problem. A new one does not compile until it is here.
fn problems() -> Vec<Problem> {
    let all = vec![
        Problem::MalformedJson {
            place: String::new(),
        },
        Problem::InvalidCredentials,
        Problem::MissingToken,
        Problem::InvalidToken(TokenRejection::Expired),
        Problem::InvalidRefreshToken,
        Problem::WrongPassword,
        Problem::NotFound,
        Problem::MethodNotAllowed { allow: "GET" },
        Problem::EmailTaken,
        Problem::PreconditionFailed,
        Problem::BodyTooLarge { most: 1 },
        Problem::UnsupportedMediaType { expected: "" },
        Problem::InvalidFields(Vec::new()),
        Problem::TooManyAttempts { seconds: 1 },
        Problem::Internal("".into()),
        Problem::Unavailable("".into()),
    ];
    let place = |problem: &Problem| match problem {
        Problem::MalformedJson { .. } => 0,
        Problem::InvalidCredentials => 1,
        Problem::MissingToken => 2,
        Problem::InvalidToken(_) => 3,
        Problem::InvalidRefreshToken => 4,
        Problem::WrongPassword => 5,
        Problem::NotFound => 6,
        Problem::MethodNotAllowed { .. } => 7,
        Problem::EmailTaken => 8,
        Problem::PreconditionFailed => 9,
        Problem::BodyTooLarge { .. } => 10,
        Problem::UnsupportedMediaType { .. } => 11,
        Problem::InvalidFields(_) => 12,
        Problem::TooManyAttempts { .. } => 13,
        Problem::Internal(_) => 14,
        Problem::Unavailable(_) => 15,
    };
    assert!(all.iter().map(place).eq(0..16));
    all
}

fn enumeration(name: &str) -> BTreeSet<String> {
    let schema = &described().document["components"]["schemas"][name];
    let codes = schema["enum"].as_array().unwrap().iter();
    codes
        .map(|code| code.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_route_of_the_template_is_an_operation_and_every_operation_a_route() {
    let of_template: BTreeSet<_> = template()
        .routes()
        .iter()
        .map(|route| {
            let key = format!("{} {}", route.method, route.path);
            (key, route.function.clone(), route.authorized)
        })
        .collect();
    let of_document: BTreeSet<_> = described()
        .operations()
        .map(|operation| {
            let key = format!("{} {}", operation.method.to_uppercase(), operation.path);
            let tags = operation.value["tags"].as_array().unwrap();
            assert_eq!(tags.len(), 1, "{key}");
            let function = tags[0].as_str().unwrap().to_owned();
            (key, function, !operation.is_public())
        })
        .collect();
    assert_eq!(of_document, of_template);

    let document = &described().document;
    assert_eq!(document["security"], json!([{ "accessToken": [] }]));
    let scheme = &document["components"]["securitySchemes"]["accessToken"];
    assert_eq!(scheme["scheme"], "bearer");
    // Operations say nothing of security, or that there is none.
    let public = described().operations().filter(Operation::is_public);
    let silent = described().operations();
    let silent = silent.filter(|operation| operation.value["security"].is_null());
    assert_eq!(public.count() + silent.count(), of_template.len());

    let tags = document["tags"].as_array().unwrap().iter();
    let tags: BTreeSet<_> = tags.map(|tag| text(tag, "name")).collect();
    let functions = of_template.into_iter().map(|(_, function, _)| function);
    assert_eq!(tags, functions.collect());
}

#[test]
fn it_is_of_this_version_and_its_names_are_unique() {
    let info = &described().document["info"];
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    let ids: Vec<_> = described().operations().map(|o| o.id()).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn every_problem_is_described_with_its_status_and_no_other_is() {
    let known: BTreeMap<_, _> = problems()
        .iter()
        .map(|problem| (problem.code().to_owned(), problem.status().as_u16()))
        .collect();
    assert_eq!(
        enumeration("ProblemCode"),
        known.keys().cloned().collect::<BTreeSet<_>>()
    );
    let mut seen = BTreeSet::new();
    let unused = &described().document["components"]["responses"]["MethodNotAllowed"];
    let operations = described().operations();
    let examples = operations.flat_map(|operation| operation.answer_examples());
    for example in examples.chain(answer_examples(405, unused)) {
        if example.media_type == "application/problem+json" {
            let code = text(example.value, "code");
            assert_eq!(known.get(&code), Some(&example.status), "{code}");
            assert_eq!(example.value["status"], example.status, "{code}");
            assert_eq!(
                example.value["type"],
                format!("urn:latchkey:problem:{code}")
            );
            seen.insert(code);
        }
    }
    assert_eq!(seen, known.into_keys().collect());
}

#[test]
fn every_code_of_a_fault_is_described_and_no_other_is() {
    let mut folders = ["functions", "shared"]
        .map(|name| root().join(name))
        .to_vec();
    let mut codes = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let source = source.split("#[cfg(test)]").next().unwrap();
                for rest in source.split("Reason::new(").skip(1) {
                    let code = rest.trim_start().strip_prefix('"');
                    let code = code.unwrap_or_else(|| panic!("no code: {}", path.display()));
                    codes.insert(code.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    assert_eq!(enumeration("FaultCode"), codes);
}

#[test]
fn every_request_and_every_answer_has_an_example_and_every_component_is_used() {
    let mut used = BTreeSet::new();
    references(&described().document, &mut used);
    for (kind, components) in described().document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            let known = ["#/components/responses/MethodNotAllowed"].contains(&&*reference)
                || kind == "securitySchemes";
            assert_eq!(used.contains(&reference), !known, "{reference}");
        }
    }
    for operation in described().operations() {
        let id = operation.id();
        for parameter in operation.parameters() {
            assert!(parameter["examples"].is_object(), "{id}: {parameter}");
        }
        let has_body = operation.value["requestBody"].is_object();
        assert_eq!(has_body, !operation.request_examples().is_empty(), "{id}");
        for (status, response) in operation.responses() {
            let examples = answer_examples(status, response);
            let media_types: BTreeSet<_> = examples.iter().map(|e| e.media_type).collect();
            let contents = response["content"].as_object();
            let described: BTreeSet<_> =
                contents.into_iter().flatten().map(|(k, _)| &**k).collect();
            assert_eq!(media_types, described, "{id}, {status}");
            assert_eq!([204, 304].contains(&status), contents.is_none(), "{id}");
        }
    }
}

/// All references below `value`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|text| text.starts_with("#/")) {
                    // The other place of references is a discriminator's mapping.
                    Some(reference) => {
                        found.insert(reference.to_owned());
                    }
                    None => references(value, found),
                }
                assert!(name != "$ref" || value.is_string(), "{value}");
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn examples_are_what_their_schemas_say() {
    for operation in described().operations() {
        for (_, name, value) in operation.request_examples() {
            let method = operation.method.to_uppercase().parse().unwrap();
            let path = operation.path;
            let body = value.to_string();
            let fault = described().fault_of_taken(&method, path, body.as_bytes());
            let refused = of_name(operation, name).is_some_and(|example| example.status == 422);
            assert_eq!(
                fault.is_some(),
                refused && !is_beyond_schemas(name),
                "{name}: {fault:?}"
            );
        }
        for example in operation.answer_examples() {
            let response = &operation.value["responses"][example.status.to_string()];
            let response = described().resolve(response);
            let schema = &response["content"][example.media_type]["schema"];
            let schema = schema["$ref"].as_str().unwrap();
            let schema = json!({ "$ref": schema.replacen('#', "urn:latchkey:openapi:strict#", 1) });
            let valid = described().validator(&schema).validate(example.value);
            assert!(valid.is_ok(), "{}: {valid:?}", example.name);
        }
    }
}

/// What only zxcvbn knows.
fn is_beyond_schemas(name: &str) -> bool {
    name == "invalid-password-change"
}

/// The example of an answer with that name.
fn of_name<'a>(operation: Operation<'a>, name: &str) -> Option<AnswerExample<'a>> {
    let examples = operation.answer_examples().into_iter();
    examples.into_iter().find(|example| example.name == name)
}

/// Answers are found out where they are not as described: the guard of all other tests can fail.
#[tokio::test]
async fn an_answer_that_is_not_described_is_found_out() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let shown = async || ada.get("/profile").send().await;
    let fault = |answer: &Answer| described().fault(&Method::GET, "/profile", answer);
    assert_eq!(fault(&shown().await), None);
    let changed = async |change: fn(&mut Answer)| {
        let mut answer = shown().await;
        change(&mut answer);
        fault(&answer).unwrap_or_default()
    };
    let member = changed(|answer| answer.body = answer.body.replacen('{', "{\"age\":1,", 1));
    assert!(member.await.contains("'age'"));
    let missing = changed(|answer| answer.body = answer.body.replacen("\"roles\"", "\"role\"", 1));
    assert!(missing.await.contains("role"));
    let format = changed(|answer| answer.body = answer.body.replacen("\"20", "\"on 20", 1));
    assert!(format.await.contains("date-time"));
    let status = changed(|answer| answer.status = StatusCode::ACCEPTED);
    assert_eq!(status.await, "202 is not described");
    let lost = changed(|answer| drop(answer.headers.remove("etag")));
    assert_eq!(lost.await, "the header etag is missing");
    let other = changed(|answer| {
        let value = HeaderValue::from_static("public");
        answer.headers.insert("cache-control", value);
    });
    assert!(other.await.starts_with("the header cache-control"));
    let added = changed(|answer| {
        let value = HeaderValue::from_static("1");
        answer.headers.insert("x-version", value);
    });
    assert_eq!(added.await, "the header x-version is not described");
    let code = changed(|answer| {
        answer.status = StatusCode::UNAUTHORIZED;
        let response = Problem::WrongPassword.to_response("r-1");
        answer.headers.extend(response.headers().clone());
        answer.body = String::from_utf8(response.body().to_vec()).unwrap();
    });
    assert!(code.await.contains("\"wrong-password\" is in no example"));
    let path = described().fault(&Method::GET, "/profiles", &shown().await);
    assert_eq!(path.as_deref(), Some("there is no such operation"));
    let short =
        json!({"email": "a@b.example", "password": "short", "first_name": "A", "last_name": "B"});
    let short = short.to_string();
    let taken = described().fault_of_taken(&Method::POST, "/register", short.as_bytes());
    assert!(taken.is_some());
}

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
async fn every_example_of_discovery_is_run() {
    run("discovery").await;
}

#[test]
fn no_function_s_examples_are_left_out() {
    let run = [
        "discovery",
        "login",
        "password",
        "profile",
        "register",
        "session",
    ];
    let tags = described().document["tags"].as_array().unwrap().iter();
    let tags: BTreeSet<_> = tags.map(|tag| text(tag, "name")).collect();
    assert_eq!(tags, run.map(str::to_owned).into());
    for (id, name, _) in NOT_BROUGHT {
        let mut operations = described().operations();
        let known = operations.any(|o| (id == "*" || o.id() == id) && of_name(o, name).is_some());
        assert!(known, "{id} has no {name}");
    }
}

/// Brings about every answer of a function's operations that has an example, and sends every example
/// of a request.
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
            if NOT_BROUGHT.iter().any(listed) {
                continue;
            }
            let media_types = operation.request_examples().into_iter();
            let media_types = media_types.filter(|(_, of, _)| *of == name);
            let media_types: Vec<_> = media_types.map(|(media_type, ..)| media_type).collect();
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
                        assert_eq!(answer.header("content-type"), example.media_type, "{shown}");
                        let body = answer.json();
                        assert!(
                            alike(example.value, &body),
                            "{} is not {shown}",
                            example.value
                        );
                    }
                    None => assert!([204, 304].contains(&answer.status.as_u16()), "{shown}"),
                }
            }
        }
    }
}

/// Makes the situation in which an operation has the answer `name`, and asks for it.
async fn bring(operation: Operation<'_>, name: &str, media_type: &str) -> Answer {
    let mut app = match name {
        "failed" => without_functions().await,
        _ => App::start().await,
    };
    let (mut access_token, mut refresh_token) = (String::new(), String::new());
    let has_people = name != "failed" && (operation.id() != "register" || name == "email-taken");
    if has_people {
        app.register("ada@example.com").await.expect(201);
        let login = app.post(
            "/login",
            json!({"email": "ada@example.com", "password": PASSWORD}),
        );
        let tokens = login.header("user-agent", "curl/7.88.1").send().await;
        let tokens = tokens.expect(200).json();
        access_token = text(&tokens, "access_token");
        refresh_token = text(&tokens, "refresh_token");
    }
    match name {
        "first-part" | "next-part" => app.copy_session(120).await,
        "unavailable" => rebuild(
            &mut app,
            "AWS_ENDPOINT_URL_DYNAMODB",
            Some("http://127.0.0.1:9"),
        ),
        "internal" if operation.id() == "getConfiguration" => rebuild(&mut app, "ISSUER", None),
        "internal" => spoil(&app).await,
        "missing-token" => {
            let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
            let without = text.replacen("        DefaultAuthorizer: Token\n", "", 1);
            assert_ne!(text, without);
            let template = Template::parse(&without, &options().parameters).unwrap();
            let functions = Arc::clone(&app.local.functions);
            let clock = Clock::Manual(app.clock.clone());
            app.local.gateway = Arc::new(Gateway::new(&template, functions, clock).unwrap());
        }
        // The gateway keeps its answer past the token's end, and the function looks again.
        "invalid-token" => {
            let end = claims(&access_token)["exp"].as_u64().unwrap();
            app.clock.advance(Duration::from_secs(end - 10 - BEGINNING));
            let profile = app.get("/profile").bearer(&access_token);
            profile.send().await.expect(200);
            app.clock.advance(Duration::from_secs(45));
        }
        _ => {}
    }

    let own = operation.request_names();
    let is_good = |name: &&&str| of_name(operation, name).is_none_or(|e| e.status < 300);
    let sent = if own.contains(name) {
        Some(name)
    } else if of_name(operation, name).is_some_and(|example| example.status < 300) {
        None
    } else {
        own.iter().find(is_good).copied()
    };

    let mut path = operation.path.to_owned();
    let mut headers = Vec::new();
    for parameter in operation.parameters() {
        let example = sent.map(|sent| &parameter["examples"][sent]["value"]);
        let Some(value) = example.and_then(Value::as_str) else {
            continue;
        };
        match text(parameter, "in").as_str() {
            "path" if sent == Some("ended") => {
                let id = match access_token.is_empty() {
                    true => value.to_owned(),
                    false => text(&claims(&access_token), "sid"),
                };
                path = path.replace("{id}", &id);
            }
            "path" => path = path.replace("{id}", value),
            "query" => path = format!("{path}?{}={value}", text(parameter, "name")),
            _ => headers.push((text(parameter, "name"), value)),
        }
    }
    let mut bodies = operation.request_examples().into_iter();
    let body = bodies.find(|(media, of, _)| Some(*of) == sent && *media == media_type);
    let body = body.map(|(_, _, body)| body.to_string().replace(EXAMPLE_TOKEN, &refresh_token));
    let body = match name {
        "malformed-json" => Some("{".to_owned()),
        "not-an-object" => Some("[]".to_owned()),
        "repeated-member" => body.map(|body| body.replacen('{', "{\"last_name\":\"Byron\",", 1)),
        "crowded-object" => {
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
            // Where the gateway gives no one domain and none is set, there is no issuer.
            "internal" if operation.id() == "getConfiguration" => call.header("host", "other"),
            "unauthorized" | "missing-token" => call,
            "forbidden" => call.bearer("a.b.c"),
            _ if operation.is_public() => call,
            _ => call.bearer(&access_token),
        }
    };
    if name == "too-many-attempts" {
        for _ in 0..5 {
            let refused = call().send().await;
            assert!([401, 403].contains(&refused.status.as_u16()), "{refused:?}");
        }
    }
    call().send().await
}

/// The refresh token of the examples, which stands for one that is good.
const EXAMPLE_TOKEN: &str = "lkr_AaIJqiUNfASpmynRwyrz4gGiCaooBHb9gysuImuicAEAAAAA9Vw0mOFO7Jxu0mcuHKFGZK-wgZyiVFkNRTtEwpeGhcM";

/// A gateway whose functions cannot be called: nothing listens at the discard port.
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

/// Puts functions behind the gateway that have another value of a variable, or none.
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

/// Makes what is stored of people unreadable.
async fn spoil(app: &App) {
    for item in app.items().await {
        let sort_key = item["sk"].as_s().unwrap();
        let attribute = match sort_key.as_str() {
            "ACCOUNT" => "date_joined",
            "CREDENTIAL" => "user_id",
            _ => "refresh_hash",
        };
        let mut put = app.dynamodb().put_item().table_name("latchkey");
        for (name, value) in item {
            put = put.item(name, value);
        }
        let put = put.item(attribute, AttributeValue::Bool(true));
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
    let response = &described().document["components"]["responses"]["MethodNotAllowed"];
    assert_eq!(described().fault_of(response, &answer), None);
    let example = answer_examples(405, response).remove(0).value;
    assert!(alike(example, &answer.json()), "{example}: {answer:?}");
}

/// Whether what came is of the same shape as the example: the same members, the same values but for
/// those that differ each time.
fn alike(example: &Value, real: &Value) -> bool {
    match (example, real) {
        (Value::Object(example), Value::Object(real)) => {
            example.keys().eq(real.keys())
                && example
                    .iter()
                    .all(|(name, value)| match (name.as_str(), value) {
                        // Of many sessions, an example shows the first.
                        ("sessions", Value::Array(_)) => alike(&value[0], &real[name][0]),
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
            // The life of an access token is shortened by chance.
            let is_life =
                |n: &serde_json::Number| n.as_u64().is_some_and(|n| (855..=900).contains(&n));
            example == real || (is_life(example) && is_life(real))
        }
        (example, real) => example == real,
    }
}

/// What kind of text it is that differs each time.
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
