//! `GET /admin/users/{id}/activity`: the security events of an account, with the operators who
//! caused them. Those of an account that is gone are shown too.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::domain::event::StoredEvent;
use shared::domain::{EventId, SessionId, UserId, rfc3339};
use shared::http::{Problem, cursor, json};

use super::Admin;

/// The most events in one response.
const PAGE: i32 = 100;

/// A page of events, latest first.
#[derive(Serialize)]
struct List<'a> {
    events: Vec<View<'a>>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<EventId>,
}

/// An event as administrators see it.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
}

impl Admin {
    /// Lists the events of an account.
    ///
    /// # Errors
    ///
    /// Returns 404 if there is no such account and no event of one.
    pub(super) async fn activity(
        &self,
        id: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let user = UserId::given(id).map_err(|_| Problem::NotFound)?;
        let before = cursor(request, EventId::given)?;
        let page = self
            .events
            .events_of(user, before, PAGE, self.clock.now())
            .await?;
        // An account that is gone has events for a while.
        if page.events.is_empty() && page.last.is_none() && before.is_none() {
            self.find(id).await?;
        }
        let list = List {
            events: page.events.iter().map(view).collect(),
            next_cursor: page.last,
        };
        json(StatusCode::OK, &list)
    }
}

fn view(event: &StoredEvent) -> View<'_> {
    View {
        id: event.id,
        event: &event.name,
        at: rfc3339(event.id.millis() / 1000),
        session_id: event.session_id,
        ip: &event.device.ip,
        user_agent: &event.device.user_agent,
        reason: event.reason.as_deref(),
        by: event.by.as_deref(),
        actor: event.actor.as_deref(),
    }
}
