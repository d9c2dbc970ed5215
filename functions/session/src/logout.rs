//! `POST /logout`: ends the session of a refresh token (RFC 7009).

use lambda_http::{Body, Request, Response};
use shared::http::{Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};
use shared::store::sessions::Ended;

use crate::{Sessions, token};

impl Sessions {
    /// Returns 204 for every token, as RFC 7009 section 2.2 requires; a client could do nothing
    /// about an error. Only a token of the session ends it, current or replaced.
    pub(crate) async fn logout(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let Some(token) = token(request)? else {
            return Ok(no_content());
        };
        match self.store.end_session_of(&token).await? {
            Ended::Done => AuditEvent::SessionEnded
                .of(token.user_id())
                .session(token.session_id())
                .by(EndedBy::Logout)
                .log(),
            Ended::Refused(Some(found)) if found.is_ours(&token) => {
                self.end(found.user_id, found.id, 0, EndedBy::Logout)
                    .await?;
            }
            Ended::Refused(_) => {}
        }
        Ok(no_content())
    }
}
