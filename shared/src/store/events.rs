//! Events: the rows of the event table. `mailer` is fed by its stream, which therefore shows no
//! attribute of the main table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use super::item::{self, Attributes, Key, Reader, SK, Writer};
use super::write::incomplete;
use super::{Store, StoreError, unavailable};
use crate::domain::event::{Event, StoredEvent};
use crate::domain::id::{EventId, UserId};
use crate::domain::mail::Mail;
use crate::domain::session::Device;
use crate::observe::AuditEvent;
use crate::observe::audit::Kept;
use crate::observe::logging::chain;
use crate::platform::config::{ConfigError, Env};
use crate::platform::settings;

/// The event table, and which events it gets.
#[derive(Clone)]
pub(super) struct EventTable {
    name: String,
    recorded: Recorded,
    seconds: u64,
    has_mail: bool,
}

/// The event table, for those who read it and no other table.
#[derive(Clone)]
pub struct EventReader {
    pub(super) client: Client,
    pub(super) table: String,
}

/// Which events are stored. Those that ask for a mail always are, and so are those that an operator
/// caused: the command line writes no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recorded {
    All,
    /// All but logins.
    Security,
    /// None but those.
    Least,
}

/// A page of an account's events.
#[derive(Debug)]
pub struct EventPage {
    /// The events, latest first.
    pub events: Vec<StoredEvent>,
    /// The last event of this page, if others may follow.
    pub last: Option<EventId>,
}

const RECORD: &str = "record the event";

impl EventTable {
    /// Reads `EVENT_TABLE`, `EVENTS`, `EVENT_DAYS` and `MAIL_FROM`. Without the last, nothing sends
    /// mail, so no event asks for one.
    pub(super) fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let recorded = match env.optional("EVENTS").as_deref() {
            None | Some("all") => Recorded::All,
            Some("security") => Recorded::Security,
            Some("none") => Recorded::Least,
            Some(other) => {
                return Err(ConfigError::new(format!(
                    "EVENTS is \"{other}\"; set it to all, security or none"
                )));
            }
        };
        Ok(Self {
            name: event_table(env)?,
            recorded,
            seconds: env.setting(&settings::EVENT_DAYS)? * 24 * 60 * 60,
            has_mail: Mail::is_sent(env),
        })
    }

    fn stores(&self, event: &Event) -> bool {
        match self.recorded {
            _ if event.kind().kept() == Kept::InLogOnly => false,
            _ if self.has_mail && event.mail.is_some() => true,
            _ if event.entry().operator().is_some() => true,
            Recorded::All => true,
            Recorded::Security => event.kind() != AuditEvent::LoggedIn,
            Recorded::Least => false,
        }
    }

    fn row(&self, event: &Event) -> Attributes {
        let (entry, mail) = (event.entry(), event.mail.filter(|_| self.has_mail));
        Writer::new(Key::event(&event.subject, event.id))
            .text("event", event.kind().name())
            .optional_text("session_id", entry.session_id())
            .text("ip", &event.device.ip)
            .text("user_agent", &event.device.user_agent)
            .optional_text("reason", entry.reason())
            .optional_text("by", entry.cause())
            .optional_text("actor", entry.operator())
            .optional_text("mail", mail.map(|mail| mail.name()))
            .optional_text("pending", event.pending.map(String::from).as_deref())
            .optional_text("link", event.link.map(String::from).as_deref())
            .number("expires_at", event.id.millis() / 1000 + self.seconds)
            .finish()
    }
}

impl Store {
    /// Returns the reader of the events that this store records, over the same connections.
    pub fn event_reader(&self) -> EventReader {
        EventReader {
            client: self.client.clone(),
            table: self.events.name.clone(),
        }
    }

    /// Stores events that no transaction tells of, each in one request, one after the other: nearly
    /// always there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Some of the events may then be stored.
    pub async fn record<'a>(
        &self,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<(), StoreError> {
        let events = events.into_iter().filter(|event| self.events.stores(event));
        let rows: Vec<_> = events.map(|event| self.events.row(event)).collect();
        for row in rows {
            let request = self.client.put_item().table_name(&self.events.name);
            let answer = request.set_item(Some(row)).send().await;
            answer.map_err(unavailable(RECORD))?;
        }
        Ok(())
    }

    /// Returns the actions that store `events` in the transaction of the change that they tell of.
    /// They have no condition, so they never refuse it; put them last.
    pub(super) fn event_actions(
        &self,
        events: &[Event],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let events = events.iter().filter(|event| self.events.stores(event));
        let put = |event| {
            let put = Put::builder()
                .table_name(&self.events.name)
                .set_item(Some(self.events.row(event)));
            let put = put.build().map_err(incomplete(RECORD))?;
            Ok(TransactWriteItem::builder().put(put).build())
        };
        events.map(put).collect()
    }
}

impl EventReader {
    /// Reads `EVENT_TABLE`, and the settings of [`client`](super::client).
    ///
    /// # Errors
    ///
    /// Returns an error if a required setting is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Self::with_client(super::client(env)?, env)
    }

    /// Reads `EVENT_TABLE`, as [`Store::with_client`] does.
    ///
    /// # Errors
    ///
    /// Returns an error if it is missing.
    pub fn with_client(client: Client, env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            client,
            table: event_table(env)?,
        })
    }

    /// Opens a connection to DynamoDB ahead of the first request, as
    /// [`Store::warm_up`](super::Store::warm_up) does.
    pub async fn warm_up(&self) {
        // The id of no account.
        let nobody = UserId::from_bytes([0; 16]);
        if let Err(fault) = self.events_of(nobody, None, 1, 0).await {
            tracing::warn!(cause = chain(&fault), "DynamoDB cannot be reached yet");
        }
    }

    /// Returns a page of at most `most` of an account's events, latest first, those before `before`.
    /// Those that have expired by `now` are left out.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or a row is unreadable.
    pub async fn events_of(
        &self,
        user: UserId,
        before: Option<EventId>,
        most: i32,
        now: u64,
    ) -> Result<EventPage, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", item::text(Key::partition(user)))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(most);
        let request = match before {
            Some(before) => {
                let start = Key::event(&user.into(), before).attributes();
                request.set_exclusive_start_key(Some(start))
            }
            None => request,
        };
        let answer = request.send().await;
        let answer = answer.map_err(unavailable("list the events"))?;
        let last = answer.last_evaluated_key.as_ref();
        let last = last.map(event_id).transpose()?;
        let rows = answer.items.unwrap_or_default();
        let mut events = rows.iter().map(read_event).collect::<Result<Vec<_>, _>>()?;
        events.retain(|event| event.expires_at > now);
        Ok(EventPage { events, last })
    }
}

fn event_table(env: &Env<'_>) -> Result<String, ConfigError> {
    env.required("EVENT_TABLE", "the name of the DynamoDB table of events")
}

fn event_id(attributes: &Attributes) -> Result<EventId, StoreError> {
    reader(attributes).parsed(SK)
}

pub(super) fn read_event(attributes: &Attributes) -> Result<StoredEvent, StoreError> {
    let row = reader(attributes);
    Ok(StoredEvent {
        id: row.parsed(SK)?,
        name: row.parsed("event")?,
        session_id: row.optional_text("session_id")?,
        device: Device {
            ip: row.parsed("ip")?,
            user_agent: row.parsed("user_agent")?,
        },
        reason: row.optional_text("reason")?,
        by: row.optional_text("by")?,
        actor: row.optional_text("actor")?,
        expires_at: row.number("expires_at")?,
    })
}

fn reader(attributes: &Attributes) -> Reader<'_> {
    Reader {
        item: "event",
        attributes,
    }
}
