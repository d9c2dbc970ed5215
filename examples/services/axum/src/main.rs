// cargo add axum serde_json; cargo add ureq --features json; cargo add tokio --features full
// cargo add jsonwebtoken --no-default-features --features aws_lc_rs
use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

struct Verifier {
    issuer: String,
    audience: String,
    keys: Mutex<(JwkSet, Instant)>, // and when they were last asked for
}

impl Verifier {
    /// The claims of a token whose signature, issuer, audience, time and type are right.
    async fn claims(self: &Arc<Self>, headers: &HeaderMap) -> Option<Value> {
        let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = authorization.split_once(' ')?;
        let head = decode_header(token).ok()?;
        if !scheme.eq_ignore_ascii_case("bearer") || head.typ.as_deref() != Some("at+jwt") {
            return None;
        }
        // A task of its own: a client that hangs up must not end a fetch that all others need.
        let key = tokio::spawn(Arc::clone(self).key(head.kid?)).await.ok()??;
        let key = DecodingKey::from_jwk(&key).ok()?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Some(decode(token, &key, &validation).ok()?.claims)
    }

    /// Keys rotate: fetches them again for a name that is new, but at most once a minute, and after
    /// five minutes for any, so that a key which was taken back is forgotten.
    async fn key(self: Arc<Self>, kid: String) -> Option<Jwk> {
        let mut keys = self.keys.lock().await;
        let minutes = if keys.0.find(&kid).is_some() { 5 } else { 1 };
        if keys.1.elapsed() >= Duration::from_secs(60 * minutes) {
            keys.1 = Instant::now();
            let issuer = self.issuer.clone();
            if let Ok(Ok(fresh)) = spawn_blocking(move || fetch(&issuer)).await {
                keys.0 = fresh;
            }
        }
        keys.0.find(&kid).cloned()
    }
}

fn fetch(issuer: &str) -> Result<JwkSet, ureq::Error> {
    let request = ureq::get(format!("{issuer}/.well-known/jwks.json")).config();
    let request = request.timeout_global(Some(Duration::from_secs(3))).build();
    request.call()?.body_mut().read_json()
}

async fn authenticated(
    State(verifier): State<Arc<Verifier>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(claims) = verifier.claims(request.headers()).await else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    };
    request.extensions_mut().insert(claims);
    next.run(request).await
}

type Refusal = (StatusCode, [(HeaderName, String); 1]);

fn require_scope(claims: &Value, scope: &str) -> Result<(), Refusal> {
    let granted = claims["scope"].as_str().unwrap_or_default();
    if granted.split(' ').any(|one| one == scope) {
        return Ok(());
    }
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    Err((
        StatusCode::FORBIDDEN,
        [(header::WWW_AUTHENTICATE, challenge)],
    ))
}

async fn notes(Extension(claims): Extension<Value>) -> Json<Value> {
    Json(json!({ "owner": claims["sub"] }))
}

async fn write(Extension(claims): Extension<Value>) -> Result<(StatusCode, Json<Value>), Refusal> {
    require_scope(&claims, "notes:write")?;
    Ok((StatusCode::CREATED, notes(Extension(claims)).await))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = env::var("ISSUER")?;
    let verifier = Arc::new(Verifier {
        keys: Mutex::new((fetch(&issuer)?, Instant::now())),
        audience: env::var("AUDIENCE").unwrap_or_else(|_| "latchkey".into()),
        issuer,
    });
    let app = Router::new()
        .route("/notes", get(notes).post(write))
        .layer(from_fn_with_state(verifier, authenticated));
    let port = env::var("PORT").unwrap_or_else(|_| "3001".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    Ok(axum::serve(listener, app).await?)
}
