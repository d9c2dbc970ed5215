//! What is written into an access token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::audience::CLIENT_ID;
use super::claims::{Audience, Claims};
use crate::domain::account::Account;
use crate::domain::auth_method::AuthMethod;
use crate::domain::custom_claims::CustomClaims;
use crate::domain::id::SessionId;
use crate::domain::scope::Scope;
use crate::platform::random;

/// The claims of a token to be issued: those that Latchkey reads, and those that operators have
/// added to the account. Verifiers parse the former only, so an added claim costs them nothing.
///
/// An added claim cannot take the place of another, since [`CustomClaims`] are named by URIs.
#[derive(Debug, Serialize)]
pub(super) struct IssuedClaims<'a> {
    #[serde(flatten)]
    claims: Claims,
    #[serde(flatten)]
    custom: &'a CustomClaims,
}

/// The circumstances in which a token is issued.
pub(super) struct Issue<'a> {
    /// The `iss`.
    pub(super) issuer: &'a str,
    /// The `aud`.
    pub(super) audience: &'a str,
    /// The session that the token belongs to.
    pub(super) session: SessionId,
    /// The time when the session's owner last gave the password.
    pub(super) authenticated_at: u64,
    /// The time of issue.
    pub(super) now: u64,
    /// The lifetime, in seconds.
    pub(super) lifetime: u64,
}

impl Issue<'_> {
    /// Returns the claims of a token for `account`, whose roles bring `scope`.
    pub(super) fn claims<'a>(&self, account: &'a Account, scope: Vec<Scope>) -> IssuedClaims<'a> {
        let claims = Claims {
            iss: self.issuer.to_owned(),
            sub: account.id,
            aud: Audience::One(self.audience.to_owned()),
            client_id: CLIENT_ID.to_owned(),
            exp: self.now + self.lifetime,
            nbf: None,
            iat: self.now,
            jti: URL_SAFE_NO_PAD.encode(random::octets::<16>()),
            sid: self.session,
            roles: account.roles.clone(),
            scope,
            email_verified: Some(account.email_verified),
            auth_time: Some(self.authenticated_at),
            amr: vec![AuthMethod::PASSWORD],
        };
        IssuedClaims {
            claims,
            custom: &account.claims,
        }
    }
}
