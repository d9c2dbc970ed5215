//! `GET /.well-known/jwks.json`, `GET /.well-known/openid-configuration`: publishes the keys that
//! verify tokens, so that other services can verify tokens too. This function needs no permission.

use std::borrow::Cow;

use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use lambda_http::http::{HeaderValue, Method};
use lambda_http::{Body, Request, Response};
use shared::domain::{RoleScopes, Scope};
use shared::http::{Handler, Preconditions, Problem, domain_name, etag};
use shared::platform::{ConfigError, Env};
use shared::tokens::audience::IssuerName;
use shared::tokens::jwks::{KeySet, unusable};

/// Publishes the keys that verify tokens.
pub struct Discovery {
    issuer: IssuerName,
    scopes: Vec<Scope>,
    jwks: String,
}

impl Discovery {
    /// Reads the same settings as [`KeySet::document`], [`IssuerName`] and [`RoleScopes`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            issuer: IssuerName::from_env(env)?,
            scopes: RoleScopes::from_env(env)?.all(),
            jwks: KeySet::published(&KeySet::document(env)?).map_err(unusable)?,
        })
    }

    /// Returns authorization server metadata (RFC 8414 section 2), at the path of OpenID Connect
    /// Discovery 1.0, where API Gateway looks for it. It lists the keys and no grants, since no
    /// grant goes through a browser. The scopes are left out if no role brings any (section 3.2).
    fn metadata(&self, request: &Request) -> Result<String, Problem> {
        let issuer = self.issuer.at(domain_name(request));
        let issuer =
            issuer.ok_or_else(|| Problem::Internal("the issuer is unknown: set ISSUER".into()))?;
        let mut metadata = serde_json::json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "response_types_supported": [],
            "grant_types_supported": [],
        });
        if !self.scopes.is_empty() {
            let scopes: Vec<_> = self.scopes.iter().map(Scope::as_str).collect();
            metadata["scopes_supported"] = scopes.into();
        }
        Ok(metadata.to_string())
    }
}

impl Handler for Discovery {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if *request.method() != Method::GET {
            return Err(Problem::MethodNotAllowed { allow: "GET" });
        }
        let path = request.uri().path();
        let document = if path.ends_with("/jwks.json") {
            Cow::Borrowed(self.jwks.as_str())
        } else if path.ends_with("/openid-configuration") {
            Cow::Owned(self.metadata(&request)?)
        } else {
            return Err(Problem::NotFound);
        };
        Preconditions::of(&request).answer(cacheable(&document), &etag::of_document(&document))
    }
}

/// Returns a document that clients may cache for five minutes. A new key must therefore be
/// published five minutes before it signs.
fn cacheable(document: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    // The gateway adds CORS headers for the page that asks; a cache must not give them to another.
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    response
}
