//! Who sends a request.

use std::collections::HashMap;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::http::header::AUTHORIZATION;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};
use serde_json::Value;

use super::problem::{Problem, TokenRejection};
use crate::domain::id::{Role, SessionId, UserId};
use crate::observe::request_log;
use crate::platform::clock::Clock;
use crate::platform::config::{ConfigError, Env};
use crate::tokens::bearer;
use crate::tokens::verifier::{TokenError, Verifier};

/// Who sends a request, as a verified access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account (`sub`).
    pub user_id: UserId,
    /// The session (`sid`).
    pub session_id: SessionId,
    /// What its owner may do, as of the token's issue.
    pub roles: Vec<Role>,
}

/// Finds out who sends a request: from what the gateway's authorizer has handed on, or, where no
/// authorizer stands before the function, by verifying the Bearer token itself.
///
/// So a route that was deployed without the authorizer is as closed as one with it. Headers, path
/// and body say nothing about identity.
pub struct Authenticator {
    verifier: Verifier,
    clock: Clock,
}

impl Authenticator {
    /// Reads what [`Verifier::from_env`] reads.
    ///
    /// # Errors
    ///
    /// Where any of it is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            verifier: Verifier::from_env(env)?,
            clock,
        })
    }

    /// Who sends `request`.
    ///
    /// # Errors
    ///
    /// 401 with `WWW-Authenticate` where nobody is known to.
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
        // Octets outside ASCII make no token; an empty text is refused as one.
        let token = bearer::token(header.to_str().unwrap_or_default())?;
        let domain_name = context.and_then(|context| context.domain_name.as_deref());
        let claims = self.verifier.verify(token, domain_name, now)?;
        Ok(Identity {
            user_id: claims.sub,
            session_id: claims.sid,
            roles: claims.roles,
        })
    }
}

/// What API Gateway says of a request, or `None` where it did not come through one.
pub fn gateway_context(request: &Request) -> Option<&ApiGatewayV2httpRequestContext> {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => Some(context),
        _ => None,
    }
}

/// Reads the context that our authorizer gives: `sub`, `sid`, `roles` and `exp`. The gateway may
/// have cached it past the token's end, so the end is checked here again.
fn from_context(fields: &HashMap<String, Value>, now: u64) -> Result<Identity, TokenRejection> {
    let text = |name| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .ok_or(TokenRejection::Context)
    };
    let roles = text("roles")?
        .split(' ')
        .filter(|role| !role.is_empty())
        .map(str::parse);
    let identity = Identity {
        user_id: text("sub")?.parse().map_err(|_| TokenRejection::Context)?,
        session_id: text("sid")?.parse().map_err(|_| TokenRejection::Context)?,
        roles: roles
            .collect::<Result<_, _>>()
            .map_err(|_| TokenRejection::Context)?,
    };
    // A number; emulators and parameter mappings turn it into its digits.
    let exp = match fields.get("exp") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        _ => None,
    };
    if exp
        .ok_or(TokenRejection::Context)?
        .saturating_add(Verifier::LEEWAY)
        <= now
    {
        return Err(TokenRejection::Expired);
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SUB: &str = "018bcfe5-687b-7000-8000-000000000001";
    const SID: &str = "018bcfe5-687b-7000-8000-000000000002";

    fn context(changes: Value) -> Result<Identity, TokenRejection> {
        let mut fields = json!({"sub": SUB, "sid": SID, "roles": "admin a:b", "exp": 1_000});
        let fields = fields.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        let fields = std::mem::take(fields).into_iter().collect();
        from_context(&fields, 1_000)
    }

    #[test]
    fn the_context_of_our_authorizer_is_an_identity() {
        let identity = context(json!({})).unwrap();
        assert_eq!(identity.user_id.to_string(), SUB);
        assert_eq!(identity.session_id.to_string(), SID);
        assert_eq!(identity.roles.len(), 2);
        assert!(context(json!({"roles": ""})).unwrap().roles.is_empty());
        assert_eq!(context(json!({"exp": "1000"})), Ok(identity));
    }

    #[test]
    fn a_context_that_is_not_ours_is_nobody() {
        for changes in [
            json!({"sub": null}),
            json!({"sub": 7}),
            json!({"sub": "ada"}),
            json!({"sid": null}),
            json!({"sid": ""}),
            json!({"roles": null}),
            json!({"roles": ["admin"]}),
            json!({"roles": "Admin"}),
            json!({"exp": null}),
            json!({"exp": -1}),
            json!({"exp": 1000.5}),
            json!({"exp": "soon"}),
            json!({"exp": true}),
        ] {
            assert_eq!(
                context(changes.clone()),
                Err(TokenRejection::Context),
                "{changes}"
            );
        }
    }

    #[test]
    fn a_cached_answer_does_not_outlive_its_token() {
        assert!(context(json!({"exp": 971})).is_ok(), "within the leeway");
        assert_eq!(context(json!({"exp": 970})), Err(TokenRejection::Expired));
    }
}
