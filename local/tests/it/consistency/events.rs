//! The sample events: Lambda's own types parse every file, and each has the outcome that its name
//! says.

use std::collections::{BTreeMap, BTreeSet};

use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayV2CustomAuthorizerV2Request, ApiGatewayV2httpRequest,
};
use serde_json::{Value, json};
use shared::aws::batch::Invocation;
use shared::domain::{EventId, Purpose};
use testkit::cloudformation::CloudFormation;
use testkit::kms::Kms;

use crate::support::app::{App, BEGINNING, PASSWORD, User, claims, root, text};
use crate::support::links::NO_MAIL;
use crate::support::log::{logged_by_mailer, logged_by_publisher};
use crate::support::post::{Post, of_address};
use crate::support::press::Press;
use crate::support::private::without_private;

/// The status of each outcome that is not a problem.
const SUCCESSES: [(&str, u16); 19] = [
    ("accepted", 202),
    ("changed", 200),
    ("created", 201),
    ("deleted", 204),
    ("ended", 204),
    ("exported", 200),
    ("listed", 200),
    ("logged-in", 200),
    ("logged-out", 204),
    ("moved", 204),
    ("not-modified", 304),
    ("opened", 201),
    ("patched", 200),
    ("published", 200),
    ("refreshed", 200),
    ("replaced", 200),
    ("reset", 204),
    ("shown", 200),
    ("verified", 204),
];

/// Returns the events' texts, by function and outcome.
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
async fn every_event_has_the_outcome_that_its_name_says() {
    for ((function, outcome), event) in events() {
        let name = format!("events/{function}/{outcome}.json");
        if function == "keys" {
            let status = keys(event).await;
            let expected = if outcome.starts_with("failed-") {
                "FAILED"
            } else {
                "SUCCESS"
            };
            assert_eq!(status, expected, "{name}");
            continue;
        }
        if function == "mailer" {
            let what = outcome.split('-').next().unwrap_or_default();
            assert_eq!(mailer(event).await, format!("mail_{what}"), "{name}");
            continue;
        }
        if function == "publisher" {
            let what = outcome.split('-').next().unwrap_or_default();
            assert_eq!(publisher(event).await, what, "{name}");
            continue;
        }
        // Each has its own app, since some events end what others need.
        let app = match outcome.as_str() {
            "registration-closed" => App::with(&[("Registration", "closed")]).await,
            "accepted-for-link" | "opened" => App::mailing(&[("EmailVerification", "first")]).await,
            "not-found" if function == "forgot" => App::with(&[NO_MAIL]).await,
            _ => App::with_mail().await,
        };
        let grace = match (function.as_str(), outcome.as_str()) {
            ("register", "accepted-for-link" | "created" | "registration-closed") => None,
            (_, "opened") => None,
            _ => Some(app.user("grace@example.com").await),
        };
        let mut event = event;
        if function == "admin" {
            let alan = app.register("alan@example.com").await.expect(201).json();
            event = event.replace("OTHER_ID", &text(&alan, "id"));
            if outcome != "forbidden" {
                app.make_administrator(&grace.as_ref().unwrap().id()).await;
            }
        }
        let event = match &grace {
            Some(grace) => event
                .replace("LINK_TOKEN", &link(&app, grace, &outcome).await)
                .replace("ACCESS_TOKEN", &grace.access_token)
                .replace("REFRESH_TOKEN", &grace.refresh_token)
                .replace("USER_ID", &grace.id())
                .replace("SESSION_ID", &text(&claims(&grace.access_token), "sid")),
            None if outcome == "opened" => {
                app.register("grace@example.com").await.expect(202);
                event.replace("LINK_TOKEN", &app.mailed("registration").await.unwrap())
            }
            None => event,
        };
        let event = serde_json::from_str(&event).unwrap();
        let answer = app.local.functions.invoke(&function, event).await.unwrap();
        if function == "authorizer" {
            let allowed = answer["isAuthorized"].as_bool().unwrap();
            assert_eq!(allowed, outcome.starts_with("allow"), "{name}: {answer}");
            assert!(allowed || outcome.starts_with("deny-"), "{name}: {answer}");
            continue;
        }
        match SUCCESSES.iter().find(|(stem, _)| outcome.starts_with(stem)) {
            Some((_, status)) => assert_eq!(answer["statusCode"], *status, "{name}: {answer}"),
            None => {
                let problem: Value =
                    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
                assert_eq!(problem["code"], outcome.as_str(), "{name}: {problem}");
                assert_eq!(problem["status"], answer["statusCode"], "{name}: {problem}");
            }
        }
    }
}

/// Returns the token of a link that is good for the outcome.
async fn link(app: &App, grace: &User<'_>, outcome: &str) -> String {
    match outcome {
        "moved" => {
            let body = json!({"email": "grace.hopper@example.com", "password": PASSWORD});
            let ask = grace.post("/email/change", body).send().await;
            ask.expect(202);
            app.mailed("email_change").await.unwrap()
        }
        "verified" => app.mint(&grace.id(), Purpose::EmailVerification).await,
        _ => app.mint(&grace.id(), Purpose::PasswordReset).await,
    }
}

/// Returns the status that CloudFormation gets for an event of a custom resource.
async fn keys(event: String) -> Value {
    let kms = Kms::start().await;
    let cloudformation = CloudFormation::start().await;
    let event = event
        .replace("WRAPPING_KEY_ARN", &kms.make("SYMMETRIC_DEFAULT"))
        .replace("NEXT_KEY_ARN", &kms.make("ECC_NIST_P256"))
        .replace("KEY_ARN", &kms.make("RSA_2048"));
    let event = serde_json::from_str(&event).unwrap();
    cloudformation.ask(&kms, event).await["Status"].clone()
}

/// Returns the name of what `mailer` logs of an event.
async fn mailer(event: String) -> Value {
    let post = Post::start().await;
    let grace = post.app.register("grace@example.com").await.expect(201);
    let id = EventId::new(BEGINNING * 1000);
    let event = event
        .replace("EMAIL#ADDRESS_HASH", &of_address("grace@example.com"))
        .replace("EVENT_ID", &id.to_string())
        .replace("USER_ID", &text(&grace.json(), "id"));
    let event = serde_json::from_str(&event).unwrap();
    logged_by_mailer();
    let answer = post.mailer.handle(&event, Invocation::default());
    answer.await.unwrap();
    let mut events = logged_by_mailer();
    events.retain(|line| line.get("event").is_some());
    assert_eq!(events.len(), 1, "{events:?}");
    events[0]["event"].clone()
}

/// Returns what became of an event that `publisher` gets.
async fn publisher(event: String) -> &'static str {
    let press = Press::start().await;
    let event = serde_json::from_str(&event).unwrap();
    logged_by_publisher();
    let answer = press.publisher.handle(&event, Invocation::default()).await;
    assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}));
    let line = logged_by_publisher().pop().unwrap();
    match (&line["events_published"], &line["events_rejected"]) {
        (Value::Number(_), Value::Null) => "published",
        (Value::Null, Value::Number(_)) => "rejected",
        _ => "skipped",
    }
}

#[test]
fn every_event_is_one_that_lambda_s_own_types_read() {
    for ((function, outcome), event) in events() {
        let name = format!("events/{function}/{outcome}.json");
        if function == "keys" {
            let event: Value = serde_json::from_str(&event).unwrap();
            assert_eq!(event["ResponseURL"], "RESPONSE_URL", "{name}");
        } else if function == "mailer" {
            let event: Value = serde_json::from_str(&event).unwrap();
            let is_of_stream = event["Records"][0]["eventSource"] == "aws:dynamodb";
            assert!(is_of_stream || event["source"] == "aws.ses", "{name}");
        } else if function == "publisher" {
            let event: Value = serde_json::from_str(&event).unwrap();
            assert_eq!(event["Records"][0]["eventSource"], "aws:dynamodb", "{name}");
        } else if function == "authorizer" {
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
    assert!(folders.is_subset(&functions), "{folders:?}");
    for function in without_private(app.local.environment.clone()).keys() {
        let good = |outcome: &str| {
            outcome.starts_with("allow")
                || outcome.starts_with("updated")
                || outcome.starts_with("sent")
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
