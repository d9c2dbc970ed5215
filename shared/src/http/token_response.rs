//! The response that carries tokens.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Serialize;

use super::handler::json;
use super::problem::Problem;
use crate::domain::session::{RefreshToken, Session};
use crate::tokens::issuer::AccessToken;

/// The token response of RFC 6749 section 5.1, with the lifetime of the refresh token.
#[derive(Serialize)]
struct Tokens<'a> {
    access_token: &'a str,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    refresh_token: String,
    /// Seconds.
    refresh_expires_in: u64,
}

/// Returns the response with the tokens of `session` at `now`.
///
/// # Errors
///
/// Returns the same error as [`json`].
pub fn tokens(
    access_token: &AccessToken,
    refresh_token: &RefreshToken,
    session: &Session,
    now: u64,
) -> Result<Response<Body>, Problem> {
    json(
        StatusCode::OK,
        &Tokens {
            access_token: &access_token.text,
            token_type: "Bearer",
            expires_in: access_token.expires_in,
            refresh_token: refresh_token.expose(),
            refresh_expires_in: session.expires_at.saturating_sub(now),
        },
    )
}
