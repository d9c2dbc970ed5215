//! The event table as operators read it: the events of an account, of an address, or of everybody.

use std::collections::HashMap;

use super::events::read_event;
use super::item::{self, Attributes, Key, PK, Reader};
use super::stream::subject;
use super::{EventReader, StoreError, unavailable};
use crate::domain::event::{StoredEvent, Subject};
use crate::domain::id::EventId;

/// An event, and whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Whom it is about.
    pub subject: Subject,
    /// The event.
    pub event: StoredEvent,
}

/// A place in the event table.
#[derive(Debug, Clone)]
pub struct LogPosition(Attributes);

/// A part of the events.
#[derive(Debug)]
pub struct LogPage {
    /// The events: those of one subject in the order of their times, those of everybody in none.
    pub events: Vec<LoggedEvent>,
    /// Where the next part begins, if there is one.
    pub next: Option<LogPosition>,
}

impl EventReader {
    /// Returns a part of the events from `since` on, in milliseconds since the epoch: those about
    /// `of`, earliest first, or those of everybody, for which the whole table is read.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or a row is unreadable.
    pub async fn logged(
        &self,
        of: Option<&Subject>,
        since: u64,
        after: Option<&LogPosition>,
    ) -> Result<LogPage, StoreError> {
        let start = after.map(|after| after.0.clone());
        let first = item::text(EventId::first_of(since).to_string());
        let (rows, next) = match of {
            Some(of) => {
                let key = Key::event(of, EventId::first_of(since)).attributes();
                let request = self
                    .client
                    .query()
                    .table_name(&self.table)
                    .key_condition_expression("pk = :pk AND sk >= :since")
                    .set_expression_attribute_values(Some(HashMap::from([
                        (
                            ":pk".to_owned(),
                            key.get(PK).cloned().unwrap_or_else(|| item::text("")),
                        ),
                        (":since".to_owned(), first),
                    ])))
                    .consistent_read(true)
                    .set_exclusive_start_key(start);
                let answer = request.send().await;
                let answer = answer.map_err(unavailable("list the events"))?;
                (answer.items, answer.last_evaluated_key)
            }
            None => {
                let request = self
                    .client
                    .scan()
                    .table_name(&self.table)
                    .filter_expression("sk >= :since")
                    .expression_attribute_values(":since", first)
                    .consistent_read(true)
                    .set_exclusive_start_key(start);
                let answer = request.send().await;
                let answer = answer.map_err(unavailable("list the events"))?;
                (answer.items, answer.last_evaluated_key)
            }
        };
        let rows = rows.unwrap_or_default();
        Ok(LogPage {
            events: rows.iter().map(read).collect::<Result<_, _>>()?,
            next: next.map(LogPosition),
        })
    }
}

fn read(attributes: &Attributes) -> Result<LoggedEvent, StoreError> {
    let row = Reader {
        item: "event",
        attributes,
    };
    Ok(LoggedEvent {
        subject: row.text(PK, subject)?,
        event: read_event(attributes)?,
    })
}
