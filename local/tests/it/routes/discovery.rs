//! `GET /.well-known/*`, and verification of tokens with the published keys alone.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::support::app::{App, BEGINNING};

const JWKS: &str = "/.well-known/jwks.json";
const CONFIGURATION: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn the_published_keys_are_public_and_cacheable() {
    let app = App::start().await;
    let answer = app.get(JWKS).send().await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let keys = answer.json();
    let key = keys["keys"][0].as_object().unwrap();
    let mut members: Vec<_> = key.keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);

    let etag = answer.header("etag").to_owned();
    for known in [
        etag.clone(),
        format!("W/{etag}"),
        "*".to_owned(),
        format!("\"x\", {etag}"),
    ] {
        let again = app
            .get(JWKS)
            .header("if-none-match", &known)
            .send()
            .await
            .expect(304);
        assert_eq!(again.body, "");
        assert_eq!(again.header("etag"), etag);
        assert_eq!(again.header("cache-control"), "public, max-age=300");
    }
    app.get(JWKS)
        .header("if-none-match", "\"other\"")
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn the_configuration_says_what_is_true_and_no_more() {
    let app = App::start().await;
    let configuration = app.get(CONFIGURATION).send().await.expect(200).json();
    assert_eq!(
        configuration,
        json!({
            "issuer": app.local.url,
            "jwks_uri": format!("{}{JWKS}", app.local.url),
            "response_types_supported": [],
            "grant_types_supported": [],
        })
    );
}

#[tokio::test]
async fn the_configuration_names_the_scopes_of_all_roles_if_there_are_any() {
    let scopes = "editor=notes:write;admin=users:write users:read notes:write";
    let app = App::with(&[("RoleScopes", scopes)]).await;
    let configuration = app.get(CONFIGURATION).send().await.expect(200).json();
    assert_eq!(
        configuration["scopes_supported"],
        json!(["notes:write", "users:read", "users:write"])
    );
}

#[tokio::test]
async fn a_token_verifies_with_what_is_published_alone() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let configuration = app.get(CONFIGURATION).send().await.expect(200).json();
    let set: JwkSet =
        serde_json::from_value(app.get(JWKS).send().await.expect(200).json()).unwrap();
    let kid = decode_header(&ada.access_token).unwrap().kid.unwrap();
    let jwk = set.find(&kid).unwrap();
    let algorithm = jwk
        .common
        .key_algorithm
        .unwrap()
        .to_string()
        .parse()
        .unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[configuration["issuer"].as_str().unwrap()]);
    validation.set_audience(&["latchkey"]);
    // The token is valid at the test's time, not at the library's.
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(jwk).unwrap();
    let claims = decode::<Value>(&ada.access_token, &key, &validation)
        .unwrap()
        .claims;
    assert_eq!(claims["sub"], ada.id());
    assert_eq!(claims["iat"], BEGINNING);
}

#[tokio::test]
async fn other_methods_are_not_found() {
    let app = App::start().await;
    for method in ["POST", "PUT", "DELETE"] {
        app.call(method.parse().unwrap(), JWKS)
            .send()
            .await
            .expect(404);
    }
}
