//! Identifiers that the server assigns: of users, sessions, events and roles.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An error: the text is not a valid identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a valid identifier")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Returns a new identifier for `millis` milliseconds since the epoch: a UUIDv7 (RFC
            /// 9562 section 5.7) with 74 random bits.
            #[cfg(feature = "accounts")]
            pub fn new(millis: u64) -> Self {
                let random = crate::platform::random::octets();
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Returns the identifier with these 16 octets.
            pub fn from_bytes(octets: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(octets))
            }

            /// Parses an identifier that a client gives in a path or a query. Its hexadecimal
            /// digits may be capitals, as RFC 9562 section 4 requires and some clients send them.
            ///
            /// # Errors
            ///
            /// Returns an error if the text is not an identifier with hyphens.
            pub fn given(text: &str) -> Result<Self, InvalidId> {
                text.to_ascii_lowercase().parse()
            }

            /// Returns the 16 octets.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Accepts only the form that the server writes (lower case, with hyphens), so that
            /// each identifier has one text in tokens and in the table.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Self(Uuid::try_parse(text).map_err(|_| InvalidId)?);
                if id.to_string() == text { Ok(id) } else { Err(InvalidId) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

id! {
    /// The identifier of an account, the `sub` of its tokens. It is never reassigned, and it is not
    /// the address.
    UserId
}
id! {
    /// The identifier of a session, the `sid` of its tokens.
    SessionId
}
id! {
    /// The identifier of an event. It holds the time of the event.
    EventId
}

#[cfg(feature = "accounts")]
impl UserId {
    /// Returns the identifier that an imported account gets each time that it is imported: a UUIDv7
    /// for `millis` milliseconds since the epoch, whose other bits are from SHA-256 of `parts`.
    pub fn derived(millis: u64, parts: [&str; 3]) -> Self {
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in parts {
            // With its length, so that no other parts have the same octets.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let hash = hash.finish();
        let mut random = [0; 10];
        for (to, from) in random.iter_mut().zip(hash.as_ref()) {
            *to = *from;
        }
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl EventId {
    /// Returns the least identifier of an event at `millis` milliseconds since the epoch.
    pub fn first_of(millis: u64) -> Self {
        let mut octets = [0; 16];
        octets[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        Self::from_bytes(octets)
    }

    /// Returns the time of the event, in milliseconds since the epoch (RFC 9562 section 5.7).
    pub fn millis(&self) -> u64 {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.as_bytes()[..6]);
        u64::from_be_bytes(millis)
    }
}

/// A role that an operator has given to an account, such as `admin` or `billing:read`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Role(String);

impl Role {
    /// The length of the longest role, in octets.
    pub const MAX_LENGTH: usize = 64;

    /// Returns the role's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Role {
    type Err = InvalidId;

    /// Accepts 1 to 64 of the characters `a-z 0-9 . _ : -`. None of them needs escaping in the
    /// space-separated list that the authorizer passes on.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'-');
        if (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId)
        }
    }
}

impl TryFrom<String> for Role {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_text() {
        let id = UserId::new(1_700_000_000_000);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.as_bytes()[14], b'7', "a UUIDv7");
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
        ] {
            assert_eq!(other.parse::<UserId>(), Err(InvalidId), "{other}");
        }
    }

    #[test]
    fn a_client_may_write_an_identifier_in_capitals() {
        let id = SessionId::new(1_700_000_000_000);
        let text = id.to_string();
        for given in [
            text.clone(),
            text.to_uppercase(),
            format!("{}{}", text[..20].to_uppercase(), &text[20..]),
        ] {
            assert_eq!(SessionId::given(&given), Ok(id), "{given}");
        }
        for other in [
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            format!("{text} "),
            text.replace('0', "\u{ff10}"),
            String::new(),
        ] {
            assert_eq!(SessionId::given(&other), Err(InvalidId), "{other}");
        }
    }

    #[test]
    fn identifiers_of_later_times_sort_later() {
        assert!(SessionId::new(1).to_string() < SessionId::new(2).to_string());
    }

    #[test]
    fn an_imported_account_gets_one_identifier_each_time() {
        let derived = |millis, parts| UserId::derived(millis, parts).to_string();
        let id = derived(1_700_000_000_000, ["django", "17", "ada@example.com"]);
        assert_eq!(
            id,
            derived(1_700_000_000_000, ["django", "17", "ada@example.com"])
        );
        assert!(id.starts_with("018bcfe5-6800-7"), "{id}");
        for other in [
            ["django", "1", "7ada@example.com"],
            ["django", "18", "ada@example.com"],
            ["auth0", "17", "ada@example.com"],
        ] {
            assert_ne!(id, derived(1_700_000_000_000, other));
        }
    }

    #[test]
    fn an_event_s_identifier_holds_its_time() {
        for millis in [0, 1, 1_700_000_000_123, (1 << 48) - 1] {
            assert_eq!(EventId::new(millis).millis(), millis);
            let first = EventId::first_of(millis).to_string();
            assert!(first <= EventId::new(millis).to_string());
            assert_eq!(EventId::first_of(millis).millis(), millis);
        }
    }

    #[test]
    fn a_role_is_a_plain_word() {
        assert!("billing:read".parse::<Role>().is_ok());
        for text in ["", "two words", "Admin", "a\n", &"x".repeat(65)] {
            assert_eq!(text.parse::<Role>(), Err(InvalidId), "{text:?}");
        }
    }
}
