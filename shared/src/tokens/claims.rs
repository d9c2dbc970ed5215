//! What an access token says.

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::id::{Role, SessionId, UserId};

/// The header of an access token (RFC 7515 section 4). It has these members and no others: keys
/// and their locations (`jwk`, `jku`, `x5u`, `x5c`), extensions (`crit`, `b64`) and compression
/// (`zip`) are refused where they are named, not ignored.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The signature's algorithm. It must be the key's own; it never chooses one.
    pub alg: String,
    /// [`Header::TYP`] (RFC 9068 section 2.1).
    pub typ: String,
    /// Which of our keys signed.
    pub kid: String,
}

impl Header {
    /// The media type of an access token, without its `application/`.
    pub const TYP: &str = "at+jwt";
}

/// The claims of an access token (RFC 9068 section 2.2). Times are `NumericDate`s in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Claims {
    /// Who issued it (RFC 7519 section 4.1.1).
    pub iss: String,
    /// Whose it is: the account's identifier (RFC 7519 section 4.1.2).
    pub sub: UserId,
    /// Whom it is for (RFC 7519 section 4.1.3).
    pub aud: Audience,
    /// The client it was issued to (RFC 8693 section 4.3).
    pub client_id: String,
    /// When it ends (RFC 7519 section 4.1.4).
    pub exp: u64,
    /// Before when it is not valid (RFC 7519 section 4.1.5). We issue none, and honour it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<u64>,
    /// When it was issued (RFC 7519 section 4.1.6).
    pub iat: u64,
    /// Its own name (RFC 7519 section 4.1.7).
    pub jti: String,
    /// The session it belongs to (OpenID Connect Front-Channel Logout 1.0 section 3).
    pub sid: SessionId,
    /// What its owner may do (RFC 9068 section 2.2.3.1), as stored when it was issued.
    pub roles: Vec<Role>,
}

/// One audience or several (RFC 7519 section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Audience {
    /// `"aud": "one"`
    One(String),
    /// `"aud": ["one", "two"]`
    Many(Vec<String>),
}

impl Audience {
    /// Whether `name` is one of them, letter for letter.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// A member that may be missing, but not `null` or of another type (CVE-2026-25537).
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(deserializer).map(Some)
}
