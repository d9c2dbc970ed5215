//! API Gateway Lambda authorizer: verifies the Bearer token before a request reaches a function.
//!
//! It needs no network and no permission, because the keys are configuration. Its answer depends
//! only on the token, since the gateway caches it for all routes.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use shared::observe::AuditEvent;
use shared::observe::after_response::after_response;
use shared::observe::request_log::{RequestLog, in_ms, record_user};
use shared::platform::{Clock, ConfigError, Env};
use shared::tokens::bearer;
use shared::tokens::claims::Claims;
use shared::tokens::context::AuthorizerContext;
use shared::tokens::verifier::{TokenError, Verifier};

/// Identifies the sender of a request, or refuses the request.
pub struct Authorizer {
    verifier: Verifier,
    clock: Clock,
}

/// An authorizer event of payload format 2.0. Only the members that decide, and those that identify
/// the request in the log, are parsed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The values of the identity sources, in their order: here, the `Authorization` header.
    #[serde(default)]
    identity_source: Option<Vec<String>>,
    #[serde(default)]
    request_context: RequestContext,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    #[serde(default)]
    route_key: Option<String>,
    #[serde(default)]
    domain_name: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
}

/// The answer to API Gateway: a simple response of payload format 2.0.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether the request may pass.
    pub is_authorized: bool,
    /// The context that is passed to functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<AuthorizerContext>,
}

impl Authorizer {
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

    /// Returns the sender of the request, or refuses the request. Writes one line to the log. Only
    /// the log has the reason for a refusal.
    pub fn authorize(&self, event: &Event) -> Verdict {
        let started = Instant::now();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let log = RequestLog::new(
            text(&event.request_context.request_id),
            text(&event.request_context.route_key),
        );
        let (verdict, log) = log.during_sync(|| self.verdict(event));
        let authorized = verdict.is_authorized;
        let duration_ms = in_ms(started.elapsed());
        after_response(move || {
            let RequestLog {
                request_id,
                route,
                user_id,
                cold_starts,
                ..
            } = log;
            tracing::info!(
                request_id,
                route,
                authorized,
                duration_ms,
                user_id,
                cold_starts,
                "request"
            );
        });
        verdict
    }

    fn verdict(&self, event: &Event) -> Verdict {
        match self.claims(event) {
            Ok(claims) => {
                record_user(claims.sub);
                Verdict {
                    is_authorized: true,
                    context: Some(claims.into()),
                }
            }
            Err(refused) => {
                AuditEvent::TokenRefused.of_nobody().because(refused).log();
                Verdict {
                    is_authorized: false,
                    context: None,
                }
            }
        }
    }

    fn claims(&self, event: &Event) -> Result<Claims, TokenError> {
        let [header] = event.identity_source.as_deref().unwrap_or_default() else {
            return Err(TokenError::NotBearer);
        };
        let token = bearer::token(header)?;
        let domain_name = event.request_context.domain_name.as_deref();
        self.verifier.verify(token, domain_name, self.clock.now())
    }
}
