//! The fuzz targets, and the properties that they check. The tests replay the corpora.

use std::sync::LazyLock;

use authorizer::{Authorizer, Event};
use import::forms::{self, OldPassword, Site};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Request, http};
use shared::domain::email::Email;
use shared::domain::link::LinkToken;
use shared::domain::locale::Locale;
use shared::domain::name::Name;
use shared::domain::password::legacy::{LegacyScheme, Secrets, Work};
use shared::domain::password::{Password, PasswordPolicy, personal_words};
use shared::domain::session::RefreshToken;
use shared::http::fields::{Fields, Media};
use shared::http::sanitize::sanitize;
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use shared::platform::json;
use shared::tokens::bearer;
use shared::tokens::claims::Claims;
use shared::tokens::verifier::Verifier;

/// Keys of each kind. Their private halves were discarded, so nobody can make a valid token.
const JWKS: &str = include_str!("jwks.json");

fn variable(name: &str) -> Option<String> {
    match name {
        "JWKS" => Some(JWKS.to_owned()),
        "ISSUER" => Some("https://auth.example.com".to_owned()),
        _ => None,
    }
}

fn made<T, E: std::fmt::Debug>(from_env: impl FnOnce(&Env<'_>) -> Result<T, E>) -> T {
    match from_env(&Env::new(&variable)) {
        Ok(made) => made,
        Err(error) => unreachable!("the configuration above is right: {error:?}"),
    }
}

/// Verifies a token, or a token with these claims: it must not panic, and must be refused, since
/// nobody can sign.
pub fn verify_token(data: &[u8]) {
    static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| made(Verifier::from_env));
    let _ = json::parse::<Claims>(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = bearer::token(text);
        let _ = RefreshToken::parse(text);
        if let Some(token) = LinkToken::parse(text) {
            assert_eq!(token.expose(), text, "a token has one text");
        }
        for domain_name in [None, Some("auth.example.com")] {
            let verdict = VERIFIER.verify(text, domain_name, 1_800_000_000);
            assert!(verdict.is_err(), "accepted {text}");
        }
    }
}

/// Decodes an event as Lambda passes it. The authorizer must allow none.
#[expect(clippy::disallowed_methods, reason = "lambda_runtime parses events so")]
pub fn decode_event(data: &[u8]) {
    static AUTHORIZER: LazyLock<Authorizer> =
        LazyLock::new(|| made(|env| Authorizer::from_env(env, Clock::System)));
    if let Ok(event) = serde_json::from_slice::<Event>(data) {
        let verdict = AUTHORIZER.authorize(&event);
        assert!(!verdict.is_authorized && verdict.context.is_none());
    }
    if let Ok(mut event) = serde_json::from_slice::<LambdaRequest>(data) {
        sanitize(&mut event);
        let request = Request::from(event);
        let _ = Fields::read(&request, Media::Json);
    }
}

/// Parses a body. It must be refused as a client error, or give values that obey their rules.
pub fn parse_body(data: &[u8]) {
    static POLICY: LazyLock<PasswordPolicy> = LazyLock::new(|| made(PasswordPolicy::from_env));
    let request = http::Request::builder().header("content-type", "application/json");
    let Ok(request) = request.body(Body::Binary(data.to_vec())) else {
        return;
    };
    let read = Fields::read(&request, Media::Json).and_then(|mut fields| {
        let email = fields.required("email", Email::parse);
        let name = fields.optional("first_name", Name::parse);
        let locale = fields.nullable("locale", Locale::parse).flatten();
        let words = personal_words(email.as_ref(), [name.as_ref(), None]);
        let password = fields.required("password", |text| {
            let chosen = POLICY.choose(text, &words)?;
            assert!(Password::presented(text).is_ok(), "no login takes {text}");
            Ok(chosen)
        });
        let token = fields.optional("refresh_token", |text| Ok(RefreshToken::parse(text)));
        fields.finish(|| Some((email?, password?, token, locale)))
    });
    match read {
        Ok((email, _, _, locale)) => {
            let tag = locale.as_ref().map_or("", Locale::as_str);
            assert!(tag.is_ascii() && tag.len() <= Locale::MAX_LENGTH);
            assert!(email.ascii().is_ascii() && email.ascii().len() <= Email::MAX_LENGTH);
        }
        Err(problem) => assert!(problem.status().is_client_error(), "{problem:?}"),
    }
}

/// Parses a password that another system stored, in every format, and a scheme as the table keeps
/// it. What is accepted costs no more than the limit, and is written as it is read.
pub fn parse_stored_password(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let stored = json::parse::<serde_json::Value>(data).ok();
    let stored = stored.unwrap_or_else(|| text.into());
    let secret = "fuzz".parse().ok();
    for site in [Site::default(), Site { secret }] {
        for format in forms::formats() {
            match forms::parse(format.name, &stored, &site) {
                Ok(OldPassword::Digest { scheme, .. }) => try_scheme(&scheme),
                Ok(
                    OldPassword::Argon2id { .. } | OldPassword::Stored(_) | OldPassword::Unusable,
                ) => {}
                Err(error) => assert!(!error.detail.is_empty()),
            }
        }
    }
    if let Ok(scheme) = json::parse::<LegacyScheme>(data) {
        let _ = scheme.work();
        compute(&scheme);
    }
}

fn try_scheme(scheme: &LegacyScheme) {
    assert!(scheme.work().is_ok_and(|work| work <= Work::MOST));
    let written = serde_json::to_vec(scheme).unwrap_or_default();
    assert_eq!(
        json::parse::<LegacyScheme>(&written).as_ref().ok(),
        Some(scheme)
    );
    compute(scheme);
}

/// Computes the digests if that is quick.
fn compute(scheme: &LegacyScheme) {
    const QUICK: u64 = 200_000;
    if scheme.work().is_ok_and(|work| work.nanos <= QUICK) {
        let mut secrets = Secrets::default();
        if let Ok(name) = "fuzz".parse() {
            secrets.insert(name, "AAAA".into());
        }
        let _ = scheme.digests("pa'ss\0w\u{f6}rd", &secrets);
    }
}
