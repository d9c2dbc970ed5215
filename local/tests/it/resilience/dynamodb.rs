//! Registration, login and profile if DynamoDB fails.

use std::time::Duration;

use lambda_http::LambdaEvent;
use local::dynamodb::TABLE;
use local::functions::Functions;
use register::Register;
use serde_json::json;
use shared::http::handler::{RESERVED_FOR_THE_RESPONSE, answer};
use shared::platform::clock::Clock;
use testkit::dynamodb::Fault;

use crate::support::app::{App, PASSWORD, bare_event, env, event, logged_requests, registration};
use crate::support::emf;
use crate::support::faulty_store::{FaultyStore, ask};

#[tokio::test]
async fn a_registration_that_collides_is_tried_again() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &[Fault::Conflict; 3]);
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.seen().len(), 1 + 4);
    assert_eq!(faulty.app.items().await.len(), 2);
}

#[tokio::test]
async fn a_registration_that_collides_without_end_is_a_503_and_leaves_nothing() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &[Fault::Conflict; 100]);
    assert_eq!(faulty.register().await.0, 503);
    assert_eq!(faulty.seen().len(), 1 + 5);
    assert!(faulty.app.items().await.is_empty());
    faulty.inject("TransactWriteItems", &[]);
    assert_eq!(faulty.register().await.0, 201);
}

#[tokio::test]
async fn a_login_beside_a_registration_of_its_address_is_tried_again() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    faulty.inject("PutItem", &[Fault::WriteConflict; 2]);
    assert_eq!(faulty.login().await.0, 200);
}

#[tokio::test]
async fn a_transaction_that_is_throttled_is_tried_again() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &[Fault::ThrottledTransaction; 4]);
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.seen().len(), 1 + 5);
    // Without end it is a 503, and the client may repeat it.
    let other = FaultyStore::start().await;
    other.inject("TransactWriteItems", &[Fault::ThrottledTransaction; 100]);
    assert_eq!(other.register().await.0, 503);
    assert_eq!(other.seen().len(), 1 + 5);
    assert!(other.app.items().await.is_empty());
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_still_a_201() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &[Fault::AnswerLost]);
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.app.items().await.len(), 2);
    // Also if it is retried as another transaction, which finds its own account.
    let other = FaultyStore::start().await;
    other.inject("TransactWriteItems", &[Fault::AnswerLost, Fault::Conflict]);
    assert_eq!(other.register().await.0, 201);
    assert_eq!(other.app.items().await.len(), 2);
}

#[tokio::test]
async fn a_registration_whose_every_answer_was_lost_is_a_503_and_then_a_whole_account() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &[Fault::AnswerLost; 3]);
    assert_eq!(faulty.register().await.0, 503);
    assert_eq!(faulty.app.items().await.len(), 2);
    assert_eq!(faulty.register().await.0, 409);
    assert_eq!(faulty.login().await.0, 200);
}

#[tokio::test]
async fn a_fault_of_dynamodb_is_counted_and_its_time_measured_with_all_tries() {
    let faulty = FaultyStore::start().await;
    for (fault, least_ms) in [(Fault::Broken, 0.0), (Fault::Silence, 2400.0)] {
        faulty.inject("TransactWriteItems", &[fault; 3]);
        logged_requests();
        assert_eq!(faulty.register().await.0, 503);
        let lines = logged_requests();
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(line["store_faults"], 1, "{line}");
        assert_eq!(line["store_requests"], 2, "{line}");
        assert!(line["store_ms"].as_f64().unwrap() > least_ms, "{line}");
        assert!(emf::stored(line).contains(&("store_faults".to_owned(), vec![])));
    }
    // A refusal by a condition of the write is not a fault.
    faulty.inject("TransactWriteItems", &[]);
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.register().await.0, 409);
    assert!(
        logged_requests()
            .iter()
            .all(|line| line.get("store_faults").is_none())
    );
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &[Fault::Throttled]);
    assert_eq!(faulty.register().await.0, 201);
    // The attempt and then the session: each is retried.
    for faults in [
        [Fault::Broken, Fault::AnswerLost],
        [Fault::AnswerLost, Fault::Broken],
    ] {
        faulty.inject("BatchGetItem", &[Fault::Broken, Fault::Throttled]);
        faulty.inject("GetItem", &[Fault::Broken, Fault::Throttled]);
        faulty.inject("PutItem", &faults);
        faulty.inject("UpdateItem", &[Fault::Broken]);
        assert_eq!(faulty.login().await.0, 200);
    }
    faulty.inject("UpdateItem", &[Fault::WriteConflict, Fault::WriteConflict]);
    assert_eq!(faulty.login().await.0, 200);
    assert_eq!(faulty.app.items_of("SESSION#").await.len(), 3);
}

#[tokio::test]
async fn a_login_whose_session_is_not_stored_gives_no_token() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    // In the first case the attempt is not counted. In the second it is, but the session is not
    // written.
    for faults in [
        [Fault::Broken; 3].as_slice(),
        &[
            Fault::Passes,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
        ],
    ] {
        faulty.proxy.inject_in(TABLE, "PutItem", faults);
        let (status, body) = faulty.login().await;
        assert_eq!(status, 503);
        assert!(!body.to_string().contains("token"), "{body}");
        assert!(faulty.app.items_of("SESSION#").await.is_empty());
        faulty.inject("PutItem", &[]);
    }
    assert_eq!(faulty.login().await.0, 200);
}

#[tokio::test]
async fn a_login_that_fails_late_does_not_count_as_a_guess() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.login().await.0, 200);
    // The session is not stored, or the login is not recorded in the account, or both.
    let session = [Fault::Passes, Fault::Broken, Fault::Broken, Fault::Broken];
    for (put, update) in [
        (session.as_slice(), [].as_slice()),
        (&[], &[Fault::Broken; 3]),
        (&session, &[Fault::Broken; 3]),
    ] {
        for time in 1..=12 {
            faulty.proxy.inject_in(TABLE, "PutItem", put);
            faulty.inject("UpdateItem", update);
            assert_eq!(faulty.login().await.0, 503, "time {time}");
        }
        faulty.inject("PutItem", &[]);
        faulty.inject("UpdateItem", &[]);
        assert_eq!(faulty.login().await.0, 200);
    }
}

#[tokio::test]
async fn a_login_whose_hash_cannot_be_replaced_does_not_count_as_a_guess() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.login().await.0, 200);
    let variables = &faulty.app.local.environment["login"];
    let lookup = |variable: &str| match variable {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(faulty.proxy.url.clone()),
        "AWS_REGION" => Some("local-with-another-hash".to_owned()),
        "ARGON2_MEMORY_KIB" => Some("16".to_owned()),
        other => variables.get(other).cloned(),
    };
    let mut functions = Functions::default();
    let clock = Clock::Manual(faulty.app.clock.clone());
    let made = functions.add("login", &env(&lookup), &clock);
    assert!(made.unwrap());
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    for time in 1..=12 {
        faulty.inject("UpdateItem", &[Fault::Broken; 3]);
        let (status, _) = ask(&functions, "login", "POST", &body, None).await;
        assert_eq!(status, 503, "time {time}");
    }
    assert_eq!(ask(&functions, "login", "POST", &body, None).await.0, 200);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_still_a_200() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let patch = async |tag: &str, name: &str| {
        let mut event = bare_event(Some(&format!("Bearer {}", ada.access_token)));
        event["requestContext"]["http"]["method"] = json!("PATCH");
        event["headers"]["content-type"] = json!("application/json");
        event["headers"]["if-match"] = json!(tag);
        event["body"] = json!(json!({ "first_name": name }).to_string());
        let answer = faulty.functions.invoke("profile", event).await.unwrap();
        (
            answer["statusCode"].clone(),
            answer["headers"]["etag"].clone(),
        )
    };
    let first = ada.get("/profile").send().await.expect(200);
    let first = first.header("etag").to_owned();
    faulty.inject("UpdateItem", &[Fault::AnswerLost]);
    let (status, second) = patch(&first, "Augusta").await;
    assert_eq!(status, 200);
    // The client got no answer either, and repeats the change as it was.
    let (status, again) = patch(&first, "Augusta").await;
    assert_eq!((status, &again), (json!(200), &second));
    // Another change at the same version is not ours.
    assert_eq!(patch(&first, "Byron").await.0, json!(412));
    let second = second.as_str().unwrap();
    assert!(second.starts_with("\"2-"), "{second}");
    let (status, third) = patch(second, "Byron").await;
    assert_eq!(status, 200);
    assert!(third.as_str().unwrap().starts_with("\"3-"), "{third}");
}

#[tokio::test]
async fn a_fault_while_a_credential_is_read_is_not_a_wrong_password() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    faulty.inject("BatchGetItem", &[Fault::Broken; 3]);
    assert_eq!(faulty.login().await.0, 503);
    assert_eq!(faulty.login().await.0, 200);
}

#[tokio::test]
async fn an_unreachable_store_is_a_503() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    // Nothing listens at the discard port.
    let functions = FaultyStore::functions(&app, "http://127.0.0.1:9");
    let token = Some(ada.access_token.as_str());
    let body = registration("eve@example.com");
    assert_eq!(
        ask(&functions, "register", "POST", &body, None).await.0,
        503
    );
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    assert_eq!(ask(&functions, "login", "POST", &body, None).await.0, 503);
    assert_eq!(
        ask(&functions, "profile", "GET", &json!({}), token).await.0,
        503
    );
    let body = json!({"first_name": "A"});
    assert_eq!(
        ask(&functions, "profile", "PATCH", &body, token).await.0,
        503
    );
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_503_before_the_function_s_timeout() {
    let faulty = FaultyStore::start().await;
    faulty.inject("TransactWriteItems", &[Fault::Silence; 3]);
    // Well below the ten seconds that template.yaml gives the function. The SDK uses the real
    // clock.
    let answer = tokio::time::timeout(std::time::Duration::from_secs(9), faulty.register());
    assert_eq!(answer.await.unwrap().0, 503);
}

#[tokio::test]
async fn a_call_ends_before_its_function_does() {
    let faulty = FaultyStore::start().await;
    let variables = faulty.app.local.environment["register"].clone();
    let lookup = |name: &str| match name {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(faulty.proxy.url.clone()),
        other => variables.get(other).cloned(),
    };
    let clock = Clock::Manual(faulty.app.clock.clone());
    let register = Register::from_env(&env(&lookup), clock).unwrap();
    faulty.inject("TransactWriteItems", &[Fault::Silence; 3]);
    let event = event("POST", "/register", &registration("ada@example.com"), None);
    let mut context = lambda_http::Context::default();
    // Lambda ends the function in a moment: there is no time for the SDK's own time limit.
    let left = RESERVED_FOR_THE_RESPONSE + Duration::from_millis(100);
    context.deadline = Clock::System.millis() + u64::try_from(left.as_millis()).unwrap();
    logged_requests();
    let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), context);
    let answer = answer(&register, event).await.unwrap();
    assert_eq!(answer.status_code, 503);
    assert_eq!(answer.headers["retry-after"], "2");
    let lines = logged_requests();
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (&line["status"], &line["code"], &line["level"]),
        (&json!(503), &json!("unavailable"), &json!("ERROR"))
    );
    let cause = line["cause"].as_str().unwrap();
    assert!(
        cause.contains("shortly before the function's timeout"),
        "{cause}"
    );
}
