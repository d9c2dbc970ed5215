//! Delivers records to a function, with retries, as Lambda's event source mapping does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shared::platform::clock::Clock;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::mapping::Mapping;
use super::table::Record;
use crate::{Phase, reached};

/// The wait before the first retry. Each one after it is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Records that were given up, as AWS tells the on-failure destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The function.
    pub function: String,
    /// Why: `RetryAttemptsExhausted` or `RecordAgeExceeded`.
    pub condition: &'static str,
    /// The sequence number of the first record.
    pub first: String,
    /// The sequence number of the last record.
    pub last: String,
    /// How many records there were.
    pub count: usize,
    /// Where AWS would send this, if anywhere.
    pub destination: Option<String>,
}

/// What was given up in one process.
pub(super) type AllLost = Arc<Mutex<Vec<Lost>>>;

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Each record was delivered or given up.
    Done,
    /// The function failed and the process ends, so the rest is for the next start.
    Interrupted,
}

/// Delivers the records of one mapping.
pub(super) struct Delivery {
    pub(super) mapping: Mapping,
    pub(super) clock: Clock,
    pub(super) lost: AllLost,
    pub(super) phases: watch::Receiver<Phase>,
}

/// Records that are tried together.
struct Part {
    records: Vec<Record>,
    retries: Option<u32>,
    wait: Duration,
}

impl Delivery {
    /// Delivers `records` by `call`, which invokes the function. Tells `progress` each sequence
    /// number up to which no record is left.
    pub(super) async fn deliver<F: Future<Output = anyhow::Result<Value>>>(
        &self,
        records: Vec<Record>,
        call: impl Fn(Value) -> F,
        mut progress: impl FnMut(&str),
    ) -> Outcome {
        let mut parts = VecDeque::from([Part {
            records,
            retries: self.mapping.retries,
            wait: FIRST_WAIT,
        }]);
        while let Some(mut part) = parts.pop_front() {
            let expired = self.expired(&mut part.records);
            self.give_up(&expired, "RecordAgeExceeded", &mut progress);
            let Some(failed_from) = self.attempt(&part.records, &call).await else {
                part.last().inspect(|last| progress(last));
                continue;
            };
            let done = part.records.drain(..failed_from);
            let done = done.last().map(|record| record.sequence_number);
            done.inspect(|last| progress(last));
            if self.is_ending() {
                return Outcome::Interrupted;
            }
            // As in Lambda, a batch that is split has not used up a retry.
            if self.mapping.bisects && (failed_from > 0 || part.records.len() > 1) {
                if failed_from == 0 {
                    let half = part.records.len().div_ceil(2);
                    let records = part.records.split_off(half);
                    parts.push_front(Part { records, ..part });
                }
                parts.push_front(part);
            } else if part.retries == Some(0) {
                self.give_up(&part.records, "RetryAttemptsExhausted", &mut progress);
            } else {
                tokio::select! {
                    () = sleep(part.wait) => {}
                    () = reached(self.phases.clone(), Phase::Draining) => {
                        return Outcome::Interrupted;
                    }
                }
                part.retries = part.retries.map(|left| left - 1);
                part.wait = LONGEST_WAIT.min(part.wait * 2);
                parts.push_front(part);
            }
        }
        Outcome::Done
    }

    /// Calls the function. Returns the place of the first record that has to be tried again.
    async fn attempt<F: Future<Output = anyhow::Result<Value>>>(
        &self,
        records: &[Record],
        call: &impl Fn(Value) -> F,
    ) -> Option<usize> {
        if records.is_empty() {
            return None;
        }
        let event = records.iter().map(|record| &record.json);
        let event = json!({ "Records": event.collect::<Vec<_>>() });
        let answer = match timeout(self.mapping.timeout, call(event)).await {
            Ok(Ok(answer)) => self.failed_from(&answer, records),
            Ok(Err(error)) => {
                self.warn(&format!("{error:#}"));
                return Some(0);
            }
            Err(_) => {
                self.warn("it took longer than its Timeout");
                return Some(0);
            }
        };
        if answer.is_some() {
            self.warn("it reported items that failed");
        }
        answer
    }

    fn warn(&self, error: &str) {
        let function = &self.mapping.function;
        tracing::warn!(
            function,
            error,
            "the function failed for records of a stream"
        );
    }

    /// Reads `batchItemFailures`. As for Lambda, an answer that names no record of the batch means
    /// that all failed.
    fn failed_from(&self, answer: &Value, records: &[Record]) -> Option<usize> {
        if !self.mapping.reports_items {
            return None;
        }
        let failures = match &answer["batchItemFailures"] {
            Value::Null => return None,
            Value::Array(failures) if failures.is_empty() => return None,
            Value::Array(failures) => failures,
            _ => return Some(0),
        };
        let places = failures.iter().map(|failure| {
            let failed = failure["itemIdentifier"].as_str()?;
            let is_it = |record: &Record| record.sequence_number == failed;
            records.iter().position(is_it)
        });
        let places = places.collect::<Option<Vec<_>>>();
        places
            .and_then(|places| places.into_iter().min())
            .or(Some(0))
    }

    /// Takes the records out that are too old. Older ones come first.
    fn expired(&self, records: &mut Vec<Record>) -> Vec<Record> {
        let Some(max_age) = self.mapping.max_age else {
            return Vec::new();
        };
        let now = self.clock.now();
        let is_fresh = |record: &Record| record.written_at + max_age >= now;
        let fresh = records.iter().position(is_fresh);
        let fresh = records.split_off(fresh.unwrap_or(records.len()));
        std::mem::replace(records, fresh)
    }

    fn give_up(
        &self,
        records: &[Record],
        condition: &'static str,
        progress: &mut impl FnMut(&str),
    ) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return;
        };
        let lost = Lost {
            function: self.mapping.function.clone(),
            condition,
            first: first.sequence_number.clone(),
            last: last.sequence_number.clone(),
            count: records.len(),
            destination: self.mapping.destination.clone(),
        };
        tracing::error!(
            function = lost.function,
            condition,
            count = lost.count,
            first = lost.first,
            last = lost.last,
            destination = lost.destination,
            "records of a stream were given up"
        );
        let mut all = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(lost);
        progress(&last.sequence_number);
    }

    fn is_ending(&self) -> bool {
        *self.phases.borrow() >= Phase::Draining
    }
}

impl Part {
    fn last(&self) -> Option<&str> {
        let last = self.records.last();
        last.map(|record| record.sequence_number.as_str())
    }
}

#[cfg(test)]
mod tests;
