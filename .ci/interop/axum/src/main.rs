// cargo add axum serde_json; cargo add ureq --features json; cargo add tokio --features full
// cargo add jsonwebtoken --no-default-features --features aws_lc_rs
use std::env;
use std::sync::{Arc, RwLock};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

struct Verifier {
    issuer: String,
    audience: String,
    keys: RwLock<JwkSet>,
}

impl Verifier {
    /// The claims of a token that is good, whose signature, issuer, audience and time are checked.
    fn claims(&self, headers: &HeaderMap) -> Option<Value> {
        let (scheme, token) = headers
            .get(header::AUTHORIZATION)?
            .to_str()
            .ok()?
            .split_once(' ')?;
        let head = decode_header(token).ok()?;
        if !scheme.eq_ignore_ascii_case("bearer") || head.typ.as_deref() != Some("at+jwt") {
            return None;
        }
        let keys = self.keys.read().ok()?;
        let key = DecodingKey::from_jwk(keys.find(&head.kid?)?).ok()?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Some(decode(token, &key, &validation).ok()?.claims)
    }
}

fn fetch(issuer: &str) -> Result<JwkSet, ureq::Error> {
    let mut answer = ureq::get(format!("{issuer}/.well-known/jwks.json")).call()?;
    answer.body_mut().read_json()
}

async fn authenticated(
    State(verifier): State<Arc<Verifier>>,
    mut request: Request,
    next: Next,
) -> Response {
    match verifier.claims(request.headers()) {
        Some(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        None => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
            (StatusCode::UNAUTHORIZED, challenge).into_response()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = env::var("ISSUER")?;
    let audience = env::var("AUDIENCE").unwrap_or_else(|_| "latchkey".into());
    let keys = RwLock::new(fetch(&issuer)?);
    let verifier = Arc::new(Verifier {
        issuer,
        audience,
        keys,
    });
    let notes = get(|Extension(claims): Extension<Value>| async move {
        Json(json!({ "owner": claims["sub"] }))
    });
    let app = Router::new()
        .route("/notes", notes)
        .layer(from_fn_with_state(Arc::clone(&verifier), authenticated));
    // Keys rotate: look again every five minutes, as long as the answer may be kept.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(std::time::Duration::from_secs(300));
            if let (Ok(fresh), Ok(mut keys)) = (fetch(&verifier.issuer), verifier.keys.write()) {
                *keys = fresh;
            }
        }
    });
    let port = env::var("PORT").unwrap_or_else(|_| "3001".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    Ok(axum::serve(listener, app).await?)
}
