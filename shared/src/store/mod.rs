//! The table: the one place that knows DynamoDB.
//!
//! One operation, one method; the database decides (uniqueness, versions) in one conditional write.
//! A refusal that the rules foresee is a value; only a fault is an error.

pub mod accounts;
pub mod attempts;
pub mod credentials;
mod item;
pub mod sessions;
mod write;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use tokio::task::JoinSet;

use crate::aws::{self, Lean, Stopwatch};
use crate::observe::logging::chain;
use crate::observe::request_log::{longest, one_more, record};
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;
use item::{Attributes, Key};

/// The table and the client that reaches it.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: String,
}

/// The store did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not answer, or answered with a fault.
    #[error("DynamoDB did not {operation}")]
    Unavailable {
        /// What was to be done, in words.
        operation: &'static str,
        /// Why it was not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A stored item cannot be read.
    #[error("a stored {item} is unreadable: its attribute \"{attribute}\" is missing or malformed")]
    Corrupt {
        /// The kind of item.
        item: &'static str,
        /// The attribute's name; its value is not for the log.
        attribute: &'static str,
    },
}

impl Store {
    /// Reads `TABLE_NAME`; `AWS_ENDPOINT_URL_DYNAMODB` where DynamoDB is not AWS's own; and what
    /// [`aws::config`] reads.
    ///
    /// # Errors
    ///
    /// Where one of them is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let config = aws::config(env, "AWS_ENDPOINT_URL_DYNAMODB")?;
        let stopwatch = Stopwatch::adding(|log, took| {
            one_more(&mut log.store_requests);
            longest(&mut log.store_ms, took);
        });
        let config = Builder::from(&config)
            .interceptor(stopwatch)
            .interceptor(Lean)
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            table: env.required("TABLE_NAME", "the name of the DynamoDB table")?,
        })
    }

    /// Opens connections to DynamoDB ahead of the first request, as many as a request asks over at once,
    /// by looking for an item that is never there: half a read unit each. A small function's handshake
    /// takes hundreds of milliseconds, but far less before the first event, when Lambda gives it more
    /// processor. Where this fails, requests try again.
    pub async fn warm_up(&self, connections: usize) {
        let mut asked = JoinSet::new();
        (0..connections).for_each(|_| self.reach(&mut asked));
        while let Some(answer) = asked.join_next().await {
            if let Ok(Err(fault)) = answer {
                tracing::warn!(cause = chain(&fault), "DynamoDB is not reached yet");
                // The others would say the same.
                return;
            }
        }
    }

    /// What is there of `keys`, in any order and strongly consistent, in one request.
    async fn get_all(
        &self,
        keys: impl IntoIterator<Item = Key>,
        operation: &'static str,
    ) -> Result<Vec<Attributes>, StoreError> {
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.into_iter().map(Key::attributes).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| StoreError::Unavailable {
                operation,
                source: error.into(),
            })?;
        let mut wanted = Some(HashMap::from([(self.table.clone(), wanted)]));
        let mut found = Vec::new();
        for attempt in 0.. {
            let request = self.client.batch_get_item().set_request_items(wanted);
            let answer = request.send().await.map_err(unavailable(operation))?;
            let tables = answer.responses.unwrap_or_default();
            found.extend(tables.into_values().flatten());
            wanted = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
            if wanted.is_none() {
                break;
            }
            unprocessed(attempt, operation).await?;
        }
        Ok(found)
    }

    fn reach(&self, asked: &mut JoinSet<Result<(), StoreError>>) {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.set_key(Some(Key::nothing().attributes()));
        asked.spawn(async {
            let answer = request.send().await;
            answer.map(drop).map_err(unavailable("answer at the start"))
        });
    }
}

/// How often a write that collides with a transaction, or a batch, is tried.
const CONFLICT_ATTEMPTS: u32 = 5;

/// Tries `attempt` again while it collides with another transaction on the same item. DynamoDB
/// cancels such writes at once, and the SDK does not try a cancelled transaction again.
async fn retry_conflicts<T, E, F>(attempt: impl Fn() -> F) -> Result<T, SdkError<E>>
where
    F: Future<Output = Result<T, SdkError<E>>>,
    E: Conflicts,
{
    for tries in 0..CONFLICT_ATTEMPTS - 1 {
        match attempt().await {
            Err(SdkError::ServiceError(fault)) if fault.err().conflicts() => jitter(tries).await,
            answer => return answer,
        }
    }
    attempt().await
}

/// Whether a fault says that another transaction held an item, and nothing else was wrong.
trait Conflicts {
    fn conflicts(&self) -> bool;
}

/// Waits before what DynamoDB left undone of a batch is asked for again.
///
/// # Errors
///
/// Where that has been tried often enough.
async fn unprocessed(attempt: u32, operation: &'static str) -> Result<(), StoreError> {
    if attempt + 1 == CONFLICT_ATTEMPTS {
        record(|log| one_more(&mut log.store_faults));
        let source = "a part of the batch was left undone again and again".into();
        return Err(StoreError::Unavailable { operation, source });
    }
    jitter(attempt).await;
    Ok(())
}

/// Waits a random while, longer for later attempts. Full jitter: two callers that collided once
/// shall not collide again in step.
async fn jitter(attempt: u32) {
    let ceiling_ms = 20_u64 << attempt;
    let draw = u64::from(u16::from_be_bytes(random::octets()));
    tokio::time::sleep(Duration::from_millis(
        draw * ceiling_ms / u64::from(u16::MAX),
    ))
    .await;
}

/// What a write answered that was carried out; `None` where its condition did not hold.
///
/// # Errors
///
/// Where it failed for another reason.
fn carried_out<T, E>(
    answer: Result<T, SdkError<E>>,
    operation: &'static str,
) -> Result<Option<T>, StoreError>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(fault)
            if fault
                .as_service_error()
                .and_then(ProvideErrorMetadata::code)
                == Some("ConditionalCheckFailedException") =>
        {
            Ok(None)
        }
        Err(fault) => Err(unavailable(operation)(fault)),
    }
}

/// A fault of DynamoDB while it was to `operation`.
fn unavailable<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> StoreError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |fault| {
        record(|log| one_more(&mut log.store_faults));
        StoreError::Unavailable {
            operation,
            source: aws::cause(fault),
        }
    }
}
