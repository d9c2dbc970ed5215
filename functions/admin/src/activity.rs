//! `GET /admin/users/{id}/activity`: the security events of an account, with the operators who
//! caused them. Those of an account that is gone are shown too.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::domain::event::{EventView, StoredEvent};
use shared::domain::{EventId, UserId};
use shared::http::{Problem, cursor, json};

use super::Admin;

/// The most events in one response.
const PAGE: i32 = 100;

/// A page of events, latest first.
#[derive(Serialize)]
struct List<'a> {
    events: Vec<EventView<'a>>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<EventId>,
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
            events: page.events.iter().map(StoredEvent::operator_view).collect(),
            next_cursor: page.last,
        };
        json(StatusCode::OK, &list)
    }
}
