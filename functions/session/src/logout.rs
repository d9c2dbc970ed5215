//! `POST /logout`: ends the session of a refresh token (RFC 7009).

use lambda_http::{Body, Request, Response};
use shared::edge::http::no_content;
use shared::edge::problem::Problem;

use crate::{Sessions, token};

impl Sessions {
    /// 204 whatever the token is worth: RFC 7009 section 2.2 asks for it, and a client can do
    /// nothing about it anyway. Only a token of the session ends it, current or replaced.
    pub(crate) async fn logout(&self, request: &Request) -> Result<Response<Body>, Problem> {
        if let Some(token) = token(request)?
            && let Some(found) = self.store.end_session_of(&token).await?
            && found.is_ours(&token)
        {
            self.store.end_session(found.user_id, found.id, 0).await?;
        }
        Ok(no_content())
    }
}
