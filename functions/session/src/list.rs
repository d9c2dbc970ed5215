//! `GET /sessions`: the sessions of an account.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::domain::session::Session;
use shared::domain::{SessionId, rfc3339};
use shared::http::{Problem, active, cursor, json};

use crate::Sessions;

/// The most sessions in one response.
const PAGE: i32 = 100;

/// An hour, to which `last_used_at` is rounded down: whoever has copied a session's tokens must not
/// learn here when its owner has just refreshed.
const HOUR: u64 = 60 * 60;

/// A page of sessions, latest first.
#[derive(Serialize)]
struct List<'a> {
    sessions: Vec<View<'a>>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<SessionId>,
}

/// A session as its owner sees it.
#[derive(Serialize)]
struct View<'a> {
    id: SessionId,
    created_at: String,
    last_used_at: String,
    ip: &'a str,
    user_agent: &'a str,
    /// Whether this session sent the request.
    current: bool,
}

impl Sessions {
    pub(crate) async fn list(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(request)?;
        let cursor = cursor(request, SessionId::given)?;
        let page = self.store.sessions(owner.user_id, cursor, PAGE).await?;
        let password_epoch = active(page.account)?.password_epoch;
        let now = self.clock.now();
        let is_live = |session: &&Session| {
            session.is_live(&self.policy, now) && session.password_epoch == password_epoch
        };
        let live = page.sessions.iter().filter(is_live);
        let list = List {
            sessions: live
                .map(|session| view(session, owner.session_id))
                .collect(),
            next_cursor: page.last,
        };
        json(StatusCode::OK, &list)
    }
}

fn view(session: &Session, current: SessionId) -> View<'_> {
    let last_used_at = session.last_used_at - session.last_used_at % HOUR;
    let last_used_at = last_used_at.max(session.created_at);
    View {
        id: session.id,
        created_at: rfc3339(session.created_at),
        last_used_at: rfc3339(last_used_at),
        ip: &session.device.ip,
        user_agent: &session.device.user_agent,
        current: session.id == current,
    }
}
