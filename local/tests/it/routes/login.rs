//! `POST /login`.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, BEGINNING, PASSWORD, faults, segment, text};

fn hash_in(item: &BTreeMap<String, AttributeValue>) -> String {
    item["password"].as_s().unwrap().clone()
}

#[tokio::test]
async fn a_login_answers_with_an_rfc_9068_access_token_and_a_refresh_token() {
    let app = App::start().await;
    let account = app.register("ada@example.com").await.expect(201).json();
    let answer = app.login("ada@example.com", PASSWORD).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["refresh_expires_in"], 30 * 24 * 60 * 60);
    let expires_in = tokens["expires_in"].as_u64().unwrap();
    assert!((855..=900).contains(&expires_in), "{expires_in}");
    assert_eq!(tokens.as_object().unwrap().len(), 5);

    let access_token = text(&tokens, "access_token");
    let header = segment(&access_token, 0);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("at+jwt"), &json!("RS256"))
    );
    assert_eq!(text(&header, "kid").len(), 43, "an RFC 7638 thumbprint");
    let claims = segment(&access_token, 1);
    assert_eq!(claims["iss"], app.local.url);
    assert_eq!(claims["sub"], account["id"]);
    assert_eq!(claims["aud"], "latchkey");
    assert_eq!(claims["client_id"], "latchkey");
    assert_eq!(claims["iat"], BEGINNING);
    assert_eq!(claims["exp"], BEGINNING + expires_in);
    assert!(claims.get("roles").is_none(), "there are none");
    assert!(!text(&claims, "jti").is_empty());
    assert_eq!(claims["email_verified"], false);
    assert!(claims.get("scope").is_none(), "there is none");
    assert_eq!(claims["auth_time"], BEGINNING);
    assert_eq!(claims["amr"], json!(["pwd"]));
    assert_eq!(claims.as_object().unwrap().len(), 11);

    let session = &app.items_of("SESSION#").await[0];
    assert_eq!(
        *session["sk"].as_s().unwrap(),
        format!("SESSION#{}", text(&claims, "sid"))
    );
}

#[tokio::test]
async fn a_session_stores_nothing_that_can_be_presented() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let login = app
        .post(
            "/login",
            json!({"email": "ada@example.com", "password": PASSWORD}),
        )
        .header("user-agent", "tests/1.0");
    let tokens = login.send().await.expect(200).json();
    let refresh_token = text(&tokens, "refresh_token");
    let secret = URL_SAFE_NO_PAD
        .decode(refresh_token.strip_prefix("lkr_").unwrap())
        .unwrap();
    let secret = &secret[40..];
    assert_eq!(secret.len(), 32);

    let session = &app.items_of("SESSION#").await[0];
    assert_eq!(session["ip"], AttributeValue::S("203.0.113.7".to_owned()));
    assert_eq!(
        session["user_agent"],
        AttributeValue::S("tests/1.0".to_owned())
    );
    let expires_at = BEGINNING + 30 * 24 * 60 * 60;
    assert_eq!(
        session["expires_at"],
        AttributeValue::N(expires_at.to_string())
    );
    for (name, value) in session {
        if let AttributeValue::B(octets) = value {
            assert_ne!(octets.as_ref(), secret, "{name} is the secret itself");
        }
    }
}

#[tokio::test]
async fn the_source_address_is_the_gateway_s_and_not_a_header_s() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let login = app
        .post(
            "/login",
            json!({"email": "ada@example.com", "password": PASSWORD}),
        )
        .header("x-forwarded-for", "198.51.100.1");
    login.send().await.expect(200);
    let session = &app.items_of("SESSION#").await[0];
    assert_eq!(session["ip"], AttributeValue::S("203.0.113.7".to_owned()));
}

#[tokio::test]
async fn letter_case_of_the_address_makes_no_difference() {
    let app = App::start().await;
    app.register("Ada@Example.com").await.expect(201);
    app.login("aDA@eXAMPLE.COM", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_unknown_address_a_wrong_password_and_a_disabled_account_get_one_answer() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let eve = app.register("eve@example.com").await.expect(201).json();
    let disabled = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&text(&eve, "id"), "status", disabled)
        .await;

    let shape = |answer: Answer| {
        let mut problem = answer.problem(401, "invalid-credentials");
        problem["request_id"].take();
        problem
    };
    let wrong = shape(app.login("ada@example.com", "not the password").await);
    let unknown = shape(app.login("nobody@example.com", PASSWORD).await);
    let disabled = shape(app.login("eve@example.com", PASSWORD).await);
    let deleted_half = shape(app.login("eve@example.com", "not the password").await);
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, disabled);
    assert_eq!(wrong, deleted_half);
    assert!(app.items_of("SESSION#").await.is_empty());
}

#[tokio::test]
async fn refusals_have_one_set_of_headers_and_one_length() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let wrong = app.login("ada@example.com", "not the password").await;
    let unknown = app.login("nobody@example.com", "not the password").await;
    let names = |answer: &Answer| {
        answer
            .headers
            .keys()
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&wrong), names(&unknown));
    assert_eq!(wrong.body.len(), unknown.body.len());
}

#[tokio::test]
async fn a_login_is_noted_in_the_account() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let profile = ada.get("/profile").send().await.expect(200).json();
    assert_eq!(profile["last_login"], "2027-01-15T08:00:00Z");
    assert_eq!(profile["date_joined"], "2027-01-15T08:00:00Z");

    app.clock.advance(std::time::Duration::from_secs(60));
    app.login(&ada.email, "not the password").await.expect(401);
    app.login(&ada.email, PASSWORD).await.expect(200);
    let profile = ada.get("/profile").send().await.expect(200).json();
    assert_eq!(profile["last_login"], "2027-01-15T08:01:00Z");
}

#[tokio::test]
async fn roles_come_from_the_table() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let roles = AttributeValue::L(vec![AttributeValue::S("billing:read".to_owned())]);
    app.set_attribute(&ada.id(), "roles", roles).await;
    let tokens = app.login(&ada.email, PASSWORD).await.expect(200).json();
    let claims = segment(&text(&tokens, "access_token"), 1);
    assert_eq!(claims["roles"], json!(["billing:read"]));
}

#[tokio::test]
async fn a_hash_with_other_parameters_is_replaced_at_login() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let before = hash_in(&app.items_of("CREDENTIAL").await[0]);

    // Hashes the same password in an app with other parameters.
    let stronger = [("Argon2MemoryKib", "7168"), ("Argon2Iterations", "5")];
    let other = App::with(&stronger).await;
    other.register("ada@example.com").await.expect(201);
    let foreign = hash_in(&other.items_of("CREDENTIAL").await[0]);
    assert!(foreign.contains("m=7168,t=5"));
    let credential = &app.items_of("CREDENTIAL").await[0];
    let update = app.dynamodb();
    let update = update
        .update_item()
        .table_name("latchkey")
        .key("pk", credential["pk"].clone())
        .key("sk", credential["sk"].clone())
        .update_expression("SET password = :hash")
        .expression_attribute_values(":hash", AttributeValue::S(foreign.clone()));
    update.send().await.unwrap();

    app.login("ada@example.com", "not the password")
        .await
        .expect(401);
    assert_eq!(hash_in(&app.items_of("CREDENTIAL").await[0]), foreign);
    app.login("ada@example.com", PASSWORD).await.expect(200);
    let after = hash_in(&app.items_of("CREDENTIAL").await[0]);
    assert!(after.contains("m=8,t=1") && after != before, "{after}");
    app.login("ada@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn every_login_begins_a_session_of_its_own() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let one = app
        .login("ada@example.com", PASSWORD)
        .await
        .expect(200)
        .json();
    let two = app
        .login("ada@example.com", PASSWORD)
        .await
        .expect(200)
        .json();
    let claim = |tokens: &Value, name| segment(&text(tokens, "access_token"), 1)[name].clone();
    assert_ne!(claim(&one, "sid"), claim(&two, "sid"));
    assert_ne!(claim(&one, "jti"), claim(&two, "jti"));
    assert_ne!(one["refresh_token"], two["refresh_token"]);
    assert_eq!(app.items_of("SESSION#").await.len(), 2);
}

#[tokio::test]
async fn lifetimes_are_parameters() {
    let parameters = [("AccessTokenSeconds", "60"), ("RefreshIdleSeconds", "3600")];
    let app = App::with(&parameters).await;
    app.register("ada@example.com").await.expect(201);
    let tokens = app
        .login("ada@example.com", PASSWORD)
        .await
        .expect(200)
        .json();
    assert!((57..=60).contains(&tokens["expires_in"].as_u64().unwrap()));
    assert_eq!(tokens["refresh_expires_in"], 3600);
}

#[tokio::test]
async fn malformed_attempts_are_told_so_without_touching_an_account() {
    let app = App::start().await;
    let body = json!({"email": ["a@b.c", "d@e.f"], "password": "x".repeat(129), "remember": true});
    let problem = app
        .post("/login", body)
        .send()
        .await
        .problem(422, "invalid-fields");
    let expected = [
        ("/email", "wrong-type"),
        ("/password", "too-long"),
        ("/remember", "unknown"),
    ];
    assert_eq!(
        faults(&problem),
        expected.map(|(p, c)| (p.to_owned(), c.to_owned()))
    );
    // A password that violates the policy is a wrong password, since the policy may have changed.
    app.login("ada@example.com", "")
        .await
        .problem(401, "invalid-credentials");
}

#[tokio::test]
async fn a_log_line_with_a_secret_in_it_would_end_its_test() {
    let _app = App::start().await;
    for secret in [
        PASSWORD,
        "lkr_AAAA",
        "eyJhbGciOiJSUzI1NiJ9",
        "ada@example.com",
    ] {
        let line = std::panic::catch_unwind(|| tracing::error!(secret, "a slip"));
        assert!(line.is_err(), "{secret} was logged");
    }
}
