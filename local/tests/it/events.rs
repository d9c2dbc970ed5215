//! The sample events: every file is read by the types that Lambda uses, and gives what its name
//! says.

use std::collections::{BTreeMap, BTreeSet};

use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayV2CustomAuthorizerV2Request, ApiGatewayV2httpRequest,
};
use serde_json::Value;

use crate::app::{App, root, text};

/// The status of each outcome that is no problem.
const SUCCESSES: [(&str, u16); 5] = [
    ("created", 201),
    ("logged-in", 200),
    ("patched", 200),
    ("replaced", 200),
    ("shown", 200),
];

/// The events' texts, by function and outcome.
fn events() -> BTreeMap<(String, String), String> {
    let mut events = BTreeMap::new();
    for folder in std::fs::read_dir(root().join("events")).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let name =
                |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
            events.insert(
                (name(&folder), name(&file)),
                std::fs::read_to_string(&file).unwrap(),
            );
        }
    }
    events
}

#[tokio::test]
async fn every_event_gives_what_its_name_says() {
    let app = App::start().await;
    let events = events();
    let event = |function: &str, outcome: &str| {
        serde_json::from_str(&events[&(function.to_owned(), outcome.to_owned())]).unwrap()
    };
    let ask = |function, event| app.local.functions.invoke(function, event);

    // The account that the others speak for.
    let created: Value = ask("register", event("register", "created")).await.unwrap();
    assert_eq!(created["statusCode"], 201, "{created}");
    let account: Value = serde_json::from_str(created["body"].as_str().unwrap()).unwrap();
    // By way of the gateway: the token's issuer is the one that this Latchkey expects.
    let tokens = app
        .login("grace@example.com", crate::app::PASSWORD)
        .await
        .expect(200)
        .json();

    for ((function, outcome), event) in &events {
        if (function.as_str(), outcome.as_str()) == ("register", "created") {
            continue;
        }
        let name = format!("events/{function}/{outcome}.json");
        let event = event
            .replace("ACCESS_TOKEN", &text(&tokens, "access_token"))
            .replace("USER_ID", &text(&account, "id"));
        let answer = ask(function, serde_json::from_str(&event).unwrap())
            .await
            .unwrap();
        if function == "authorizer" {
            let allowed = answer["isAuthorized"].as_bool().unwrap();
            assert_eq!(allowed, outcome.starts_with("allow"), "{name}: {answer}");
            assert!(allowed || outcome.starts_with("deny-"), "{name}: {answer}");
            continue;
        }
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let success = SUCCESSES.iter().find(|(stem, _)| outcome.starts_with(stem));
        match success {
            Some((_, status)) => assert_eq!(answer["statusCode"], *status, "{name}: {body}"),
            None => {
                assert_eq!(body["code"], outcome.as_str(), "{name}: {body}");
                assert_eq!(body["status"], answer["statusCode"], "{name}: {body}");
            }
        }
    }
}

#[test]
fn every_event_is_one_that_lambda_s_own_types_read() {
    for ((function, outcome), event) in events() {
        let name = format!("events/{function}/{outcome}.json");
        if function == "authorizer" {
            let event: ApiGatewayV2CustomAuthorizerV2Request =
                serde_json::from_str(&event).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                event.identity_source.map(|sources| sources.len()),
                Some(1),
                "{name}"
            );
        } else {
            let event: ApiGatewayV2httpRequest =
                serde_json::from_str(&event).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(event.version.as_deref(), Some("2.0"), "{name}");
        }
    }
}

#[tokio::test]
async fn every_function_has_events_of_success_and_refusal() {
    let app = App::start().await;
    let events = events();
    let functions: BTreeSet<_> = app.local.environment.keys().collect();
    let folders: BTreeSet<_> = events.keys().map(|(function, _)| function).collect();
    assert_eq!(folders, functions);
    for function in functions {
        let good = |outcome: &str| {
            outcome.starts_with("allow")
                || SUCCESSES.iter().any(|(stem, _)| outcome.starts_with(stem))
        };
        let outcomes: Vec<_> = events.keys().filter(|(f, _)| f == function).collect();
        assert!(
            outcomes.iter().any(|(_, outcome)| good(outcome)),
            "{function}"
        );
        assert!(
            outcomes.iter().any(|(_, outcome)| !good(outcome)),
            "{function}"
        );
    }
}
