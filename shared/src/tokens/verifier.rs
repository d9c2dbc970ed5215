//! Verifies access tokens.
//!
//! AWS-LC checks signatures here. Every other check is written out, in order, each with its source:
//! jsonwebtoken leaves several of them to its caller, and reads the time itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::audience::IssuerAndAudience;
use super::claims::{Claims, Header};
use super::jwk::MAX_KID_LENGTH;
use super::jwks::KeySet;
use crate::platform::config::{ConfigError, Env};
use crate::platform::json;
use crate::platform::settings::ACCESS_TOKEN_SECONDS;

/// Verifies access tokens against one issuer, one audience and one set of keys.
pub struct Verifier {
    keys: KeySet,
    expected: IssuerAndAudience,
}

/// The reason why a token is refused. It is for the log; clients learn only that the token was
/// refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// RFC 6750 section 2.1.
    #[error("the Authorization header is not \"Bearer\" and one token")]
    NotBearer,
    /// No longer token is issued; see [`Verifier::MAX_LENGTH`].
    #[error("the token is longer than {} octets", Verifier::MAX_LENGTH)]
    TooLong,
    /// RFC 7515 section 7.1: three segments of base64url, no padding.
    #[error("the token is not three segments of base64url")]
    Malformed,
    /// RFC 7515 section 4; [`Header`] says which members are allowed.
    #[error("the token's header is not {{alg, typ, kid}}")]
    Header,
    /// RFC 9068 section 4: no other JWT from this issuer may pass for an access token.
    #[error("the token's typ is not at+jwt")]
    Typ,
    /// The key is chosen from the configured keys by exact name.
    #[error("no key of ours has the token's kid")]
    UnknownKey,
    /// RFC 8725 section 3.1: the algorithm is the key's.
    #[error("the token's alg is not its key's")]
    Alg,
    /// RFC 7515 section 5.2.
    #[error("the token's signature is wrong")]
    Signature,
    /// RFC 9068 section 2.2: a required claim is missing, or a claim has the wrong type.
    #[error("the token's claims are not those of an access token")]
    Claims,
    /// Neither `ISSUER` nor the request determines the issuer.
    #[error("the issuer to expect is unknown: set ISSUER")]
    NoIssuer,
    /// RFC 9068 section 4.
    #[error("the token is from another issuer")]
    Issuer,
    /// RFC 9068 section 4.
    #[error("the token is for another audience")]
    Audience,
    /// RFC 7519 section 4.1.4.
    #[error("the token has expired")]
    Expired,
    /// RFC 7519 section 4.1.5; also if `iat` is in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// The `exp` is later than any that Latchkey issues.
    #[error("the token's lifetime is longer than any that is issued")]
    Lifetime,
}

impl Verifier {
    /// The length of the longest token that is issued and examined, in octets. API Gateway limits
    /// the request line and all headers to 10,240 octets together, which leaves 2,000 for the
    /// others.
    pub const MAX_LENGTH: usize = 8 * 1024;
    /// The tolerated difference between clocks, in seconds.
    pub const LEEWAY: u64 = 30;
    /// The longest lifetime that is issued, in seconds.
    pub const MAX_LIFETIME: u64 = *ACCESS_TOKEN_SECONDS.range.end();

    /// Reads `JWKS`, `ISSUER` and `AUDIENCE`; see [`KeySet::from_env`] and
    /// [`IssuerAndAudience::from_env`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: KeySet::from_env(env)?,
            expected: IssuerAndAudience::from_env(env)?,
        })
    }

    /// Returns the claims of `token` if it is valid at `now` (seconds since the epoch) for a
    /// request that reached `domain_name`.
    ///
    /// # Errors
    ///
    /// Returns the first reason to refuse the token.
    pub fn verify(
        &self,
        token: &str,
        domain_name: Option<&str>,
        now: u64,
    ) -> Result<Claims, TokenError> {
        // The form, before anything is decoded.
        if token.len() > Self::MAX_LENGTH {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let segments = [header, payload, signature];
        if !segments
            .iter()
            .all(|s| !s.is_empty() && s.bytes().all(base64url))
        {
            return Err(TokenError::Malformed);
        }

        // The header. Nothing in it is trusted; it must be one that Latchkey would have written.
        let header: Header = decode(header).ok_or(TokenError::Header)?;
        let typ = header.typ.to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != Header::TYP {
            return Err(TokenError::Typ);
        }
        if header.kid.len() > MAX_KID_LENGTH {
            return Err(TokenError::UnknownKey);
        }
        let key = self.keys.get(&header.kid).ok_or(TokenError::UnknownKey)?;
        if !key.is_for(&header.alg) {
            return Err(TokenError::Alg);
        }
        if !key.verify(message, signature) {
            return Err(TokenError::Signature);
        }

        // The claims. The signature proves their origin; issuer, audience and time must match as
        // well.
        let claims: Claims = decode(payload).ok_or(TokenError::Claims)?;
        if claims.jti.is_empty() || claims.client_id.is_empty() {
            return Err(TokenError::Claims);
        }
        let issuer = self
            .expected
            .issuer
            .at(domain_name)
            .ok_or(TokenError::NoIssuer)?;
        if claims.iss != issuer {
            return Err(TokenError::Issuer);
        }
        if !claims.aud.contains(&self.expected.audience) {
            return Err(TokenError::Audience);
        }
        if claims.exp.saturating_add(Self::LEEWAY) <= now {
            return Err(TokenError::Expired);
        }
        let soon = now.saturating_add(Self::LEEWAY);
        if claims.iat > soon || claims.nbf.is_some_and(|nbf| nbf > soon) {
            return Err(TokenError::NotYet);
        }
        if claims.exp > claims.iat.saturating_add(Self::MAX_LIFETIME) {
            return Err(TokenError::Lifetime);
        }
        Ok(claims)
    }
}

/// Decodes a JSON object in strict base64url: UTF-8 throughout, no data after it except blanks, no
/// known member twice.
fn decode<T: DeserializeOwned>(segment: &str) -> Option<T> {
    let octets = URL_SAFE_NO_PAD.decode(segment).ok()?;
    // serde would also read a struct from an array.
    if octets.first() != Some(&b'{') {
        return None;
    }
    json::parse(&octets).ok()
}
