//! The contents of access tokens.

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::auth_method::AuthMethod;
use crate::domain::id::{Role, SessionId, UserId};
use crate::domain::scope::Scope;

/// The header of an access token (RFC 7515 section 4). It has exactly these members. Keys and their
/// locations (`jwk`, `jku`, `x5u`, `x5c`), extensions (`crit`, `b64`) and compression (`zip`) are
/// refused if present, not ignored.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The signature's algorithm. It must be the key's own and never selects one.
    pub alg: String,
    /// [`Header::TYP`] (RFC 9068 section 2.1).
    pub typ: String,
    /// The name of the key that signed.
    pub kid: String,
}

impl Header {
    /// The media type of an access token, without its `application/`.
    pub const TYP: &str = "at+jwt";

    /// Returns the header of a token that the key `kid` signs with the algorithm `alg`.
    #[cfg(feature = "accounts")]
    pub(super) fn of(alg: &str, kid: &str) -> Self {
        Self {
            alg: alg.to_owned(),
            typ: Self::TYP.to_owned(),
            kid: kid.to_owned(),
        }
    }
}

/// The claims of an access token (RFC 9068 section 2.2). Times are `NumericDate`s in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Claims {
    /// The issuer (RFC 7519 section 4.1.1).
    pub iss: String,
    /// The subject: the account's identifier (RFC 7519 section 4.1.2).
    pub sub: UserId,
    /// The audience (RFC 7519 section 4.1.3).
    pub aud: Audience,
    /// The client that the token was issued to (RFC 8693 section 4.3).
    pub client_id: String,
    /// The end of the token's validity (RFC 7519 section 4.1.4).
    pub exp: u64,
    /// The start of the token's validity (RFC 7519 section 4.1.5). Latchkey honours it and never
    /// sets it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<u64>,
    /// The time of issue (RFC 7519 section 4.1.6).
    pub iat: u64,
    /// The token's identifier (RFC 7519 section 4.1.7).
    pub jti: String,
    /// The session that the token belongs to (OpenID Connect Front-Channel Logout 1.0 section 3).
    pub sid: SessionId,
    /// The roles of the account (RFC 9068 section 2.2.3.1) when the token was issued. The claim is
    /// left out if there are none: RFC 7643 section 2.5 takes an empty list for no value, and
    /// validators of others refuse one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// The scopes that the roles brought when the token was issued: one text, separated by blanks
    /// (RFC 9068 section 2.2.3, RFC 8693 section 4.2). The claim is left out if there are none.
    #[serde(default, with = "words", skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<Scope>,
    /// Whether the account's owner had proven that the address is theirs when the token was issued
    /// (OpenID Connect Core 1.0 section 5.1). Tokens of earlier versions lack it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub email_verified: Option<bool>,
    /// The time when the account's owner last gave the password in this session (RFC 9068 section
    /// 2.2.1). Tokens of earlier versions lack it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub auth_time: Option<u64>,
    /// How the account's owner has proven who they are (RFC 8176 section 1). Tokens of earlier
    /// versions lack it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<AuthMethod>,
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
    /// Returns whether one of them is exactly `name`.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// Scopes as one text, separated by single blanks (RFC 6749 section 3.3).
mod words {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::domain::scope::{self, Scope};

    pub(super) fn serialize<S: Serializer>(
        scopes: &[Scope],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&scope::joined(scopes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Scope>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let scopes: Result<_, _> = text.split(' ').map(str::parse).collect();
        scopes.map_err(de::Error::custom)
    }
}

/// Deserializes a member that may be missing, but not `null` or of another type (CVE-2026-25537).
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
