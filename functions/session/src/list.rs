//! `GET /sessions`: the sessions of an account.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt as _, Response};
use serde::Serialize;
use shared::edge::http::json;
use shared::edge::problem::{Problem, Refusal};
use shared::fault::{Fault, Reason};
use shared::people::account::{Status, rfc3339};
use shared::people::id::SessionId;
use shared::people::session::Session;

use crate::Sessions;

/// The most sessions of one answer.
const PAGE: i32 = 100;

/// A part of the sessions, the latest first.
#[derive(Serialize)]
struct List<'a> {
    sessions: Vec<View<'a>>,
    /// To be given as `cursor` for the next part.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A session as its owner sees it.
#[derive(Serialize)]
struct View<'a> {
    id: SessionId,
    created_at: String,
    last_used_at: String,
    ip: &'a str,
    user_agent: &'a str,
    /// Whether it is the one that asks.
    current: bool,
}

/// Where a part begins, and the epoch of the account's password, which only the first part reads.
struct Cursor {
    after: SessionId,
    password_epoch: u64,
}

impl Sessions {
    pub(crate) async fn list(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(request)?;
        let cursor = cursor(request)?;
        let after = cursor.as_ref().map(|cursor| cursor.after);
        let page = self.store.sessions(owner.user_id, after, PAGE).await?;
        let password_epoch = match (&cursor, &page.account) {
            (Some(cursor), _) => cursor.password_epoch,
            (None, Some(account)) if account.status == Status::Active => account.password_epoch,
            (None, _) => return Err(Refusal::Account.into()),
        };
        let now = self.clock.now();
        let is_live = |session: &&Session| {
            session.is_live(&self.policy, now) && session.password_epoch == password_epoch
        };
        let live = page.sessions.iter().rev().filter(is_live);
        let list = List {
            sessions: live
                .map(|session| view(session, owner.session_id))
                .collect(),
            next_cursor: page.last.map(|last| format!("{last}.{password_epoch}")),
        };
        json(StatusCode::OK, &list)
    }
}

fn view(session: &Session, current: SessionId) -> View<'_> {
    View {
        id: session.id,
        created_at: rfc3339(session.created_at),
        last_used_at: rfc3339(session.last_used_at),
        ip: &session.device.ip,
        user_agent: &session.device.user_agent,
        current: session.id == current,
    }
}

fn cursor(request: &Request) -> Result<Option<Cursor>, Problem> {
    let parameters = request.query_string_parameters_ref();
    let Some(text) = parameters.and_then(|parameters| parameters.first("cursor")) else {
        return Ok(None);
    };
    let read = |text: &str| {
        let (after, password_epoch) = text.split_once('.')?;
        let (after, password_epoch) = (after.parse().ok()?, password_epoch.parse().ok()?);
        Some(Cursor {
            after,
            password_epoch,
        })
    };
    read(text).map(Some).ok_or_else(|| {
        let reason = Reason::new("invalid-cursor", "the cursor is none that was given out");
        Problem::InvalidFields(vec![Fault::of_body(reason)])
    })
}
