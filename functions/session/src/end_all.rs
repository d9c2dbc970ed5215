//! `DELETE /sessions`: ends all sessions of an account, or all but the one of the request.

use lambda_http::{Body, Request, RequestExt as _, Response};
use shared::domain::{FieldError, Violation};
use shared::http::{Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};

use crate::Sessions;

impl Sessions {
    pub(crate) async fn end_all(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(request)?;
        let spared = others(request)?.then_some(owner.session_id);
        self.store.end_sessions(owner.user_id, spared).await?;
        let event = AuditEvent::SessionsEnded
            .of(owner.user_id)
            .by(EndedBy::Owner);
        match spared {
            Some(session) => event.session(session).log(),
            None => event.log(),
        }
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
