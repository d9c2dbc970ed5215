//! Keys and attributes: the names in the table.
//!
//! Keys hold no personal data: they show up in CloudTrail and Contributor Insights.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use crate::domain::event::Subject;
use crate::domain::id::{EventId, SessionId, UserId};
use crate::domain::throttle::{AttemptKey, Place};

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
/// The sort key of the attempts at an address.
const ATTEMPTS: &str = "ATTEMPTS";
/// The prefix of the sort key of the mails that were asked for in a window.
const MAILS: &str = "MAILS#";
/// The prefix of the sort key of the attempts in a session or with a link.
const SESSION_ATTEMPTS: &str = "THROTTLE#";
/// The prefix of a session's sort key.
pub(super) const SESSION: &str = "SESSION#";

/// The prefix of a link's sort key. It lies behind the sessions, so lists of these do not read it.
const LINK: &str = "TOKEN#";
/// The sort key of a pending registration.
const REGISTRATION: &str = "REGISTRATION";

/// The key of an item.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    /// The key of the credential of an address, from the address's fingerprint.
    pub(super) fn credential(address: &str) -> Self {
        Self {
            pk: format!("EMAIL#{address}"),
            sk: CREDENTIAL.to_owned(),
        }
    }

    /// The key of an item that never exists. The template names its partition for functions that
    /// may read no other.
    pub(super) fn nothing() -> Self {
        Self {
            pk: "NOTHING".to_owned(),
            sk: "NOTHING".to_owned(),
        }
    }

    /// The key of an account.
    pub(super) fn account(user: UserId) -> Self {
        Self {
            pk: Self::partition(user),
            sk: ACCOUNT.to_owned(),
        }
    }

    /// The key of one of an account's sessions.
    pub(super) fn session(user: UserId, session: SessionId) -> Self {
        Self {
            pk: Self::partition(user),
            sk: format!("{SESSION}{session}"),
        }
    }

    /// The key of the attempts at an address, whether it has an account or not, in a session, or
    /// with a link.
    pub(super) fn attempts(key: &AttemptKey) -> Self {
        match key.place() {
            Place::Address => Self::attempts_at(key.address()),
            // In the partition of the account, so that it ends with the account.
            Place::Session(user, session) => Self {
                pk: Self::partition(user),
                sk: format!("{SESSION_ATTEMPTS}{session}"),
            },
            Place::Link(user, link) => Self {
                pk: Self::partition(user),
                sk: format!("{SESSION_ATTEMPTS}{link}"),
            },
        }
    }

    /// The key of the attempts at an address, from the address's fingerprint.
    pub(super) fn attempts_at(address: &str) -> Self {
        Self {
            pk: format!("LIMIT#EMAIL#{address}"),
            sk: ATTEMPTS.to_owned(),
        }
    }

    /// The key of the attempts of a source in the window that begins at `window`, in seconds since
    /// the epoch.
    pub(super) fn source(key: &AttemptKey, window: u64) -> Self {
        Self {
            pk: format!("LIMIT#SOURCE#{}", key.source()),
            sk: window.to_string(),
        }
    }

    /// The key of the mails that were asked for to an address, from its fingerprint, in the window
    /// that begins at `window`. The template names the prefix of its partition and the next one.
    pub(super) fn mails_to(address: &str, window: u64) -> Self {
        Self {
            pk: format!("LIMIT#MAIL#EMAIL#{address}"),
            sk: format!("{MAILS}{window}"),
        }
    }

    /// The key of the mails that a source asked for in the window that begins at `window`.
    pub(super) fn mails_of(source: &str, window: u64) -> Self {
        Self {
            pk: format!("LIMIT#MAIL#SOURCE#{source}"),
            sk: format!("{MAILS}{window}"),
        }
    }

    /// The key of a link in a mail, by the event that asked for it.
    pub(super) fn link(user: UserId, id: EventId) -> Self {
        Self {
            pk: Self::partition(user),
            sk: format!("{LINK}{id}"),
        }
    }

    /// The key of a pending registration, by the id of the account that it opens.
    pub(super) fn registration(user: UserId) -> Self {
        Self {
            pk: Self::partition(user),
            sk: REGISTRATION.to_owned(),
        }
    }

    /// The key of an event, in the event table.
    pub(super) fn event(subject: &Subject, id: EventId) -> Self {
        Self {
            pk: match subject {
                Subject::User(user) => Self::partition(*user),
                Subject::Address(address) => format!("EMAIL#{address}"),
            },
            sk: id.to_string(),
        }
    }

    /// The partition of an account: the account, its sessions, the attempts in these, and the
    /// links in mails to its owner.
    pub(super) fn partition(user: UserId) -> String {
        format!("USER#{user}")
    }

    /// Returns the two attributes of the key.
    pub(super) fn attributes(self) -> Attributes {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk)),
            (SK.to_owned(), AttributeValue::S(self.sk)),
        ])
    }
}

/// The kind of an item, which its sort key tells.
///
/// Every reader of a partition matches all of these by name. A new kind therefore does not compile
/// until each reader handles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    /// The credential of an address.
    Credential,
    /// An account.
    Account,
    /// One of an account's sessions.
    Session(SessionId),
    /// A link in a mail.
    Link(EventId),
    /// A registration that waits for its link.
    Registration,
    /// The attempts at an address.
    Attempts,
    /// The attempts in a session of the account, or with a link.
    SessionAttempts,
    /// The attempts of a source in one window.
    SourceAttempts,
    /// The mails that were asked for in one window, to an address or by a source.
    Mails,
    /// None of these: written by another version of Latchkey, or by someone else.
    Unknown,
}

impl ItemKind {
    /// Returns the kind of an item. Only the key attributes are needed.
    pub(super) fn of(item: &Attributes) -> Self {
        match sort_key(item) {
            CREDENTIAL => Self::Credential,
            ACCOUNT => Self::Account,
            ATTEMPTS => Self::Attempts,
            REGISTRATION => Self::Registration,
            sk => match sk.strip_prefix(SESSION) {
                Some(id) => id.parse().map_or(Self::Unknown, Self::Session),
                None if let Some(id) = sk.strip_prefix(LINK) => {
                    id.parse().map_or(Self::Unknown, Self::Link)
                }
                None if sk.starts_with(SESSION_ATTEMPTS) => Self::SessionAttempts,
                None if sk.starts_with(MAILS) => Self::Mails,
                None if sk.parse::<u64>().is_ok() => Self::SourceAttempts,
                None => Self::Unknown,
            },
        }
    }
}

/// Returns whether an item lies among the sessions of its partition, whatever its kind.
pub(super) fn is_among_sessions(item: &Attributes) -> bool {
    sort_key(item).starts_with(SESSION)
}

fn sort_key(item: &Attributes) -> &str {
    let sk = item.get(SK).and_then(|sk| sk.as_s().ok());
    sk.map_or("", String::as_str)
}

/// Writes an item, attribute by attribute.
pub(super) struct Writer(Attributes);

impl Writer {
    /// Starts an item with its key.
    pub(super) fn new(key: Key) -> Self {
        Self(key.attributes())
    }

    /// Adds a string.
    pub(super) fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.attribute(name, text(value))
    }

    /// Adds a number.
    pub(super) fn number(self, name: &str, value: u64) -> Self {
        self.attribute(name, number(value))
    }

    /// Adds a text if there is one.
    pub(super) fn optional_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a number if there is one.
    pub(super) fn optional_number(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// Adds octets.
    pub(super) fn octets(self, name: &str, value: &[u8]) -> Self {
        self.attribute(name, octets(value))
    }

    /// Adds a truth value. One that is false is left out.
    pub(super) fn truth(self, name: &str, value: bool) -> Self {
        match value {
            true => self.attribute(name, boolean(value)),
            false => self,
        }
    }

    /// Adds a list of strings.
    pub(super) fn texts(self, name: &str, values: impl Iterator<Item = String>) -> Self {
        self.attribute(
            name,
            AttributeValue::L(values.map(AttributeValue::S).collect()),
        )
    }

    /// Returns the item.
    pub(super) fn finish(self) -> Attributes {
        self.0
    }

    fn attribute(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

/// Reads an item, attribute by attribute. An error names the attribute that cannot be read and
/// never shows its value.
pub(super) struct Reader<'a> {
    /// The kind of item, for the error.
    pub(super) item: &'static str,
    /// Its attributes.
    pub(super) attributes: &'a Attributes,
}

impl Reader<'_> {
    /// Reads a string with `parse`.
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

    /// Reads a string in the canonical form of its type.
    pub(super) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        self.text(name, str::parse)
    }

    /// Reads a string that may be missing, in the canonical form of its type.
    pub(super) fn optional_text<T: FromStr>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, StoreError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(_) => self.parsed(name).map(Some),
        }
    }

    /// Reads a number.
    pub(super) fn number(&self, name: &'static str) -> Result<u64, StoreError> {
        self.optional_number(name)?
            .ok_or_else(|| self.corrupt(name))
    }

    /// Reads a number that may be missing.
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

    /// Reads exactly `N` octets.
    pub(super) fn octets<const N: usize>(&self, name: &'static str) -> Result<[u8; N], StoreError> {
        let octets = match self.attributes.get(name) {
            Some(AttributeValue::B(octets)) => octets.as_ref().try_into().ok(),
            _ => None,
        };
        octets.ok_or_else(|| self.corrupt(name))
    }

    /// Reads exactly `N` octets that may be missing.
    pub(super) fn optional_octets<const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<[u8; N]>, StoreError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(_) => self.octets(name).map(Some),
        }
    }

    /// Reads a list of exactly `N` numbers that may be missing.
    pub(super) fn optional_numbers<const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<[u64; N]>, StoreError> {
        let values = match self.attributes.get(name) {
            None => return Ok(None),
            Some(AttributeValue::L(values)) => values,
            Some(_) => return Err(self.corrupt(name)),
        };
        let numbers = values.iter().map(|value| value.as_n().ok()?.parse().ok());
        let numbers: Option<Vec<u64>> = numbers.collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.map(Some).ok_or_else(|| self.corrupt(name))
    }

    /// Reads a list of strings in the canonical form of their type.
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

    /// Reads a set of texts of `N` octets that may be missing.
    pub(super) fn octet_set<const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<Vec<[u8; N]>, StoreError> {
        let values = match self.attributes.get(name) {
            None => return Ok(Vec::new()),
            Some(AttributeValue::Bs(values)) => values,
            Some(_) => return Err(self.corrupt(name)),
        };
        let read = |octets: &Blob| octets.as_ref().try_into().map_err(|_| self.corrupt(name));
        values.iter().map(read).collect()
    }

    /// Reads a truth value, which is false if it is missing.
    pub(super) fn truth(&self, name: &'static str) -> Result<bool, StoreError> {
        match self.attributes.get(name) {
            None => Ok(false),
            Some(AttributeValue::Bool(value)) => Ok(*value),
            Some(_) => Err(self.corrupt(name)),
        }
    }

    /// Returns whether the item has an attribute.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    pub(super) fn corrupt(&self, attribute: &'static str) -> StoreError {
        StoreError::Corrupt {
            item: self.item,
            attribute,
        }
    }
}

/// Returns octets as an attribute.
pub(super) fn octets(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Returns a truth value as an attribute.
pub(super) fn boolean(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

/// Returns a string as an attribute.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// Returns a list of numbers as an attribute.
pub(super) fn numbers<const N: usize>(values: [u64; N]) -> AttributeValue {
    AttributeValue::L(values.map(number).into())
}

/// Returns a number as an attribute.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
