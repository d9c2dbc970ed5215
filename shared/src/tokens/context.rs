//! The context that the authorizer passes to functions, at `requestContext.authorizer.lambda`.
//!
//! The authorizer writes this type and functions read it. All of its members are scalar: API
//! Gateway passes other values to some kinds of integration as empty strings.

use std::collections::HashMap;
use std::str::FromStr;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::Value;

use super::claims::Claims;
use crate::domain::auth_method::AuthMethod;
use crate::domain::id::{Role, SessionId, UserId};
use crate::domain::scope::{self, Scope};

/// The sender of a request, and how long the token is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizerContext {
    /// The account (`sub`).
    pub user_id: UserId,
    /// The session (`sid`).
    pub session_id: SessionId,
    /// The roles of the account when the token was issued.
    pub roles: Vec<Role>,
    /// The scopes that the roles brought when the token was issued.
    pub scopes: Vec<Scope>,
    /// Whether the account's owner had proven that the address is theirs when the token was issued.
    pub email_verified: bool,
    /// The time when the account's owner last gave the password in this session, in seconds since the
    /// epoch. It is 0 if an earlier version issued the token.
    pub auth_time: u64,
    /// How the account's owner has proven who they are. It is empty if an earlier version issued the
    /// token.
    pub amr: Vec<AuthMethod>,
    /// The end of the token's validity, in seconds since the epoch. API Gateway may cache the
    /// context past it, so functions check it again.
    pub exp: u64,
}

/// An error: the context is not one that [`AuthorizerContext`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the authorizer's context is not that of an access token")]
pub struct ForeignContext;

impl AuthorizerContext {
    /// Parses the context that API Gateway passes.
    ///
    /// # Errors
    ///
    /// Returns an error if a member is missing or malformed. Other members are ignored.
    pub fn parse(fields: &HashMap<String, Value>) -> Result<Self, ForeignContext> {
        let text = |name| {
            let value = fields.get(name).and_then(Value::as_str);
            value.ok_or(ForeignContext)
        };
        // An answer of an earlier version, which API Gateway may have cached, lacks some members.
        let later = |name| match fields.contains_key(name) {
            true => text(name),
            false => Ok(""),
        };
        // Some emulators and parameter mappings pass a number as a string of digits.
        let number = |name| match fields.get(name) {
            Some(Value::Number(number)) => number.as_u64().ok_or(ForeignContext),
            Some(Value::String(digits)) => digits.parse().map_err(|_| ForeignContext),
            _ => Err(ForeignContext),
        };
        let email_verified = match fields.get("email_verified") {
            None => Ok(false),
            Some(Value::Bool(is_verified)) => Ok(*is_verified),
            Some(Value::String(word)) => word.parse().map_err(|_| ForeignContext),
            Some(_) => Err(ForeignContext),
        };
        Ok(Self {
            user_id: text("sub")?.parse().map_err(|_| ForeignContext)?,
            session_id: text("sid")?.parse().map_err(|_| ForeignContext)?,
            roles: words(text("roles")?)?,
            scopes: words(later("scope")?)?,
            email_verified: email_verified?,
            auth_time: match fields.contains_key("auth_time") {
                true => number("auth_time")?,
                false => 0,
            },
            amr: words(later("amr")?)?,
            exp: number("exp")?,
        })
    }
}

/// Parses the words of a text, which blanks separate.
fn words<T: FromStr>(text: &str) -> Result<Vec<T>, ForeignContext> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    let words: Result<_, _> = words.map(str::parse).collect();
    words.map_err(|_| ForeignContext)
}

impl From<Claims> for AuthorizerContext {
    fn from(claims: Claims) -> Self {
        Self {
            user_id: claims.sub,
            session_id: claims.sid,
            roles: claims.roles,
            scopes: claims.scope,
            email_verified: claims.email_verified.unwrap_or_default(),
            auth_time: claims.auth_time.unwrap_or_default(),
            amr: claims.amr,
            exp: claims.exp,
        }
    }
}

/// `roles`, `scope` and `amr` are one text each, separated by spaces, which none of their words
/// contains.
impl Serialize for AuthorizerContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let roles: Vec<_> = self.roles.iter().map(Role::as_str).collect();
        let amr: Vec<_> = self.amr.iter().map(AuthMethod::as_str).collect();
        let mut context = serializer.serialize_struct("AuthorizerContext", 8)?;
        context.serialize_field("sub", &self.user_id.to_string())?;
        context.serialize_field("sid", &self.session_id.to_string())?;
        context.serialize_field("roles", &roles.join(" "))?;
        context.serialize_field("scope", &scope::joined(&self.scopes))?;
        context.serialize_field("email_verified", &self.email_verified)?;
        context.serialize_field("auth_time", &self.auth_time)?;
        context.serialize_field("amr", &amr.join(" "))?;
        context.serialize_field("exp", &self.exp)?;
        context.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SUB: &str = "018bcfe5-687b-7000-8000-000000000001";
    const SID: &str = "018bcfe5-687b-7000-8000-000000000002";

    fn parsed(changes: &Value) -> Result<AuthorizerContext, ForeignContext> {
        let mut fields = HashMap::from([
            ("sub".to_owned(), json!(SUB)),
            ("sid".to_owned(), json!(SID)),
            ("roles".to_owned(), json!("admin a:b")),
            ("exp".to_owned(), json!(1_000)),
        ]);
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => fields.remove(name),
                value => fields.insert(name.clone(), value.clone()),
            };
        }
        AuthorizerContext::parse(&fields)
    }

    #[test]
    fn a_context_is_parsed_as_it_was_written() {
        for (roles, scope, amr) in [
            ("", "", ""),
            ("admin", "users:read", "pwd"),
            ("admin a:b billing:read", "A/b! users:read", "pwd otp"),
        ] {
            for verified in [false, true] {
                let given = json!({
                    "sub": SUB, "sid": SID, "roles": roles, "scope": scope,
                    "email_verified": verified, "auth_time": 900, "amr": amr, "exp": 1_000,
                });
                let context = parsed(&given).unwrap();
                assert_eq!(serde_json::to_value(&context).unwrap(), given);
            }
        }
        let texts = parsed(&json!({"exp": "1000", "email_verified": "true", "auth_time": "900"}));
        let values = parsed(&json!({"email_verified": true, "auth_time": 900}));
        assert_eq!(texts, values, "as emulators hand it on");
        let earlier = parsed(&json!({})).unwrap();
        assert_eq!(
            (earlier.scopes, earlier.email_verified, earlier.auth_time),
            (Vec::new(), false, 0),
            "as earlier versions wrote it"
        );
        assert_eq!(earlier.amr, []);
    }

    #[test]
    fn a_context_of_others_is_refused() {
        for changes in [
            json!({"sub": null}),
            json!({"sub": 7}),
            json!({"sub": "ada"}),
            json!({"sid": null}),
            json!({"sid": ""}),
            json!({"roles": null}),
            json!({"roles": ["admin"]}),
            json!({"roles": "Admin"}),
            json!({"exp": null}),
            json!({"exp": -1}),
            json!({"exp": 1000.5}),
            json!({"exp": "soon"}),
            json!({"exp": true}),
            json!({"email_verified": 1}),
            json!({"email_verified": "yes"}),
            json!({"email_verified": []}),
            json!({"scope": ["users:read"]}),
            json!({"scope": "a\"b"}),
            json!({"auth_time": -1}),
            json!({"auth_time": "soon"}),
            json!({"auth_time": true}),
            json!({"amr": ["pwd"]}),
            json!({"amr": "PWD"}),
        ] {
            assert_eq!(parsed(&changes), Err(ForeignContext), "{changes}");
        }
    }
}
