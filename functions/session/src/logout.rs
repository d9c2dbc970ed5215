//! `POST /logout`: ends the session of a refresh token (RFC 7009).

use lambda_http::{Body, Request, Response};
use shared::domain::Event;
use shared::http::{Problem, no_content};
use shared::observe::EndedBy;
use shared::store::sessions::Ended;

use crate::{Sessions, ended, token};

impl Sessions {
    /// Returns 204 for every token, as RFC 7009 section 2.2 requires; a client could do nothing
    /// about an error. Only a token of the session ends it, current or replaced.
    pub(crate) async fn logout(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let Some(token) = token(request)? else {
            return Ok(no_content());
        };
        let (user, session) = (token.user_id(), token.session_id());
        let event = ended(user, session, EndedBy::Logout, &self.origin(request));
        let events = [event];
        let has_ended = match self.store.end_session_of(&token, &events).await? {
            Ended::Done => true,
            Ended::Refused(Some(found)) if found.is_ours(&token) => {
                self.store.end_session_as_read(&found, &events).await?
            }
            Ended::Refused(_) => false,
        };
        if has_ended {
            events.into_iter().for_each(Event::log);
        }
        Ok(no_content())
    }
}
