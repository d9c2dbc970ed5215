//! What access tokens say beside who somebody is: scopes, the time of the login, added claims.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::functions::Functions;
use serde_json::{Value, json};
use shared::domain::scope::RoleScopes;
use shared::platform::Clock;

use crate::support::app::{App, BEGINNING, PASSWORD, User, bare_event, claims, env, text};

const SCOPES: &str = "admin=users:read users:write;editor=notes:write users:read";
const NEW: &str = "another good password";

async fn give_roles(app: &App, user: &User<'_>, roles: &[&str]) {
    let roles = roles.iter().map(|role| AttributeValue::S((*role).into()));
    app.set_attribute(&user.id(), "roles", AttributeValue::L(roles.collect()))
        .await;
}

async fn give_claims(app: &App, user: &User<'_>, claims: &Value) {
    let claims = AttributeValue::S(claims.to_string());
    app.set_attribute(&user.id(), "claims", claims).await;
}

async fn refreshed(app: &App, refresh_token: &str) -> (Value, String) {
    let tokens = app.refresh(refresh_token).await.expect(200).json();
    let claims = claims(&text(&tokens, "access_token"));
    (claims, text(&tokens, "refresh_token"))
}

#[tokio::test]
async fn a_token_has_the_scopes_of_the_roles_that_the_account_has_when_it_is_issued() {
    let app = App::with(&[("RoleScopes", SCOPES)]).await;
    let ada = app.user("ada@example.com").await;
    assert!(claims(&ada.access_token).get("scope").is_none());
    give_roles(&app, &ada, &["editor", "other", "admin"]).await;
    let (refreshed, next) = refreshed(&app, &ada.refresh_token).await;
    assert_eq!(refreshed["roles"], json!(["editor", "other", "admin"]));
    assert_eq!(refreshed["scope"], "notes:write users:read users:write");
    let tokens = app.login(&ada.email, PASSWORD).await.expect(200).json();
    let access_token = text(&tokens, "access_token");
    assert_eq!(claims(&access_token)["scope"], refreshed["scope"]);

    // The authorizer passes them on as they are in the token.
    let asked = json!({"identitySource": [format!("Bearer {access_token}")]});
    let verdict = app.local.functions.invoke("authorizer", asked).await;
    let context = &verdict.unwrap()["context"];
    assert_eq!(context["scope"], refreshed["scope"]);
    assert_eq!(context["auth_time"], BEGINNING);
    assert_eq!(context["amr"], "pwd");

    give_roles(&app, &ada, &["other"]).await;
    let (refreshed, _) = self::refreshed(&app, &next).await;
    assert!(refreshed.get("scope").is_none(), "{refreshed}");
}

#[tokio::test]
async fn the_time_of_authentication_stays_over_refreshes_and_moves_with_a_new_password() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    assert_eq!(claims(&ada.access_token)["auth_time"], BEGINNING);
    app.clock.advance(Duration::from_secs(400));
    let (claims_of, next) = refreshed(&app, &ada.refresh_token).await;
    assert_eq!(
        (&claims_of["auth_time"], &claims_of["iat"]),
        (&json!(BEGINNING), &json!(BEGINNING + 400))
    );
    app.clock.advance(Duration::from_secs(400));
    let (claims_of, _) = refreshed(&app, &next).await;
    assert_eq!(claims_of["auth_time"], BEGINNING);

    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    let changed = ada.post("/password/change", change).send().await;
    let changed = changed.expect(200).json();
    let changed_at = json!(BEGINNING + 800);
    assert_eq!(
        claims(&text(&changed, "access_token"))["auth_time"],
        changed_at
    );
    app.clock.advance(Duration::from_secs(400));
    let (claims_of, next) = refreshed(&app, &text(&changed, "refresh_token")).await;
    assert_eq!(claims_of["auth_time"], changed_at);
    let (claims_of, _) = refreshed(&app, &next).await;
    assert_eq!(claims_of["auth_time"], changed_at);
    assert_eq!(claims_of["amr"], json!(["pwd"]));
}

#[tokio::test]
async fn a_password_that_was_not_changed_authenticates_nobody_again() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.clock.advance(Duration::from_secs(60));
    let change = json!({"current_password": "not the password", "new_password": NEW});
    let refused = ada.post("/password/change", change).send().await;
    refused.problem(403, "wrong-password");
    let (claims, _) = refreshed(&app, &ada.refresh_token).await;
    assert_eq!(claims["auth_time"], BEGINNING);
}

#[tokio::test]
async fn added_claims_are_in_each_token_and_in_no_context() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let added = json!({
        "https://example.com/plan": "gold", "https://example.com/seats": 7,
        "urn:example:beta": true, "urn:example:teams": ["a", "b"],
    });
    give_claims(&app, &ada, &added).await;
    let tokens = app.login(&ada.email, PASSWORD).await.expect(200).json();
    let access_token = text(&tokens, "access_token");
    let (refreshed, _) = refreshed(&app, &ada.refresh_token).await;
    for claims in [claims(&access_token), refreshed] {
        for (name, value) in added.as_object().unwrap() {
            assert_eq!(claims[name], *value, "{claims}");
        }
        assert_eq!(claims["sub"], ada.id());
    }
    let asked = json!({"identitySource": [format!("Bearer {access_token}")]});
    let verdict = app.local.functions.invoke("authorizer", asked).await;
    let verdict = verdict.unwrap();
    let members = verdict["context"].as_object().unwrap().keys();
    assert!(
        members.clone().all(|name| !name.contains(':')),
        "{members:?}"
    );
    // Functions accept the token as well, and the owner does not see the claims in the profile.
    let profile = app.get("/profile").bearer(&access_token).send().await;
    let profile = profile.expect(200).json();
    assert!(profile.get("claims").is_none(), "{profile}");
}

#[tokio::test]
async fn a_claim_that_somebody_wrote_by_hand_replaces_none_of_a_standard() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    let mallory = eve.id();
    for added in [
        json!({"sub": mallory}),
        json!({"roles": ["admin"]}),
        json!({"scope": "users:write"}),
        json!({"exp": 9_999_999_999_u64}),
        json!({"email_verified": true}),
        json!({"https://example.com/plan": "gold", "iss": "https://example.com"}),
        json!(["sub"]),
        json!("sub"),
    ] {
        give_claims(&app, &ada, &added).await;
        // The item is unreadable, as with roles that are none: no token is issued.
        let refused = app.login(&ada.email, PASSWORD).await;
        refused.problem(500, "internal");
        app.refresh(&ada.refresh_token)
            .await
            .problem(500, "internal");
    }
    give_claims(&app, &ada, &json!({})).await;
    app.login(&ada.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_token_of_an_earlier_version_has_no_scope_and_an_old_authentication() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let sid = ada.session_id();
    // The context as an earlier authorizer wrote it, which API Gateway may have cached.
    let earlier = json!({"sub": ada.id(), "sid": sid, "roles": "", "exp": 9_999_999_999_u64});
    let mut event = bare_event(None);
    event["requestContext"]["authorizer"] = json!({ "lambda": earlier });
    let answer = app.local.functions.invoke("profile", event).await.unwrap();
    assert_eq!(answer["statusCode"], 200);
}

#[tokio::test]
async fn without_usable_scopes_no_function_that_issues_or_publishes_starts() {
    let app = App::start().await;
    for function in ["login", "session", "password", "discovery"] {
        let variables = &app.local.environment[function];
        let lookup = |name: &str| match name {
            "ROLE_SCOPES" => Some("admin".to_owned()),
            name => variables.get(name).cloned(),
        };
        let made = Functions::default().add(function, &env(&lookup), &Clock::System);
        assert_eq!(
            made.unwrap_err().to_string(),
            "ROLE_SCOPES is \"admin\"; set it to roles and their scopes, such as \
             admin=users:read users:write;editor=notes:write",
            "{function}"
        );
    }
    let lookup = |_: &str| None;
    assert_eq!(
        RoleScopes::from_env(&env(&lookup)).unwrap(),
        RoleScopes::default()
    );
}
