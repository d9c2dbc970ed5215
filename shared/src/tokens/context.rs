//! The context that the authorizer passes to functions, at `requestContext.authorizer.lambda`.
//!
//! The authorizer writes this type and functions read it. All of its members are scalar: API
//! Gateway passes other values to some kinds of integration as empty strings.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::Value;

use super::claims::Claims;
use crate::domain::id::{Role, SessionId, UserId};

/// The sender of a request, and how long the token is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizerContext {
    /// The account (`sub`).
    pub user_id: UserId,
    /// The session (`sid`).
    pub session_id: SessionId,
    /// The roles of the account when the token was issued.
    pub roles: Vec<Role>,
    /// Whether the account's owner had proven that the address is theirs when the token was issued.
    pub email_verified: bool,
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
        let roles = text("roles")?.split(' ').filter(|role| !role.is_empty());
        let roles: Result<_, _> = roles.map(str::parse).collect();
        // `exp` is a number. Some emulators and parameter mappings pass it as a string of digits.
        let exp = match fields.get("exp") {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(digits)) => digits.parse().ok(),
            _ => None,
        };
        // An answer of an earlier version, which API Gateway may have cached, lacks it. Some emulators
        // and parameter mappings pass it as a string.
        let email_verified = match fields.get("email_verified") {
            None => Ok(false),
            Some(Value::Bool(is_verified)) => Ok(*is_verified),
            Some(Value::String(word)) => word.parse().map_err(|_| ForeignContext),
            Some(_) => Err(ForeignContext),
        };
        Ok(Self {
            user_id: text("sub")?.parse().map_err(|_| ForeignContext)?,
            session_id: text("sid")?.parse().map_err(|_| ForeignContext)?,
            roles: roles.map_err(|_| ForeignContext)?,
            email_verified: email_verified?,
            exp: exp.ok_or(ForeignContext)?,
        })
    }
}

impl From<Claims> for AuthorizerContext {
    fn from(claims: Claims) -> Self {
        Self {
            user_id: claims.sub,
            session_id: claims.sid,
            roles: claims.roles,
            email_verified: claims.email_verified.unwrap_or_default(),
            exp: claims.exp,
        }
    }
}

/// `roles` is one text, separated by spaces, which no role contains.
impl Serialize for AuthorizerContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let roles: Vec<_> = self.roles.iter().map(Role::as_str).collect();
        let mut context = serializer.serialize_struct("AuthorizerContext", 5)?;
        context.serialize_field("sub", &self.user_id.to_string())?;
        context.serialize_field("sid", &self.session_id.to_string())?;
        context.serialize_field("roles", &roles.join(" "))?;
        context.serialize_field("email_verified", &self.email_verified)?;
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
        for roles in ["", "admin", "admin a:b billing:read"] {
            for verified in [false, true] {
                let given = json!({"roles": roles, "email_verified": verified});
                let context = parsed(&given).unwrap();
                let written = serde_json::to_value(&context).unwrap();
                assert_eq!(
                    written,
                    json!({
                        "sub": SUB, "sid": SID, "roles": roles, "email_verified": verified,
                        "exp": 1_000,
                    })
                );
                assert_eq!(parsed(&written), Ok(context));
            }
        }
        let texts = parsed(&json!({"exp": "1000", "email_verified": "true"}));
        let values = parsed(&json!({"email_verified": true}));
        assert_eq!(texts, values, "as emulators hand it on");
        assert!(
            !parsed(&json!({})).unwrap().email_verified,
            "as earlier versions wrote it"
        );
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
        ] {
            assert_eq!(parsed(&changes), Err(ForeignContext), "{changes}");
        }
    }
}
