//! Batches of a stream, as Lambda passes them to a function and takes the answer.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::platform::clock::Clock;

/// What Lambda says of one call.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// The id by which an operator finds it.
    pub request_id: String,
    /// When no more work should begin, if there is a limit.
    ends: Option<Instant>,
}

/// The answer to a batch: the record from which Lambda has to repeat, if there is one.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// The record, or none. Of several, Lambda repeats from the first one in the stream.
    pub batch_item_failures: Vec<Failure>,
}

/// A record that was not carried out.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its sequence number in the stream.
    pub item_identifier: String,
}

impl Invocation {
    /// Returns a call of Lambda. `deadline` is when Lambda ends the function, in milliseconds since
    /// the epoch; under `cargo lambda watch` it has passed. `reserve` is the longest time that one
    /// step of the work takes, which is kept for a step that begins late. The function's timeout must
    /// be longer.
    pub fn in_lambda(request_id: String, deadline: u64, reserve: Duration) -> Self {
        let left = deadline.checked_sub(Clock::System.millis());
        let left = left.filter(|left| *left > 0).map(Duration::from_millis);
        let ends = left.and_then(|left| Instant::now().checked_add(left.saturating_sub(reserve)));
        Self { request_id, ends }
    }

    /// Returns whether there is no time to begin another step.
    pub fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

impl BatchAnswer {
    /// Returns the answer that everything is done.
    pub fn done() -> Self {
        Self::default()
    }

    /// Returns the answer that asks for the record with this sequence number again, and for all that
    /// follow it.
    pub fn again_from(sequence_number: &str) -> Self {
        Self {
            batch_item_failures: vec![Failure {
                item_identifier: sequence_number.to_owned(),
            }],
        }
    }
}
