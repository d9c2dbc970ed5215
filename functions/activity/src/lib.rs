//! `GET /activity`: the security events of an account.
//!
//! The function reads the event table alone. So it does not know whether the account is still
//! active: a token shows the account's events for as long as it is valid. What strangers do at the
//! account's address lies elsewhere in that table and is not shown.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::domain::event::StoredEvent;
use shared::domain::{EventId, SessionId, rfc3339};
use shared::http::{Authenticator, Handler, Identity, Problem, cursor, json};
use shared::observe::AuditEvent;
use shared::platform::{Clock, ConfigError, Env};
use shared::store::EventReader;

/// The most events in one response.
const PAGE: i32 = 100;

/// The age at which a repeat of a refresh token is listed, in seconds. Whoever has copied a session's
/// tokens and refreshes in step with its owner causes one at each refresh of the owner, and must not
/// learn here when that was.
const AGE_OF_REPEATS: u64 = 60 * 60;

/// Lists the events of accounts, each only to its owner.
pub struct Activity {
    events: EventReader,
    authenticator: Authenticator,
    clock: Clock,
}

/// A page of events, latest first.
#[derive(Serialize)]
struct List<'a> {
    events: Vec<View<'a>>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<EventId>,
}

/// What caused the events that an operator did, as the account's owner sees it.
const OPERATOR: &str = "operator";

/// An event as the account's owner sees it: that an operator did it, but not who and from where.
#[derive(Serialize)]
struct View<'a> {
    id: EventId,
    event: &'a str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    ip: &'a str,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
}

impl Activity {
    /// Reads the same settings as [`EventReader`] and [`Authenticator`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            events: EventReader::from_env(env)?,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            clock,
        })
    }

    async fn list(&self, owner: &Identity, request: &Request) -> Result<Response<Body>, Problem> {
        let before = cursor(request, EventId::given)?;
        let now = self.clock.now();
        let page = self.events.events_of(owner.user_id, before, PAGE, now);
        let page = page.await?;
        let shown = page.events.iter().filter(|event| is_shown(event, now));
        let list = List {
            events: shown.map(view).collect(),
            next_cursor: page.last,
        };
        json(StatusCode::OK, &list)
    }
}

impl Handler for Activity {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(&request)?;
        match *request.method() {
            Method::GET => self.list(&owner, &request).await,
            _ => Err(Problem::MethodNotAllowed { allow: "GET" }),
        }
    }

    async fn warm_up(&self) {
        self.events.warm_up().await;
    }
}

fn is_shown(event: &StoredEvent, now: u64) -> bool {
    let is_repeat = event.name == AuditEvent::RefreshTokenRepeated.name();
    !is_repeat || event.id.millis() / 1000 + AGE_OF_REPEATS <= now
}

fn view(event: &StoredEvent) -> View<'_> {
    let is_operator_s = event.actor.is_some();
    View {
        id: event.id,
        event: &event.name,
        at: rfc3339(event.id.millis() / 1000),
        session_id: event.session_id,
        ip: if is_operator_s { "" } else { &event.device.ip },
        user_agent: if is_operator_s {
            ""
        } else {
            &event.device.user_agent
        },
        reason: event.reason.as_deref(),
        by: match is_operator_s {
            true => Some(OPERATOR),
            false => event.by.as_deref(),
        },
    }
}
