//! Keys and attributes: the names under which things lie in the table.
//!
//! Keys hold no personal data: they show up in CloudTrail and Contributor Insights.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use crate::domain::id::{SessionId, UserId};
use crate::domain::throttle::AttemptKey;

/// The attributes of an item.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The partition key's attribute.
pub(super) const PK: &str = "pk";
/// The sort key's attribute.
pub(super) const SK: &str = "sk";

/// The sort key of an account.
pub(super) const ACCOUNT: &str = "ACCOUNT";
/// The sort key of a credential.
const CREDENTIAL: &str = "CREDENTIAL";
/// The sort key of what has been tried at an address.
const ATTEMPTS: &str = "ATTEMPTS";
/// With what the sort key of a session begins.
pub(super) const SESSION: &str = "SESSION#";

/// The key of an item.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    /// The credential of an address, by the address's fingerprint.
    pub(super) fn credential(address: &str) -> Self {
        Self {
            pk: format!("EMAIL#{address}"),
            sk: CREDENTIAL.to_owned(),
        }
    }

    /// Of an item that is never there. The template names its partition where a function may look
    /// at no other.
    pub(super) fn nothing() -> Self {
        Self {
            pk: "NOTHING".to_owned(),
            sk: "NOTHING".to_owned(),
        }
    }

    /// An account.
    pub(super) fn account(user: UserId) -> Self {
        Self {
            pk: Self::partition(user),
            sk: ACCOUNT.to_owned(),
        }
    }

    /// One of an account's sessions.
    pub(super) fn session(user: UserId, session: SessionId) -> Self {
        Self {
            pk: Self::partition(user),
            sk: format!("{SESSION}{session}"),
        }
    }

    /// What has been tried at an address, whether it has an account or not.
    pub(super) fn attempts(key: &AttemptKey) -> Self {
        Self {
            pk: format!("LIMIT#EMAIL#{}", key.address()),
            sk: ATTEMPTS.to_owned(),
        }
    }

    /// What a source has tried in the window that begins so, in seconds since the epoch.
    pub(super) fn source(key: &AttemptKey, window: u64) -> Self {
        Self {
            pk: format!("LIMIT#SOURCE#{}", key.source()),
            sk: window.to_string(),
        }
    }

    /// The partition of an account: itself and its sessions.
    pub(super) fn partition(user: UserId) -> String {
        format!("USER#{user}")
    }

    /// The key's two attributes.
    pub(super) fn attributes(self) -> Attributes {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk)),
            (SK.to_owned(), AttributeValue::S(self.sk)),
        ])
    }
}

/// What an item is, as its sort key says.
///
/// Whoever reads a partition matches all of these by name, so that a new kind does not compile until
/// each reader says what it means to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    /// What an address logs in with.
    Credential,
    /// An account.
    Account,
    /// One of an account's sessions.
    Session(SessionId),
    /// What has been tried at an address.
    Attempts,
    /// What a source has tried, in one window.
    SourceAttempts,
    /// None of these: another version of Latchkey, or somebody else, has put it there.
    Unknown,
}

impl ItemKind {
    /// Returns the kind of an item of which the key, at least, is known.
    pub(super) fn of(item: &Attributes) -> Self {
        let sk = item.get(SK).and_then(|sk| sk.as_s().ok());
        match sk.map_or("", String::as_str) {
            CREDENTIAL => Self::Credential,
            ACCOUNT => Self::Account,
            ATTEMPTS => Self::Attempts,
            sk => match sk.strip_prefix(SESSION) {
                Some(id) => id.parse().map_or(Self::Unknown, Self::Session),
                None if sk.parse::<u64>().is_ok() => Self::SourceAttempts,
                None => Self::Unknown,
            },
        }
    }
}

/// Writes an item, attribute by attribute.
pub(super) struct Writer(Attributes);

impl Writer {
    /// Begins with the key.
    pub(super) fn new(key: Key) -> Self {
        Self(key.attributes())
    }

    /// A text.
    pub(super) fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.attribute(name, text(value))
    }

    /// A number.
    pub(super) fn number(self, name: &str, value: u64) -> Self {
        self.attribute(name, number(value))
    }

    /// A number that may be missing.
    pub(super) fn optional_number(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// Octets.
    pub(super) fn octets(self, name: &str, value: &[u8]) -> Self {
        self.attribute(name, octets(value))
    }

    /// A list of texts.
    pub(super) fn texts(self, name: &str, values: impl Iterator<Item = String>) -> Self {
        self.attribute(
            name,
            AttributeValue::L(values.map(AttributeValue::S).collect()),
        )
    }

    /// The item.
    pub(super) fn finish(self) -> Attributes {
        self.0
    }

    fn attribute(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

/// Reads an item, attribute by attribute; what cannot be read is named, and never shown.
pub(super) struct Reader<'a> {
    /// The kind of item, for the error.
    pub(super) item: &'static str,
    /// Its attributes.
    pub(super) attributes: &'a Attributes,
}

impl Reader<'_> {
    /// A text that `parse` understands.
    pub(super) fn text<T, E>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        match self.attributes.get(name) {
            Some(AttributeValue::S(text)) => parse(text).map_err(|_| self.corrupt(name)),
            _ => Err(self.corrupt(name)),
        }
    }

    /// A text in the one form of its type.
    pub(super) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        self.text(name, str::parse)
    }

    /// A text that may be missing, in the one form of its type.
    pub(super) fn optional_text<T: FromStr>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, StoreError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(_) => self.parsed(name).map(Some),
        }
    }

    /// A number.
    pub(super) fn number(&self, name: &'static str) -> Result<u64, StoreError> {
        self.optional_number(name)?
            .ok_or_else(|| self.corrupt(name))
    }

    /// A number that may be missing.
    pub(super) fn optional_number(&self, name: &'static str) -> Result<Option<u64>, StoreError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(digits)) => match digits.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(self.corrupt(name)),
            },
            Some(_) => Err(self.corrupt(name)),
        }
    }

    /// Octets of a fixed number.
    pub(super) fn octets<const N: usize>(&self, name: &'static str) -> Result<[u8; N], StoreError> {
        let octets = match self.attributes.get(name) {
            Some(AttributeValue::B(octets)) => octets.as_ref().try_into().ok(),
            _ => None,
        };
        octets.ok_or_else(|| self.corrupt(name))
    }

    /// A list of texts in the one form of their type.
    pub(super) fn list<T: FromStr>(&self, name: &'static str) -> Result<Vec<T>, StoreError> {
        let Some(AttributeValue::L(values)) = self.attributes.get(name) else {
            return Err(self.corrupt(name));
        };
        let read = |value: &AttributeValue| value.as_s().ok().and_then(|text| text.parse().ok());
        values
            .iter()
            .map(|value| read(value).ok_or_else(|| self.corrupt(name)))
            .collect()
    }

    pub(super) fn corrupt(&self, attribute: &'static str) -> StoreError {
        StoreError::Corrupt {
            item: self.item,
            attribute,
        }
    }
}

/// Octets as an attribute.
pub(super) fn octets(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// A text as an attribute.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number as an attribute.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
