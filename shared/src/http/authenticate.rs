//! Identifies the sender of a request.

use std::collections::HashMap;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::http::header::AUTHORIZATION;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};
use serde_json::Value;

use super::problem::{Problem, TokenRejection};
use crate::domain::account::{Account, Status};
use crate::domain::auth_method::AuthMethod;
use crate::domain::id::{Role, SessionId, UserId};
use crate::domain::scope::Scope;
use crate::observe::request_log;
use crate::platform::clock::Clock;
use crate::platform::config::{ConfigError, Env};
use crate::tokens::bearer;
use crate::tokens::context::AuthorizerContext;
use crate::tokens::verifier::{TokenError, Verifier};

/// The sender of a request, according to a verified access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account (`sub`).
    pub user_id: UserId,
    /// The session (`sid`).
    pub session_id: SessionId,
    /// The roles of the account when the token was issued.
    pub roles: Vec<Role>,
    /// The scopes that the roles brought when the token was issued.
    pub scopes: Vec<Scope>,
    /// Whether the account's owner had proven that the address is theirs when the token was issued.
    pub email_verified: bool,
    /// The time when the account's owner last gave the password in this session, in seconds since the
    /// epoch. It is 0 if an earlier version issued the token.
    pub auth_time: u64,
    /// How the account's owner has proven who they are. It is empty if an earlier version issued the
    /// token.
    pub amr: Vec<AuthMethod>,
}

impl Identity {
    /// Checks that the account has a role.
    ///
    /// # Errors
    ///
    /// Returns 403 `forbidden` if it has not.
    pub fn require_role(&self, role: &str) -> Result<(), Problem> {
        let has_role = self.roles.iter().any(|owned| owned.as_str() == role);
        has_role.then_some(()).ok_or(Problem::Forbidden)
    }

    /// Checks that the token has a scope.
    ///
    /// # Errors
    ///
    /// Returns 403 `insufficient-scope` with `WWW-Authenticate` if it has not.
    pub fn require_scope(&self, scope: &'static str) -> Result<(), Problem> {
        let has_scope = self.scopes.iter().any(|owned| owned.as_str() == scope);
        let refused = Problem::InsufficientScope { scope };
        has_scope.then_some(()).ok_or(refused)
    }
}

/// Identifies the sender of a request: from the context that the gateway's authorizer passes, or,
/// if there is no authorizer in front of the function, by verifying the Bearer token itself.
///
/// A route that is deployed without the authorizer is therefore as closed as one with it. Headers,
/// path and body say nothing about identity.
pub struct Authenticator {
    verifier: Verifier,
    clock: Clock,
}

impl Authenticator {
    /// Reads the same settings as [`Verifier::from_env`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            verifier: Verifier::from_env(env)?,
            clock,
        })
    }

    /// Returns the sender of `request`.
    ///
    /// # Errors
    ///
    /// Returns 401 with `WWW-Authenticate` if the request carries no valid identity.
    pub fn identify(&self, request: &Request) -> Result<Identity, Problem> {
        let identity = self.find(request)?;
        request_log::record_user(identity.user_id);
        Ok(identity)
    }

    fn find(&self, request: &Request) -> Result<Identity, Problem> {
        let context = gateway_context(request);
        let authorizer = context.and_then(|context| context.authorizer.as_ref());
        let now = self.clock.now();
        if let Some(authorizer) = authorizer.filter(|authorizer| !authorizer.fields.is_empty()) {
            return Ok(from_context(&authorizer.fields, now)?);
        }
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .ok_or(Problem::MissingToken)?;
        if request.headers().get_all(AUTHORIZATION).iter().count() > 1 {
            return Err(TokenRejection::Token(TokenError::NotBearer).into());
        }
        // A header with octets outside ASCII holds no token; the empty string is refused as one.
        let token = bearer::token(header.to_str().unwrap_or_default())?;
        let claims = self.verifier.verify(token, domain_name(request), now)?;
        Ok(AuthorizerContext::from(claims).into())
    }
}

impl From<AuthorizerContext> for Identity {
    fn from(context: AuthorizerContext) -> Self {
        Self {
            user_id: context.user_id,
            session_id: context.session_id,
            roles: context.roles,
            scopes: context.scopes,
            email_verified: context.email_verified,
            auth_time: context.auth_time,
            amr: context.amr,
        }
    }
}

/// Returns API Gateway's context of a request, or `None` if the request did not come through it.
pub fn gateway_context(request: &Request) -> Option<&ApiGatewayV2httpRequestContext> {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => Some(context),
        _ => None,
    }
}

/// Returns the domain that a request reached, or `None` if it did not come through API Gateway.
pub fn domain_name(request: &Request) -> Option<&str> {
    gateway_context(request)?.domain_name.as_deref()
}

/// Returns the account of a token if the account is active. The token may have outlived it.
///
/// # Errors
///
/// Returns [`TokenRejection::Account`] otherwise.
pub fn active(account: Option<Account>) -> Result<Account, TokenRejection> {
    account
        .filter(|account| account.status == Status::Active)
        .ok_or(TokenRejection::Account)
}

/// Reads the identity from the context that the authorizer passed.
///
/// # Errors
///
/// Returns an error if this service's authorizer did not write the context, or if the token has
/// expired: the gateway may cache the context past the token's end.
fn from_context(fields: &HashMap<String, Value>, now: u64) -> Result<Identity, TokenRejection> {
    let context = AuthorizerContext::parse(fields)?;
    if context.exp.saturating_add(Verifier::LEEWAY) <= now {
        return Err(TokenRejection::Expired);
    }
    Ok(context.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tokens::context::ForeignContext;

    fn at(exp: u64) -> Result<Identity, TokenRejection> {
        let fields = HashMap::from([
            (
                "sub".to_owned(),
                json!("018bcfe5-687b-7000-8000-000000000001"),
            ),
            (
                "sid".to_owned(),
                json!("018bcfe5-687b-7000-8000-000000000002"),
            ),
            ("roles".to_owned(), json!("admin")),
            ("scope".to_owned(), json!("users:read notes:write")),
            ("exp".to_owned(), json!(exp)),
        ]);
        from_context(&fields, 1_000)
    }

    #[test]
    fn a_cached_answer_does_not_outlive_its_token() {
        assert!(at(971).is_ok(), "within the leeway");
        assert_eq!(at(970), Err(TokenRejection::Expired));
    }

    #[test]
    fn a_role_is_required_letter_for_letter() {
        let identity = at(971).unwrap();
        assert!(identity.require_role("admin").is_ok());
        for other in ["", "Admin", "admins", "adm", "*"] {
            let refused = identity.require_role(other);
            assert!(matches!(refused, Err(Problem::Forbidden)), "{other}");
        }
    }

    #[test]
    fn a_scope_is_required_letter_for_letter_and_the_refusal_names_it() {
        let identity = at(971).unwrap();
        assert!(identity.require_scope("users:read").is_ok());
        assert!(identity.require_scope("notes:write").is_ok());
        for other in ["", "users", "Users:read", "users:read notes:write", "*"] {
            let refused = identity.require_scope(other).unwrap_err();
            let response = refused.to_response("r-1");
            assert_eq!(response.status(), 403, "{other}");
            assert_eq!(
                response.headers()["www-authenticate"],
                format!(
                    "Bearer realm=\"latchkey\", error=\"insufficient_scope\", scope=\"{other}\""
                )
            );
        }
    }

    #[test]
    fn a_context_that_is_not_ours_is_nobody() {
        let nothing = from_context(&HashMap::new(), 1_000);
        assert_eq!(nothing, Err(TokenRejection::Context(ForeignContext)));
    }
}
