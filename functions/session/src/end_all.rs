//! `DELETE /sessions`: ends all sessions of an account, or all but the one of the request.

use lambda_http::{Body, Request, RequestExt as _, Response};
use shared::domain::{Event, FieldError, Violation};
use shared::http::{Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};

use crate::Sessions;

impl Sessions {
    pub(crate) async fn end_all(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(request)?;
        let spared = others(request)?.then_some(owner.session_id);
        let ended = AuditEvent::SessionsEnded.of(owner.user_id);
        let ended = match spared {
            Some(session) => ended.session(session),
            None => ended,
        };
        let origin = self.origin(request);
        let event = Event::new(ended.by(EndedBy::Owner), owner.user_id, &origin);
        self.store.end_sessions(owner.user_id, spared).await?;
        // It is stored after the end, which takes several requests. If this fails, the client repeats
        // the call, and this one with it.
        let stored = self.store.record([&event]).await;
        event.log();
        stored?;
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
