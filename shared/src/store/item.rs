//! Keys and attributes: the names in the table.
//!
//! Keys hold no personal data: they show up in CloudTrail and Contributor Insights. The one exception
//! is the [`directory`](super::directory), which a deployment can leave out.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

pub(super) use super::values::{Reader, Writer, boolean, number, numbers, octets, text, texts};

use crate::domain::event::Subject;
use crate::domain::id::{EventId, SessionId, UserId};
use crate::domain::mail::Mail;
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
pub(super) const CREDENTIAL: &str = "CREDENTIAL";
/// The sort key of the attempts at an address.
const ATTEMPTS: &str = "ATTEMPTS";
/// The prefix of the sort key of the mails that were asked for in a window.
const MAILS: &str = "MAILS#";
/// The prefix of the sort key of the attempts in a session or with a link.
const SESSION_ATTEMPTS: &str = "THROTTLE#";
/// The prefix of a session's sort key.
pub(super) const SESSION: &str = "SESSION#";

/// The prefix of a link's sort key. It lies behind the sessions, so lists of these do not read it.
pub(super) const LINK: &str = "TOKEN#";
/// The sort key of a pending registration.
const REGISTRATION: &str = "REGISTRATION";

/// The key of an item.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    /// The prefix of the partition keys of accounts.
    pub(super) const OWNER: &str = "USER#";

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

    /// The key of the mails of one kind that were asked for to an address, from its fingerprint, in
    /// the window that begins at `window`. The template names the prefix of its partition and of the
    /// next one.
    pub(super) fn mails_to(address: &str, mail: Mail, window: u64) -> Self {
        Self {
            pk: format!("LIMIT#MAIL#EMAIL#{address}"),
            sk: format!("{MAILS}{window}-{mail}"),
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

    /// The key of a pending registration, by the id of the account that it opens. It is outside the
    /// partition of the account: the function `mailer` may write there, a write that fails can show
    /// the item, and this one has the hash of a password.
    pub(super) fn registration(user: UserId) -> Self {
        Self {
            pk: format!("PENDING#{user}"),
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
        format!("{}{user}", Self::OWNER)
    }

    /// Returns the account that a partition belongs to.
    pub(super) fn owner_of_partition(pk: &str) -> Option<UserId> {
        pk.strip_prefix(Self::OWNER)?.parse().ok()
    }

    /// Returns the partition key.
    pub(super) fn partition_key(&self) -> &str {
        &self.pk
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
