//! Scopes (RFC 6749 section 3.3), and which of them each role brings.

use std::fmt;
use std::str::FromStr;

use super::id::{InvalidId, Role};
use crate::platform::config::{ConfigError, Env};

/// A scope, such as `users:read`: something that a token allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(String);

impl Scope {
    /// The length of the longest scope, in octets.
    pub const MAX_LENGTH: usize = 64;

    /// Returns the scope's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns scopes as one text, separated by blanks, which no scope contains.
pub fn joined(scopes: &[Scope]) -> String {
    let scopes: Vec<_> = scopes.iter().map(Scope::as_str).collect();
    scopes.join(" ")
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Scope {
    type Err = InvalidId;

    /// Accepts 1 to 64 of the characters of a `scope-token` of RFC 6749 section 3.3.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        match (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidId),
        }
    }
}

/// The scopes that each role brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleScopes(Vec<(Role, Vec<Scope>)>);

impl RoleScopes {
    /// Reads `ROLE_SCOPES`, such as `admin=users:read users:write;editor=notes:write`. Without it no
    /// role brings a scope. A role that is named twice brings the scopes of both.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not have this form.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let Some(text) = env.optional("ROLE_SCOPES") else {
            return Ok(Self::default());
        };
        Self::parse(&text).ok_or_else(|| {
            ConfigError::new(format!(
                "ROLE_SCOPES is \"{text}\"; set it to roles and their scopes, such as \
                 admin=users:read users:write;editor=notes:write"
            ))
        })
    }

    /// Parses the text of `ROLE_SCOPES`.
    fn parse(text: &str) -> Option<Self> {
        let mut roles: Vec<(Role, Vec<Scope>)> = Vec::new();
        for part in text.split(';') {
            let (role, scopes) = part.split_once('=')?;
            let role: Role = role.parse().ok()?;
            let scopes: Result<Vec<_>, _> = scopes.split(' ').map(str::parse).collect();
            // `of` finds them all.
            roles.push((role, scopes.ok()?));
        }
        Some(Self(roles))
    }

    /// Returns the scopes of an account with `roles`, each once, in order.
    pub fn of(&self, roles: &[Role]) -> Vec<Scope> {
        Self::in_order(self.0.iter().filter(|(role, _)| roles.contains(role)))
    }

    /// Returns the scopes of all roles, each once, in order.
    pub fn all(&self) -> Vec<Scope> {
        Self::in_order(self.0.iter())
    }

    fn in_order<'a>(roles: impl Iterator<Item = &'a (Role, Vec<Scope>)>) -> Vec<Scope> {
        let mut scopes: Vec<_> = roles.flat_map(|(_, scopes)| scopes.clone()).collect();
        scopes.sort();
        scopes.dedup();
        scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_the_scopes_of_all_of_its_roles_each_once() {
        let scopes =
            RoleScopes::parse("admin=users:write users:read;editor=notes:write users:read");
        let scopes = scopes.unwrap();
        let of = |roles: &[&str]| {
            let roles: Vec<Role> = roles.iter().map(|role| role.parse().unwrap()).collect();
            let scopes = scopes.of(&roles).into_iter();
            scopes
                .map(|scope| scope.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            of(&["editor", "admin"]),
            "notes:write users:read users:write"
        );
        assert_eq!(of(&["editor"]), "notes:write users:read");
        assert_eq!(of(&["other"]), "");
        let all: Vec<_> = scopes.all().iter().map(Scope::to_string).collect();
        assert_eq!(all, ["notes:write", "users:read", "users:write"]);
        assert_eq!(RoleScopes::default().all(), []);
        let twice = RoleScopes::parse("admin=b;editor=c;admin=a b").unwrap();
        let of_admin = twice.of(&["admin".parse().unwrap()]);
        assert_eq!(joined(&of_admin), "a b");
    }

    #[test]
    fn scopes_that_are_not_of_the_form_are_refused() {
        for text in [
            "",
            "admin",
            "admin=",
            "Admin=a",
            "admin=a;",
            "admin=a  b",
            "admin=a;editor",
            "admin=a;Editor=b",
            "admin=a\"b",
            "admin=a\\b",
            "=a",
        ] {
            assert_eq!(RoleScopes::parse(text), None, "{text:?}");
        }
    }
}
