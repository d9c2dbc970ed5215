//! Amazon EventBridge: puts events on a bus, and tells apart what passes, what an operator must
//! repair, and what is refused for good.
//!
//! One operation is needed, so it is called by [`JsonService`], as KMS is, and not by an SDK.

use std::time::Duration;

use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};
use shared::aws::json_service::{CallError, JsonService, ServiceNames};
use shared::aws::{self, Stopwatch};
use shared::domain::PublishedEvent;
use shared::observe::request_log::longest;
use shared::platform::{ConfigError, Env};

use crate::cloud_event::CloudEvent;

/// A bus of EventBridge.
pub struct Bus {
    service: JsonService,
    /// The name of the bus.
    name: String,
    /// The deployment, in the events.
    source: String,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// EventBridge took it.
    Taken,
    /// It has to be tried again.
    Again(Fault),
    /// EventBridge refuses it, and would refuse it again.
    Rejected(&'static str),
}

/// A fault after which an event is tried again, in a word for the log. EventBridge's own message is
/// not logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The reason.
    pub reason: &'static str,
    /// What an operator has to do, if it does not pass by itself.
    pub advice: Option<&'static str>,
}

/// The value of `Source`. The role of the function may put events of no other one.
const SOURCE: &str = "latchkey";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    source: &'static str,
    detail_type: &'static str,
    detail: String,
    event_bus_name: &'a str,
    /// Seconds since the epoch.
    time: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutAnswer {
    entries: Vec<EntryAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryAnswer {
    error_code: Option<String>,
}

impl Bus {
    /// How many events EventBridge takes in one request.
    pub const MOST: usize = 10;

    /// The timeouts of one request and of all its tries. With the tries of single events, they fit
    /// into `Publisher::RESERVE`.
    const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
    const OPERATION_TIMEOUT: Duration = Duration::from_millis(3500);
    const NAMES: ServiceNames = ServiceNames {
        signing: "events",
        target: "AWSEvents",
    };

    /// Reads `EVENT_BUS`, and returns `None` if it is not set; `EVENT_SOURCE`, and
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE` if EventBridge is not AWS's own.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(name) = env.optional("EVENT_BUS") else {
            return Ok(None);
        };
        let source = "the source of events: the issuer, or a URN of the stack";
        let source = env.required("EVENT_SOURCE", source)?;
        let config = bounded(aws::config(env, "AWS_ENDPOINT_URL_EVENTBRIDGE")?);
        let stopwatch = Stopwatch::adding(|log, took| longest(&mut log.bus_ms, took));
        Ok(Some(Self {
            service: JsonService::new(&config, Self::NAMES, stopwatch)?,
            name,
            source,
        }))
    }

    /// Puts events on the bus, at most [`Bus::MOST`]. Returns what became of each.
    pub async fn put(&self, events: &[&PublishedEvent]) -> Vec<Put> {
        let entries = events.iter().map(|event| self.entry(event)).collect();
        let request = PutEvents { entries };
        let answer = self.service.call::<PutAnswer>("PutEvents", &request).await;
        match answer {
            Ok(answer) if answer.entries.len() == events.len() => {
                answer.entries.iter().map(outcome).collect()
            }
            Ok(_) => vec![Put::Again(passing("no_answer")); events.len()],
            Err(fault) => vec![Put::Again(of_call(&fault)); events.len()],
        }
    }

    fn entry(&self, event: &PublishedEvent) -> Entry<'_> {
        let detail = CloudEvent::new(event, &self.source);
        Entry {
            source: SOURCE,
            detail_type: event.name,
            // Writing texts and ids as JSON cannot fail.
            detail: serde_json::to_string(&detail).unwrap_or_default(),
            event_bus_name: &self.name,
            time: event.id.millis() as f64 / 1000.0,
        }
    }
}

/// Returns the configuration with the timeouts and retries of a bus.
fn bounded(config: SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Bus::ATTEMPT_TIMEOUT)
        .operation_timeout(Bus::OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::from_millis(100));
    config
        .into_builder()
        .timeout_config(timeouts)
        .retry_config(retries)
        .build()
}

fn passing(reason: &'static str) -> Fault {
    Fault {
        reason,
        advice: None,
    }
}

const DENIED: Fault = Fault {
    reason: "access_denied",
    advice: Some(
        "the role of the function Publisher may not put events of the source latchkey on the stack's \
         bus: see the policies of the role, of the bus and of the organisation",
    ),
};

const NO_BUS: Fault = Fault {
    reason: "no_bus",
    advice: Some("the stack's bus is gone: deploy with PublishEvents=off, then with on again"),
};

/// Returns what became of one event of a request that EventBridge has answered.
fn outcome(answer: &EntryAnswer) -> Put {
    let Some(code) = answer.error_code.as_deref() else {
        return Put::Taken;
    };
    match code {
        "InvalidArgument" | "MalformedDetail" | "RedactionFailure" => Put::Rejected("refused"),
        code => Put::Again(of_code(code)),
    }
}

fn of_code(code: &str) -> Fault {
    match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "InvalidAccountIdException"
        | "NotAuthorizedForDetailTypeException"
        | "NotAuthorizedForSourceException" => DENIED,
        "ResourceNotFoundException" => NO_BUS,
        code if code.contains("Throttl") || code.contains("LimitExceeded") => passing("throttled"),
        _ => passing("fault"),
    }
}

/// Returns why no event of a request was taken, or not known to be.
fn of_call(fault: &CallError) -> Fault {
    match fault {
        CallError::TimeoutError(_) => passing("timeout"),
        CallError::DispatchFailure(_) => passing("unreachable"),
        CallError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            match (status, service.err().code()) {
                (429, _) => passing("throttled"),
                (500.., _) => passing("fault"),
                (_, Some(code)) if of_code(code) != passing("fault") => of_code(code),
                (401 | 403, _) => DENIED,
                _ => Fault {
                    reason: "bad_request",
                    advice: Some(
                        "EventBridge refuses requests of this version of Latchkey: please report it",
                    ),
                },
            }
        }
        // The answer is no answer of EventBridge's, or the request could not be made.
        _ => passing("no_answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_an_event_passes_is_for_an_operator_or_is_for_good() {
        let of = |code: Option<&str>| {
            let error_code = code.map(str::to_owned);
            outcome(&EntryAnswer { error_code })
        };
        assert_eq!(of(None), Put::Taken);
        for (code, expected) in [
            ("ThrottlingException", Put::Again(passing("throttled"))),
            ("InternalFailure", Put::Again(passing("fault"))),
            ("OfALaterVersion", Put::Again(passing("fault"))),
            ("AccessDeniedException", Put::Again(DENIED)),
            ("NotAuthorizedForSourceException", Put::Again(DENIED)),
            ("ResourceNotFoundException", Put::Again(NO_BUS)),
            ("MalformedDetail", Put::Rejected("refused")),
            ("InvalidArgument", Put::Rejected("refused")),
        ] {
            assert_eq!(of(Some(code)), expected, "{code}");
        }
    }
}
