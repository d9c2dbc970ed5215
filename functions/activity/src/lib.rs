//! `GET /activity`: the security events of an account.
//!
//! The function reads the event table alone. So it does not know whether the account is still
//! active: a token shows the account's events for as long as it is valid. What strangers do at the
//! account's address lies elsewhere in that table and is not shown.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::domain::EventId;
use shared::domain::event::EventView;
use shared::http::{Authenticator, Handler, Identity, Problem, cursor, json};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::EventReader;

/// The most events in one response.
const PAGE: i32 = 100;

/// Lists the events of accounts, each only to its owner.
pub struct Activity {
    events: EventReader,
    authenticator: Authenticator,
    clock: Clock,
}

/// A page of events, latest first.
#[derive(Serialize)]
struct List<'a> {
    events: Vec<EventView<'a>>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<EventId>,
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
        let events = page.events.iter();
        let list = List {
            events: events.filter_map(|event| event.owner_view(now)).collect(),
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
