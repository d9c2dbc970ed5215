//! `POST /login` at accounts that were imported without a password: the link to set one, and the user
//! pool of Cognito that they come from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::dynamodb;
use local::functions::Functions;
use local::gateway::Gateway;
use serde_json::{Value, json};
use shared::domain::Email;
use shared::platform::clock::Clock;
use testkit::cognito::{Cognito, Fault, Then};

use crate::support::app::{Answer, App, PASSWORD, env, template, text};
use crate::support::links::NO_MAIL;

const ADA: &str = "ada@example.com";
/// The password in the pool. It need not satisfy the policy.
const OLD: &str = "Abc1!xyz";

fn credential(email: &str) -> String {
    format!("EMAIL#{}", Email::parse(email).unwrap().fingerprint())
}

/// Returns what is stored as the password of an address.
async fn stored(app: &App, email: &str) -> String {
    let item = app.item(&credential(email), "CREDENTIAL").await.unwrap();
    item["password"].as_s().unwrap().clone()
}

/// Registers an account, and takes its password away. Returns its id.
async fn without_password(app: &App, email: &str) -> String {
    let account = app.register(email).await.expect(201).json();
    let update = app
        .dynamodb()
        .update_item()
        .table_name(dynamodb::TABLE)
        .key("pk", AttributeValue::S(credential(email)))
        .key("sk", AttributeValue::S("CREDENTIAL".to_owned()))
        .update_expression("SET password = :absent")
        .expression_attribute_values(":absent", AttributeValue::S("absent".to_owned()));
    update.send().await.unwrap();
    text(&account, "id")
}

/// Returns an app whose function `login` asks this pool.
async fn with_pool(parameters: &[(&str, &str)]) -> (App, Arc<Cognito>) {
    let mut app = App::mailing(parameters).await;
    let pool = Cognito::start().await;
    let mut functions = Functions::default();
    let clock = Clock::Manual(app.clock.clone());
    for (name, variables) in &app.local.environment {
        let lookup = |variable: &str| {
            let of_pool = pool.variable(variable);
            of_pool.or_else(|| variables.get(variable).cloned())
        };
        assert!(functions.add(name, &env(&lookup), &clock).unwrap());
    }
    let gateway = Gateway::new(&template([]), Arc::new(functions), clock).unwrap();
    app.local.gateway = Arc::new(gateway);
    (app, pool)
}

fn shape(answer: Answer) -> Value {
    let mut problem = answer.problem(401, "invalid-credentials");
    problem["request_id"].take();
    problem
}

#[tokio::test]
async fn the_first_attempt_sends_a_link_that_sets_a_password_and_is_refused_as_any_other() {
    let app = App::mailing(&[]).await;
    without_password(&app, ADA).await;
    let refused = shape(app.login(ADA, PASSWORD).await);
    assert_eq!(
        refused,
        shape(app.login("nobody@example.com", PASSWORD).await)
    );
    assert_eq!(stored(&app, ADA).await, "absent-told");
    let asking = app.asking("password_reset").await;
    assert_eq!(asking.len(), 1);
    assert_eq!(asking[0]["pk"].as_s().unwrap(), &credential(ADA));
    let event = asking[0]["event"].as_s().unwrap();
    assert_eq!(event, "password_reset_requested");
    // Once.
    app.clock.advance(Duration::from_secs(3600));
    shape(app.login(ADA, "").await);
    shape(app.login(ADA, "absent").await);
    shape(app.login(ADA, "absent-told").await);
    assert_eq!(app.asking("password_reset").await.len(), 1);
    // Its owner may still ask for another one, and the link works.
    let forgot = app.post("/password/forgot", json!({ "email": ADA }));
    forgot.send().await.expect(202);
    let token = app.mailed("password_reset").await.unwrap();
    let body = json!({"token": token, "new_password": "another good password"});
    let reset = app.post("/password/reset", body);
    reset.send().await.expect(204);
    app.clock.advance(Duration::from_secs(3600));
    app.login(ADA, "another good password").await.expect(200);
}

#[tokio::test]
async fn without_mail_or_with_a_disabled_account_nothing_is_sent_and_nothing_noted() {
    let app = App::with(&[NO_MAIL]).await;
    without_password(&app, ADA).await;
    shape(app.login(ADA, PASSWORD).await);
    assert_eq!(stored(&app, ADA).await, "absent");

    let app = App::mailing(&[]).await;
    let id = without_password(&app, ADA).await;
    let disabled = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&id, "status", disabled).await;
    shape(app.login(ADA, PASSWORD).await);
    assert_eq!(stored(&app, ADA).await, "absent");
    assert!(app.asking("password_reset").await.is_empty());
}

#[tokio::test]
async fn the_limits_on_mails_hold_and_their_refusal_is_not_told() {
    let app = App::mailing(&[("MailsPerSource", "2")]).await;
    let emails = ["a@example.com", "b@example.com", "c@example.com"];
    for email in emails {
        without_password(&app, email).await;
    }
    for email in emails {
        shape(app.login(email, PASSWORD).await);
    }
    assert_eq!(app.asking("password_reset").await.len(), 2);
    assert_eq!(stored(&app, emails[2]).await, "absent");
    // It is sent at a later attempt.
    app.clock.advance(Duration::from_secs(3600));
    shape(app.login(emails[2], PASSWORD).await);
    assert_eq!(app.asking("password_reset").await.len(), 3);
    assert_eq!(stored(&app, emails[2]).await, "absent-told");
}

#[tokio::test]
async fn a_password_that_the_pool_knows_is_kept_from_the_first_login_on() {
    let (app, pool) = with_pool(&[]).await;
    let id = without_password(&app, "Ada@example.com").await;
    pool.add("Ada@example.com", OLD, Then::Tokens);
    shape(app.login(ADA, "not the password").await);
    // The pool has the user, who may know the password.
    assert_eq!(stored(&app, ADA).await, "absent");
    assert!(app.asking("password_reset").await.is_empty());
    let tokens = app.login(ADA, OLD).await.expect(200).json();
    let profile = app.get("/profile").bearer(&text(&tokens, "access_token"));
    let profile = profile.send().await.expect(200).json();
    assert_eq!(profile["id"], id);
    assert!(stored(&app, ADA).await.starts_with("$argon2id$"));
    assert_eq!(pool.asked(), ["Ada@example.com", "Ada@example.com"]);
    // From now on the pool is not asked.
    app.login(ADA, OLD).await.expect(200);
    shape(app.login(ADA, "not the password").await);
    assert!(pool.asked().is_empty());
}

#[tokio::test]
async fn the_pool_is_asked_for_no_other_account_and_never_beyond_the_limit_of_attempts() {
    let (app, pool) = with_pool(&[("LoginAttempts", "3")]).await;
    app.register("eve@example.com").await.expect(201);
    pool.add("eve@example.com", OLD, Then::Tokens);
    pool.add("nobody@example.com", OLD, Then::Tokens);
    shape(app.login("eve@example.com", OLD).await);
    shape(app.login("nobody@example.com", OLD).await);
    assert!(pool.asked().is_empty());
    without_password(&app, ADA).await;
    pool.add(ADA, OLD, Then::Tokens);
    // Cognito calls an empty password a fault of the request.
    shape(app.login(ADA, "").await);
    assert!(pool.asked().is_empty());
    for _ in 0..2 {
        shape(app.login(ADA, "not the password").await);
    }
    let waits = app.login(ADA, OLD).await;
    waits.problem(429, "too-many-attempts");
    assert_eq!(pool.asked().len(), 2);
}

#[tokio::test]
async fn what_proves_no_password_is_refused_and_who_cannot_log_in_there_gets_a_link() {
    let (app, pool) = with_pool(&[]).await;
    let cases = BTreeMap::from([
        ("new", (Then::Challenge("NEW_PASSWORD_REQUIRED"), true)),
        (
            "reset",
            (Then::Refuses("PasswordResetRequiredException"), true),
        ),
        ("custom", (Then::Challenge("CUSTOM_CHALLENGE"), false)),
        (
            "unconfirmed",
            (Then::Refuses("UserNotConfirmedException"), false),
        ),
        (
            "trigger",
            (Then::Refuses("UserLambdaValidationException"), false),
        ),
        ("disabled", (Then::Refuses("NotAuthorizedException"), false)),
    ]);
    for (name, (then, is_told)) in &cases {
        let email = format!("{name}@example.com");
        without_password(&app, &email).await;
        pool.add(&email, OLD, *then);
        shape(app.login(&email, OLD).await);
        let expected = if *is_told { "absent-told" } else { "absent" };
        assert_eq!(stored(&app, &email).await, expected, "{name}");
    }
    without_password(&app, ADA).await;
    shape(app.login(ADA, OLD).await);
    assert_eq!(
        stored(&app, ADA).await,
        "absent-told",
        "the pool has no such user"
    );
    assert_eq!(app.asking("password_reset").await.len(), 3);
    // After the mail, the pool is still asked.
    pool.add(ADA, OLD, Then::Challenge("SOFTWARE_TOKEN_MFA"));
    app.login(ADA, OLD).await.expect(200);
    assert!(stored(&app, ADA).await.starts_with("$argon2id$"));
}

#[tokio::test]
async fn a_pool_that_does_not_answer_is_a_503_and_a_disabled_account_stays_closed() {
    let (app, pool) = with_pool(&[("LoginAttempts", "20")]).await;
    let id = without_password(&app, ADA).await;
    pool.add(ADA, OLD, Then::Tokens);
    for fault in [
        Fault::Broken,
        Fault::Throttled,
        Fault::Nonsense,
        Fault::Code("AccessDeniedException"),
        Fault::Code("ResourceNotFoundException"),
        Fault::Code("InvalidParameterException"),
    ] {
        pool.inject(&[fault; 4]);
        let answer = app.login(ADA, OLD).await;
        let problem = answer.problem(503, "unavailable").to_string();
        assert!(!problem.contains("ognito"), "{problem}");
        assert_eq!(stored(&app, ADA).await, "absent", "{fault:?}");
    }
    // A fault that passes is tried again.
    pool.inject(&[Fault::Broken]);
    let disabled = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&id, "status", disabled).await;
    shape(app.login(ADA, OLD).await);
    assert_eq!(stored(&app, ADA).await, "absent");
    assert!(app.items_of("SESSION#").await.is_empty());
    let active = AttributeValue::S("active".to_owned());
    app.set_attribute(&id, "status", active).await;
    app.login(ADA, OLD).await.expect(200);
}
