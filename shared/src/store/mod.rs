//! The table: the one place that knows DynamoDB.
//!
//! One operation, one method; the database decides (uniqueness, versions) in one conditional write.
//! A refusal that the rules foresee is a value; only a fault is an error.

pub mod accounts;
pub mod credentials;
mod item;
pub mod sessions;
mod transaction;

use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::error::SdkError;

use crate::config::{ConfigError, Env};
use crate::random;

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
    /// How long a request to DynamoDB may take in all, retries included. The functions' own
    /// timeouts are above it.
    const OPERATION_TIMEOUT: Duration = Duration::from_millis(2500);

    /// Reads `TABLE_NAME`; `AWS_ENDPOINT_URL_DYNAMODB` where DynamoDB is not AWS's own; and what
    /// Lambda sets itself: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    ///
    /// Where one of them is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        // aws-config would bring providers of credentials (SSO, STS, IMDS) that no function needs:
        // Lambda passes a role's credentials in the environment for as long as the process lives.
        let credentials = Credentials::new(
            env.required("AWS_ACCESS_KEY_ID", "the id of an access key")?,
            env.required("AWS_SECRET_ACCESS_KEY", "the secret of that access key")?,
            env.optional("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        // The SDK sets no timeout but for connecting, and would first back off for a second.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(500))
            .operation_attempt_timeout(Duration::from_secs(1))
            .operation_timeout(Self::OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(3)
            .with_initial_backoff(Duration::from_millis(50));
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(
                env.required("AWS_REGION", "the region of the table")?,
            ))
            .credentials_provider(credentials)
            .timeout_config(timeouts)
            .retry_config(retries);
        config.set_endpoint_url(env.optional("AWS_ENDPOINT_URL_DYNAMODB"));
        Ok(Self {
            client: Client::from_conf(config.build()),
            table: env.required("TABLE_NAME", "the name of the DynamoDB table")?,
        })
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

/// A fault of DynamoDB while it was to `operation`.
fn unavailable<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> StoreError
where
    E: Error + Send + Sync + 'static,
{
    move |fault| StoreError::Unavailable {
        operation,
        source: match fault {
            // The service's own words, without the SDK's "service error" round them.
            SdkError::ServiceError(fault) => Box::new(fault.into_err()),
            fault => Box::new(fault),
        },
    }
}
