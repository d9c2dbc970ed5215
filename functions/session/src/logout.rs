//! `POST /logout`: ends the session of a refresh token (RFC 7009).

use lambda_http::{Body, Request, Response};
use shared::http::{Problem, no_content};
use shared::observe::EndedBy;
use shared::store::sessions::Ended;

use crate::{Sessions, log_end, token};

impl Sessions {
    /// Returns 204 for every token, as RFC 7009 section 2.2 requires; a client could do nothing
    /// about an error. Only a token of the session ends it, current or replaced.
    pub(crate) async fn logout(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let Some(token) = token(request)? else {
            return Ok(no_content());
        };
        match self.store.end_session_of(&token).await? {
            Ended::Done => log_end(token.user_id(), token.session_id(), EndedBy::Logout),
            Ended::Refused(Some(found)) if found.is_ours(&token) => {
                self.end_as_read(&found, EndedBy::Logout).await?;
            }
            Ended::Refused(_) => {}
        }
        Ok(no_content())
    }
}
