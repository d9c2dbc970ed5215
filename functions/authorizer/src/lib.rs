//! API Gateway Lambda authorizer: verifies the Bearer token before a request reaches a function.
//!
//! It needs no network and no permission: the keys are configuration. Its answer depends on the
//! token alone, since the gateway caches it for all routes.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use shared::observe::after_response::after_response;
use shared::observe::audit::AuditEvent;
use shared::observe::request_log::{RequestLog, in_ms, record_user};
use shared::platform::clock::Clock;
use shared::platform::config::{ConfigError, Env};
use shared::tokens::bearer;
use shared::tokens::claims::Claims;
use shared::tokens::context::AuthorizerContext;
use shared::tokens::verifier::{TokenError, Verifier};

/// Says whose a request is, or that it may not pass.
pub struct Authorizer {
    verifier: Verifier,
    clock: Clock,
}

/// What API Gateway asks: an authorizer event of payload format 2.0. Only what decides is read,
/// and what names the request in the log.
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

/// What API Gateway is told: a simple response of payload format 2.0.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether the request may pass.
    pub is_authorized: bool,
    /// What the functions learn of its sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<AuthorizerContext>,
}

impl Authorizer {
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

    /// Says whose the request is, or that it may not pass; why not is for the log, which gets one
    /// line of the request.
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
