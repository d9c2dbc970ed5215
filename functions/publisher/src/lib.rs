//! Publishes events for others, on the stack's bus of EventBridge.
//!
//! Lambda passes on the stream of the event table, in which each row about an account is an event.
//! What is published are ids and words, in the form of CloudEvents: no address, no name, nothing that
//! a client has written, and nothing secret. The function reads no table.
//!
//! An event is published at least once, with the same id each time. The events of one account are put
//! on the bus one after the other, in the order in which they were written.

mod bus;
mod cloud_event;
mod deliver;

use std::time::{Duration, Instant};

use serde_json::Value;
use shared::aws::batch::Invocation;
use shared::observe::after_response::after_response;
use shared::observe::logging::chain;
use shared::observe::request_log::{RequestLog, in_ms};
use shared::platform::{ConfigError, Env};

use bus::Bus;

/// Publishes events.
pub struct Publisher {
    /// Without it, the deployment publishes nothing.
    bus: Option<Bus>,
}

/// The reason why a call failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The event is no batch of the stream.
    #[error("the event is not of a stream")]
    UnknownEvent,
    /// A record has no sequence number, so Lambda could not be told about it.
    #[error("a record of the stream has no sequence number")]
    NoSequenceNumber,
}

impl Publisher {
    /// The longest time that the work on the events of one request to EventBridge takes.
    pub const RESERVE: Duration = Duration::from_secs(15);

    /// Reads `EVENT_BUS`, `EVENT_SOURCE`, `AWS_ENDPOINT_URL_EVENTBRIDGE`, and the settings of
    /// [`shared::aws::config`]. Without `EVENT_BUS`, nothing is published and nothing else is read.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            bus: Bus::from_env(env)?,
        })
    }

    /// Publishes the events of a batch, and writes one line to the log.
    ///
    /// # Errors
    ///
    /// Returns an error if Lambda has to repeat the whole batch.
    pub async fn handle(
        &self,
        event: &Value,
        invocation: Invocation,
    ) -> Result<Value, PublisherError> {
        let started = Instant::now();
        let records = event["Records"].as_array();
        let log = RequestLog::new(invocation.request_id.clone(), "stream".to_owned());
        // Boxed: the SDK's futures are nested too deeply for the compiler otherwise.
        let published = Box::pin(self.publish(records, &invocation));
        let (outcome, log) = log.during(published).await;
        let records = records.map_or(0, Vec::len);
        let duration_ms = in_ms(started.elapsed());
        let cause = outcome.as_ref().err().map(|error| chain(error));
        after_response(move || write_line(records, cause, duration_ms, log));
        outcome
    }

    async fn publish(
        &self,
        records: Option<&Vec<Value>>,
        invocation: &Invocation,
    ) -> Result<Value, PublisherError> {
        let records = records.ok_or(PublisherError::UnknownEvent)?;
        let answer = self.deliver(records, invocation).await?;
        Ok(serde_json::to_value(answer).unwrap_or_default())
    }
}

/// Writes the log line of a call. Fields that are metrics have the names of `shared::observe::emf`.
fn write_line(records: usize, cause: Option<String>, duration_ms: f64, log: RequestLog) {
    let RequestLog {
        request_id,
        route,
        cold_starts,
        events_published,
        events_failed,
        events_rejected,
        bus_ms,
        ..
    } = log;
    // A tracing level must be a constant, so each level has its own call.
    macro_rules! write_at {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                request_id,
                route,
                records,
                duration_ms,
                cause,
                cold_starts,
                events_published,
                events_failed,
                events_rejected,
                bus_ms,
                $message
            )
        };
    }
    if cause.is_some() {
        write_at!(error, "request failed");
    } else {
        write_at!(info, "request");
    }
}
