//! Error responses: `application/problem+json` (RFC 9457).
//!
//! Each variant is one `code` of the contract. The text for the client and the cause for the
//! operator are different fields, and the cause is never sent.

mod causes;

use std::error::Error;

use lambda_http::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderName, HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::Serialize;

use super::fields::Media;
use crate::domain::field_error::FieldError;
use crate::tokens::context::ForeignContext;
use crate::tokens::verifier::TokenError;

/// An error, as the contract names it.
#[derive(Debug)]
pub enum Problem {
    /// 400: the body is not JSON.
    MalformedJson {
        /// The line and column, in words.
        place: String,
    },
    /// 400: the token of a link is unknown, used, expired or good for something else, or its account
    /// has changed. The response is the same for each.
    InvalidLink,
    /// 401: the address and the password are not those of an account that may be used.
    InvalidCredentials,
    /// 401: the request carries no token.
    MissingToken,
    /// 401: the token is refused. The reason is for the log.
    InvalidToken(TokenRejection),
    /// 401: the refresh token is unknown, expired, revoked or used before. The response is the same
    /// for each.
    InvalidRefreshToken,
    /// 403: the password is not the account's.
    WrongPassword,
    /// 403: the account lacks a required role.
    Forbidden,
    /// 403: the session's last authentication is too old for this.
    ReauthenticationRequired,
    /// 403: the token lacks a required scope. For functions that are added to Latchkey's own.
    InsufficientScope {
        /// The scope that is required, a `scope-token` of RFC 6749 section 3.3.
        scope: &'static str,
    },
    /// 403: the deployment takes no registrations.
    RegistrationClosed,
    /// 404: the resource does not exist.
    NotFound,
    /// 405: the path exists, but not with this method.
    MethodNotAllowed {
        /// The methods that the path allows, as in the `Allow` header.
        allow: &'static str,
    },
    /// 409: the address already has an account.
    EmailTaken,
    /// 409: an administrator would take away their own account or its role.
    OwnAccount,
    /// 412: `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// 413: the body is too long.
    BodyTooLarge {
        /// The length of the longest body that is read, in octets.
        most: usize,
    },
    /// 415: the declared media type of the body is not accepted.
    UnsupportedMediaType {
        /// The media types that are accepted.
        expected: Media,
    },
    /// 422: members are missing, unknown or malformed. Each of them is listed.
    InvalidFields(Vec<FieldError>),
    /// 429: too many passwords were tried, or mails asked for, at this address or from this source.
    TooManyAttempts {
        /// The number of seconds until the next attempt is allowed.
        seconds: u64,
    },
    /// 500: an error that a retry does not fix. The cause is for the log.
    Internal(Box<dyn Error + Send + Sync>),
    /// 503: AWS does not answer; a retry may help. The cause is for the log.
    Unavailable(Box<dyn Error + Send + Sync>),
}

/// The reason why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRejection {
    /// The token itself is invalid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The context from the authorizer is invalid.
    #[error(transparent)]
    Context(#[from] ForeignContext),
    /// The authorizer's cached response has outlived the token.
    #[error("the token has expired since the authorizer saw it")]
    Expired,
    /// The account was deleted or is disabled.
    #[error("the account is gone or disabled")]
    Account,
    /// The session has ended.
    #[error("the session has ended")]
    Session,
}

/// The media types of bodies of PATCH (RFC 5789 section 3.1).
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// The body of a problem (RFC 9457 section 3.1, and this API's own members).
#[derive(Serialize)]
struct ProblemDocument<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// The number of seconds after which a client may try again if AWS did not answer.
    pub const RETRY_AFTER_SECONDS: u16 = 2;

    /// Returns the stable code of the problem.
    pub fn code(&self) -> &'static str {
        self.contract().1
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        self.contract().0
    }

    /// Returns the cause, which is for the log and not for the client.
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) => Some(cause.as_ref()),
            Self::InvalidToken(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Returns status, code and title: the contract in one table.
    fn contract(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedJson { .. } => (
                StatusCode::BAD_REQUEST,
                "malformed-json",
                "The body is not JSON",
            ),
            Self::InvalidLink => (
                StatusCode::BAD_REQUEST,
                "invalid-link",
                "The link is not valid",
            ),
            Self::InvalidCredentials => (
                StatusCode::UNAUTHORIZED,
                "invalid-credentials",
                "The e-mail address or the password is wrong",
            ),
            Self::MissingToken => (
                StatusCode::UNAUTHORIZED,
                "missing-token",
                "An access token is needed",
            ),
            Self::InvalidToken(_) => (
                StatusCode::UNAUTHORIZED,
                "invalid-token",
                "The access token is refused",
            ),
            Self::InvalidRefreshToken => (
                StatusCode::UNAUTHORIZED,
                "invalid-refresh-token",
                "The refresh token is refused",
            ),
            Self::WrongPassword => (
                StatusCode::FORBIDDEN,
                "wrong-password",
                "The password is wrong",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "The account may not do this",
            ),
            Self::ReauthenticationRequired => (
                StatusCode::FORBIDDEN,
                "reauthentication-required",
                "You have to log in again",
            ),
            Self::InsufficientScope { .. } => (
                StatusCode::FORBIDDEN,
                "insufficient-scope",
                "The token does not have the required scope",
            ),
            Self::RegistrationClosed => (
                StatusCode::FORBIDDEN,
                "registration-closed",
                "Nobody can register here",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed { .. } => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The method is not allowed here",
            ),
            Self::EmailTaken => (
                StatusCode::CONFLICT,
                "email-taken",
                "The e-mail address already has an account",
            ),
            Self::OwnAccount => (
                StatusCode::CONFLICT,
                "own-account",
                "This cannot be done to one's own account",
            ),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "A precondition of the request does not hold",
            ),
            Self::BodyTooLarge { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is too long",
            ),
            Self::UnsupportedMediaType { .. } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body's media type is not supported",
            ),
            Self::InvalidFields(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-fields",
                "Some members of the body are invalid",
            ),
            Self::TooManyAttempts { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-attempts",
                "Too many attempts",
            ),
            Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong",
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service cannot answer now",
            ),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::MalformedJson { place } => format!("The body is not JSON: {place}."),
            Self::InvalidLink => "Ask for another mail.".to_owned(),
            Self::InvalidCredentials => {
                "No active account has this e-mail address and password.".to_owned()
            }
            Self::MissingToken => {
                "Send \"Authorization: Bearer\" and an access token from a login.".to_owned()
            }
            Self::InvalidToken(_) => {
                "The token is malformed, expired or not issued by this service, or its session or \
                 account has ended."
                    .to_owned()
            }
            Self::InvalidRefreshToken => "Log in again.".to_owned(),
            Self::WrongPassword => "This is not the account's password.".to_owned(),
            Self::Forbidden => "The account does not have the required role.".to_owned(),
            Self::ReauthenticationRequired => {
                "This needs an authentication of the last ten minutes.".to_owned()
            }
            Self::InsufficientScope { scope } => format!("The token needs the scope {scope}."),
            Self::RegistrationClosed => "Ask the operator for an account.".to_owned(),
            Self::NotFound => {
                "The path does not exist, or you have no resource with this id.".to_owned()
            }
            Self::MethodNotAllowed { allow } => format!("This path allows {allow}."),
            Self::EmailTaken => {
                "Log in, or register with another address. Letter case makes no difference."
                    .to_owned()
            }
            Self::OwnAccount => {
                "Another administrator has to do this, so that one always remains.".to_owned()
            }
            Self::PreconditionFailed => {
                "Get the resource again, and repeat the request with its new ETag in If-Match."
                    .to_owned()
            }
            Self::BodyTooLarge { most } => format!("A body may have at most {most} octets."),
            Self::UnsupportedMediaType { expected } => {
                format!("Send {}, in UTF-8.", expected.in_words())
            }
            Self::InvalidFields(_) => {
                "The member \"errors\" lists every invalid member.".to_owned()
            }
            Self::TooManyAttempts { seconds } => format!("Try again in {seconds} seconds."),
            Self::Internal(_) => "Trying again will not help; report the request_id.".to_owned(),
            Self::Unavailable(_) => "Try again after a moment.".to_owned(),
        }
    }

    /// Returns the response for the problem. `request_id` lets an operator find its log lines.
    pub fn to_response(&self, request_id: &str) -> Response<Body> {
        let (status, code, title) = self.contract();
        let document = ProblemDocument {
            r#type: format!("urn:latchkey:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.detail(),
            code,
            request_id,
            errors: match self {
                Self::InvalidFields(errors) => errors,
                _ => &[],
            },
        };
        // Strings and numbers always serialize.
        let body = serde_json::to_string(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self {
            Self::InvalidToken(_) => {
                let challenge = "Bearer realm=\"latchkey\", error=\"invalid_token\", \
                                 error_description=\"the access token is refused\"";
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            // RFC 9110 section 15.5.2: every 401 has a challenge. RFC 6750 section 3.1: if no
            // access token was presented, it has no error code.
            _ if status == StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer realm=\"latchkey\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            // RFC 6750 section 3.1.
            Self::InsufficientScope { scope } => {
                let challenge = format!(
                    "Bearer realm=\"latchkey\", error=\"insufficient_scope\", scope=\"{scope}\""
                );
                // No character of a scope needs to be escaped, and a header can hold all of them.
                if let Ok(challenge) = HeaderValue::try_from(challenge) {
                    headers.insert(WWW_AUTHENTICATE, challenge);
                }
            }
            // RFC 5789 section 2.2.
            Self::UnsupportedMediaType {
                expected: Media::MergePatch,
            } => {
                let accepted = HeaderValue::from_static(Media::MERGE_PATCHES);
                headers.insert(ACCEPT_PATCH, accepted);
            }
            Self::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::TooManyAttempts { seconds } => {
                headers.insert(RETRY_AFTER, (*seconds).into());
            }
            Self::Unavailable(_) => {
                headers.insert(RETRY_AFTER, Self::RETRY_AFTER_SECONDS.into());
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests;
