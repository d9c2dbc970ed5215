//! Issues access tokens.

use super::audience::IssuerAndAudience;
use super::issued::{Issue, IssuedClaims};
use super::signer::{SignError, Signer};
use super::verifier::Verifier;
use crate::domain::account::Account;
use crate::domain::scope::RoleScopes;
use crate::domain::session::Session;
use crate::observe::logging::chain;
use crate::observe::request_log::record_user;
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;
use crate::platform::settings::ACCESS_TOKEN_SECONDS;

/// Issues access tokens, signed with one key.
pub struct Issuer {
    signer: Signer,
    expected: IssuerAndAudience,
    role_scopes: RoleScopes,
    lifetime: u64,
}

/// A signed access token, for the one response that carries it.
pub struct AccessToken {
    /// The compact serialisation (RFC 7515 section 7.1).
    pub text: String,
    /// The lifetime, in seconds.
    pub expires_in: u64,
}

/// The reason why a token was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Neither `ISSUER` nor the request determines the issuer.
    #[error("the issuer is unknown: set ISSUER")]
    NoIssuer,
    /// Neither the gateway nor a verifier would accept the token. The account has too many roles,
    /// scopes or claims. [`TokenSize`](super::size::TokenSize) tells before it is given them.
    #[error(
        "the access token has {octets} octets, and verifiers accept at most {most}: give the account \
         fewer or shorter roles or claims",
        most = Verifier::MAX_LENGTH
    )]
    TooLong {
        /// The length of the token.
        octets: usize,
    },
    /// The key did not sign.
    #[error("the access token was not signed")]
    Sign(#[from] SignError),
}

impl Issuer {
    /// Reads the same settings as [`Signer::from_env`], [`IssuerAndAudience::from_env`] and
    /// [`RoleScopes::from_env`], and [`ACCESS_TOKEN_SECONDS`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let lifetime = env.setting(&ACCESS_TOKEN_SECONDS)?;
        Ok(Self {
            signer: Signer::from_env(env)?,
            expected: IssuerAndAudience::from_env(env)?,
            role_scopes: RoleScopes::from_env(env)?,
            lifetime,
        })
    }

    /// Prepares the key ahead of its first use. If this fails, [`Issuer::issue`] tries again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.signer.warm_up().await {
            tracing::warn!(cause = chain(&error), "the signing key is not ready yet");
        }
    }

    /// Issues a token for `account` and `session` at `now` (seconds since the epoch), for a request
    /// that reached `domain_name`.
    ///
    /// The lifetime is shortened by a random 0 to 5%, so that clients which logged in together do
    /// not refresh together.
    ///
    /// # Errors
    ///
    /// Returns an error if the key does not sign or the issuer is unknown, or if the account has so
    /// many roles, scopes or claims that verifiers would refuse the token. The request's line then
    /// names the account.
    pub async fn issue(
        &self,
        account: &Account,
        session: &Session,
        domain_name: Option<&str>,
        now: u64,
    ) -> Result<AccessToken, IssueError> {
        let issuer = self
            .expected
            .issuer
            .at(domain_name)
            .ok_or(IssueError::NoIssuer)?;
        let draw = u64::from(u16::from_be_bytes(random::octets()));
        let expires_in = self.lifetime - self.lifetime * draw / u64::from(u16::MAX) / 20;
        let issue = Issue {
            issuer: &issuer,
            audience: &self.expected.audience,
            session: session.id,
            authenticated_at: session.authenticated_at,
            now,
            lifetime: expires_in,
        };
        let claims = issue.claims(account, self.role_scopes.of(&account.roles));
        let text = self.signed(&claims).await;
        // Of whose token it was the line tells nothing else before the first.
        let text = text.inspect_err(|_| record_user(account.id))?;
        Ok(AccessToken { text, expires_in })
    }

    /// Signs `claims`, if verifiers will accept the result: they and this share one bound.
    async fn signed(&self, claims: &IssuedClaims<'_>) -> Result<String, IssueError> {
        let text = self.signer.sign(claims).await?;
        if text.len() > Verifier::MAX_LENGTH {
            let octets = text.len();
            return Err(IssueError::TooLong { octets });
        }
        Ok(text)
    }
}

#[cfg(test)]
pub(super) mod tests;
