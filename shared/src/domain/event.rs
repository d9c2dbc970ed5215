//! Events: security events as rows of the event table.

mod view;

use crate::domain::email::Email;
use crate::domain::id::{EventId, SessionId, UserId};
use crate::domain::mail::Mail;
use crate::domain::session::Device;
use crate::domain::throttle::Source;
use crate::observe::AuditEvent;
use crate::observe::audit::{Entry, Kept};

pub use view::EventView;

/// Where a request came from, and when.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The device, as the gateway saw it.
    pub device: Device,
    /// The time of the request, in milliseconds since the epoch.
    pub millis: u64,
}

impl Origin {
    /// Returns the time of the request, in seconds since the epoch.
    pub fn now(&self) -> u64 {
        self.millis / 1000
    }

    /// Returns the source of the request, for counting.
    pub fn source(&self) -> Source {
        Source::of(&self.device.ip)
    }
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An account.
    User(UserId),
    /// An address, by its fingerprint: the request did not look whether it has an account, or must
    /// not tell.
    Address(String),
}

impl Subject {
    /// Returns an address as the subject.
    pub fn address(email: &Email) -> Self {
        Self::Address(email.fingerprint())
    }

    /// Returns whether events of `kind` are kept under this subject.
    fn has(&self, kind: AuditEvent) -> bool {
        match kind.kept() {
            Kept::InLogOnly => false,
            Kept::UnderAccount => matches!(self, Self::User(_)),
            Kept::UnderAddress => matches!(self, Self::Address(_)),
            Kept::UnderEither => true,
        }
    }
}

impl From<UserId> for Subject {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

/// A security event: one row of the event table, and one line in the log.
///
/// It holds no e-mail address and no secret.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its identifier, a UUIDv7 of the time of the request.
    pub id: EventId,
    /// Whom it is about.
    pub subject: Subject,
    /// Where the request came from.
    pub device: Device,
    /// The mail that it asks for.
    pub mail: Option<Mail>,
    /// What the mail is about, if the event itself does not tell: the account that a pending
    /// registration opens.
    pub pending: Option<UserId>,
    /// The request for a link whose use this event is, which knows the addresses.
    pub link: Option<EventId>,
    entry: Entry,
}

impl Event {
    /// Returns the event of `entry`, about `subject`.
    pub fn new(entry: Entry, subject: impl Into<Subject>, origin: &Origin) -> Self {
        let subject = subject.into();
        debug_assert!(subject.has(entry.event()), "see AuditEvent::kept");
        Self {
            id: EventId::new(origin.millis),
            subject,
            device: origin.device.clone(),
            mail: None,
            pending: None,
            link: None,
            entry,
        }
    }

    /// Asks for a mail.
    pub fn mail(self, mail: Mail) -> Self {
        Self {
            mail: Some(mail),
            ..self
        }
    }

    /// Names the account that a pending registration opens.
    pub fn of_registration(self, account: UserId) -> Self {
        Self {
            pending: Some(account),
            ..self
        }
    }

    /// Names the request for a link.
    pub fn of_link(self, link: EventId) -> Self {
        Self {
            link: Some(link),
            ..self
        }
    }

    /// Returns what happened.
    pub fn kind(&self) -> AuditEvent {
        self.entry.event()
    }

    /// Returns the fields of its log line.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Writes the event's line into the log, after it has happened.
    pub fn log(self) {
        self.entry.log();
    }
}

/// A stored event, as it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its identifier, which holds its time.
    pub id: EventId,
    /// Its name, which may be that of a later version.
    pub name: String,
    /// The session that it is about.
    pub session_id: Option<SessionId>,
    /// Where the request came from.
    pub device: Device,
    /// Why it happened: a word from a short list.
    pub reason: Option<String>,
    /// What caused it: a word from a short list.
    pub by: Option<String>,
    /// The operator who did it, if it was not the account's owner.
    pub actor: Option<String>,
    /// When it expires, in seconds since the epoch.
    pub expires_at: u64,
}
