//! `GET /activity`: the security events of an account.
//!
//! They are shown to a live session only: a token that has outlived its session must not show where
//! the owner is by now. What strangers do at the account's address lies elsewhere in the table of
//! events and is not shown.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::domain::EventId;
use shared::domain::event::EventView;
use shared::domain::session::SessionPolicy;
use shared::http::{Authenticator, Handler, Identity, LiveSession, Problem, cursor, json};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{EventReader, Store};

/// The most events in one response.
const PAGE: i32 = 100;

/// Lists the events of accounts, each only to its owner.
pub struct Activity {
    store: Store,
    events: EventReader,
    authenticator: Authenticator,
    sessions: SessionPolicy,
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
    /// Reads the same settings as [`Store`], [`Authenticator`] and [`SessionPolicy`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        let store = Store::from_env(env)?;
        Ok(Self {
            events: store.event_reader(),
            store,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            sessions: SessionPolicy::from_env(env)?,
            clock,
        })
    }

    async fn list(&self, owner: &Identity, request: &Request) -> Result<Response<Body>, Problem> {
        let before = cursor(request, EventId::given)?;
        let now = self.clock.now();
        let page = self.events.events_of(owner.user_id, before, PAGE, now);
        let page = page.await?;
        // After the events: none is shown that came after the end of the session.
        LiveSession::read(&self.store, owner, &self.sessions, now).await?;
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
