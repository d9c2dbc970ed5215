//! A batch of the stream: its events in requests to EventBridge, as far as they go.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use shared::aws::batch::{BatchAnswer, Invocation};
use shared::domain::PublishedEvent;
use shared::observe::logging::chain;
use shared::observe::request_log::{RequestLog, record};
use shared::store::stream::published_event;
use tokio::time::sleep;

use crate::bus::{Bus, Fault, Put};
use crate::{Publisher, PublisherError};

/// The waits before those events of a request are tried again that EventBridge did not take though it
/// took others.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// An event that is not published yet, and the sequence number of its record.
struct Pending<'a> {
    number: &'a str,
    event: PublishedEvent,
}

impl Publisher {
    /// Publishes the events of a batch. Returns the first one that was not.
    ///
    /// # Errors
    ///
    /// Returns an error if Lambda could not be told which one that is.
    pub(crate) async fn deliver(
        &self,
        records: &[Value],
        invocation: &Invocation,
    ) -> Result<BatchAnswer, PublisherError> {
        let mut pending = Vec::new();
        for record in records {
            let number = record["dynamodb"]["SequenceNumber"].as_str();
            let number = number.ok_or(PublisherError::NoSequenceNumber)?;
            match published_event(&record["dynamodb"]["NewImage"]) {
                Ok(Some(event)) => pending.push(Pending { number, event }),
                Ok(None) => {}
                Err(error) => {
                    // It would be unreadable again, and the shard must go on.
                    tracing::error!(error = chain(&error), "a record of the stream was left out");
                    count(|log| &mut log.events_rejected, 1);
                }
            }
        }
        let Some(bus) = &self.bus else {
            return Ok(BatchAnswer::done());
        };
        let mut is_first = true;
        // The first request is made in any case, or no call would get any further.
        while !pending.is_empty() && (is_first || !invocation.is_over()) {
            is_first = false;
            let (now, mut later) = first_of_each_account(pending);
            let failed = publish(bus, now).await;
            let has_failed = !failed.is_empty();
            later.extend(failed);
            pending = later;
            if has_failed {
                break;
            }
        }
        // Sequence numbers have up to 40 digits, so they are compared as the records lie.
        let first = records.iter().find_map(|record| {
            let number = record["dynamodb"]["SequenceNumber"].as_str()?;
            pending.iter().find(|it| it.number == number)
        });
        Ok(first.map_or_else(BatchAnswer::done, |it| BatchAnswer::again_from(it.number)))
    }
}

/// Takes the events of one request: at most one for each account. Of two in one request, EventBridge
/// could refuse the first and take the second.
fn first_of_each_account(pending: Vec<Pending<'_>>) -> (Vec<Pending<'_>>, Vec<Pending<'_>>) {
    let mut accounts = HashSet::new();
    let mut taken = 0;
    pending.into_iter().partition(|it| {
        let is_first = accounts.insert(it.event.user_id);
        let is_taken = is_first && taken < Bus::MOST;
        taken += usize::from(is_taken);
        is_taken
    })
}

/// Publishes events, and tries those again that EventBridge did not take, without the others. Returns
/// those that have to wait for Lambda's next try.
async fn publish<'a>(bus: &Bus, events: Vec<Pending<'a>>) -> Vec<Pending<'a>> {
    let all = events.len();
    let mut left = events;
    let mut waits = WAITS.iter();
    loop {
        let request: Vec<_> = left.iter().map(|it| &it.event).collect();
        let outcomes = bus.put(&request).await;
        let mut fault = None;
        let mut failed = Vec::new();
        for (it, outcome) in left.into_iter().zip(outcomes) {
            match outcome {
                Put::Taken => count(|log| &mut log.events_published, 1),
                Put::Again(why) => {
                    fault = Some(why);
                    failed.push(it);
                }
                Put::Rejected(reason) => {
                    let (id, name) = (it.event.id.to_string(), it.event.name);
                    tracing::error!(id, name, reason, "an event was not published");
                    count(|log| &mut log.events_rejected, 1);
                }
            }
        }
        let Some(fault) = fault else {
            return failed;
        };
        // The SDK has tried a request again that failed as a whole.
        let is_partial = failed.len() < all;
        match waits.next() {
            Some(wait) if is_partial && fault.advice.is_none() => sleep(*wait).await,
            _ => {
                tell(fault, failed.len());
                return failed;
            }
        }
        left = failed;
    }
}

fn tell(fault: Fault, events: usize) {
    let Fault { reason, advice } = fault;
    // A tracing level must be a constant, so each level has its own call.
    match advice {
        Some(_) => tracing::error!(
            reason,
            advice,
            events,
            "no event is published until this is repaired"
        ),
        None => tracing::warn!(reason, events, "events were not published yet"),
    }
    count(|log| &mut log.events_failed, events as u64);
}

/// Adds to a count of the log.
fn count(of: impl FnOnce(&mut RequestLog) -> &mut Option<u64>, more: u64) {
    record(|log| *of(log).get_or_insert(0) += more);
}
