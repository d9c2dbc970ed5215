//! `DELETE /sessions`: ends all sessions of an account, or all but the one of the request.

use lambda_http::{Body, Request, RequestExt as _, Response};
use shared::domain::{Event, FieldError, Violation};
use shared::http::{LiveSession, Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};

use crate::Sessions;

impl Sessions {
    /// Ends the sessions if that of the request is live: a token that has outlived its session must
    /// not end those that the owner has begun since.
    pub(crate) async fn end_all(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(request)?;
        let now = self.clock.now();
        let spared = others(request)?.then_some(owner.session_id);
        let ended = AuditEvent::SessionsEnded.of(owner.user_id);
        let ended = match spared {
            Some(session) => ended.session(session),
            None => ended,
        };
        LiveSession::read(&self.store, &owner, &self.policy, now).await?;
        let origin = self.origin(request);
        let events = [Event::new(ended.by(EndedBy::Owner), owner.user_id, &origin)];
        let (user, own) = (owner.user_id, owner.session_id);
        self.store.end_sessions(user, Some(own)).await?;
        // Its own session, without which a client cannot repeat the call, ends last, and in one write
        // with the event of the end of all. If a request fails, the client repeats the call.
        let is_told = match spared {
            Some(_) => false,
            None => self.store.end_session(user, own, now, &events).await?,
        };
        if !is_told {
            let [event] = &events;
            self.store.record([event]).await?;
        }
        events.into_iter().for_each(Event::log);
        Ok(no_content())
    }
}

/// Returns whether the session of the request is spared: `others` is `true` or `false`, or missing.
fn others(request: &Request) -> Result<bool, Problem> {
    let parameters = request.query_string_parameters_ref();
    match parameters.and_then(|parameters| parameters.first("others")) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let reason = Violation::new(
                "invalid-others",
                "has a parameter others that is neither true nor false",
            );
            Err(Problem::InvalidFields(vec![FieldError::of_body(reason)]))
        }
    }
}
