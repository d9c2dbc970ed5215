//! `GET /sessions`: the sessions of an account.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::domain::SessionId;
use shared::domain::session::{Session, SessionView};
use shared::http::{LiveSession, Problem, cursor, json};

use crate::Sessions;

/// The most sessions in one response.
const PAGE: i32 = 100;

/// A page of sessions, latest first.
#[derive(Serialize)]
struct List<'a> {
    sessions: Vec<SessionView<'a>>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<SessionId>,
}

impl Sessions {
    /// Returns the sessions to whoever has a live one among them. This takes one request if all are
    /// in one page.
    pub(crate) async fn list(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(request)?;
        let cursor = cursor(request, SessionId::given)?;
        let page = self.store.sessions(owner.user_id, cursor, PAGE).await?;
        let now = self.clock.now();
        let mut own = page.sessions.iter();
        let own = own.find(|session| session.id == owner.session_id).cloned();
        let live = match LiveSession::of((own, page.account), &self.policy, now) {
            Ok(live) => live,
            // The session of the request, or the account, may be in another page.
            Err(_) => LiveSession::read(&self.store, &owner, &self.policy, now).await?,
        };
        let password_epoch = live.account.password_epoch;
        let is_live = |session: &&Session| {
            session.is_live(&self.policy, now) && session.password_epoch == password_epoch
        };
        let live = page.sessions.iter().filter(is_live);
        let list = List {
            sessions: live.map(|session| session.view(owner.session_id)).collect(),
            next_cursor: page.last,
        };
        json(StatusCode::OK, &list)
    }
}
