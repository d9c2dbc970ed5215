//! CloudFormation custom resources for the signing keys of a stack.
//!
//! - `Custom::LatchkeyKeySet` reads the public halves of the keys in the list `Keys` and returns
//!   `Jwks`, the set that verifies tokens, and `SigningKid`, the name of the first of them. A key
//!   is the ARN of a KMS key or, in base64, the `PublicKey` of a sealed one.
//! - `Custom::LatchkeySealedKey` makes a key pair of `Spec`, sealed under the KMS key
//!   `WrappingKey`, whose private half nobody has seen, and returns `PublicKey` and `SigningKey`.
//!   An update of one of these two properties makes another pair. Any other update is refused,
//!   since it would have to return the existing pair, which only the functions have.
//!
//! The functions get these as configuration, so that verifying a token needs neither a network nor
//! a permission. CloudFormation gets an answer whatever happens: without one, a stack waits until
//! the resource's `ServiceTimeout` is over, an hour by default.

mod cloudformation;
mod delivery;
mod key_set;
mod sealed_key;

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::aws::kms::{Kms, KmsError};
use shared::observe::logging::chain;
use shared::platform::{ConfigError, Env};
use shared::tokens::jwks::KeySetError;

use cloudformation::{Event, Resource, answer_text};
use delivery::Delivery;
pub use delivery::Undelivered;

/// The handler of the custom resources.
pub struct Keys {
    /// If the configuration is wrong, every answer says so.
    kms: Result<Kms, String>,
    pause: Duration,
    delivery: Delivery,
}

/// The reason why a resource was not made. It is shown in the stack's events.
#[derive(Debug, thiserror::Error)]
enum ResourceError {
    #[error("{0}")]
    Configuration(String),
    #[error("there is no request type \"{0}\"")]
    RequestType(String),
    #[error("there is no resource type \"{0}\" here")]
    ResourceType(String),
    #[error(
        "neither WrappingKey nor Spec has changed, and the key pair cannot be returned again; tokens \
         of another pair would be refused at once. Undo the change, or rotate to the other key first"
    )]
    Unchanged,
    #[error("the property {0}")]
    Property(&'static str),
    #[error("the key {key} cannot be read")]
    Unreadable { key: String, source: KmsError },
    #[error("the key {0} is not an RSA (2048 bits or more), P-256 or Ed25519 key")]
    Unusable(String),
    #[error("the keys {0} and {1} are the same key")]
    Repeated(String, String),
    #[error("the set of keys")]
    Set(#[from] KeySetError),
    #[error("no key pair was made")]
    Pair(#[source] KmsError),
}

impl Keys {
    /// The timeout for KMS. The rest of the function's timeout is for the delivery.
    const TIMEOUT: Duration = Duration::from_secs(40);
    /// The longest time that an answer takes. The function's timeout must be longer.
    pub const LONGEST: Duration = Self::TIMEOUT.saturating_add(Delivery::LONGEST);
    /// The wait before KMS is asked again after it denied access. The role is as new as the stack,
    /// and new permissions take some seconds to take effect everywhere.
    const PAUSE: Duration = Duration::from_secs(2);
    /// The number of tries.
    const ATTEMPTS: u32 = 10;

    /// Reads the same settings as [`Kms::from_env`]. If they are wrong, every answer says so.
    pub fn from_env(env: &Env<'_>) -> Self {
        Self {
            kms: Kms::from_env(env).map_err(|error: ConfigError| error.to_string()),
            pause: Self::PAUSE,
            delivery: Delivery::from_env(env),
        }
    }

    /// Replaces the wait before each retry: by default two seconds if KMS denied access, and one if
    /// CloudFormation did not accept the answer.
    #[must_use]
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self.delivery.pause = pause;
        self
    }

    /// Replaces the timeout of four seconds for delivering an answer.
    #[must_use]
    pub fn with_delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery.timeout = timeout;
        self
    }

    /// Carries out the request `asked`, and delivers the answer to CloudFormation.
    ///
    /// # Errors
    ///
    /// Returns an error if the answer cannot be delivered. Lambda then repeats the request.
    pub fn answer(
        self: &Arc<Self>,
        asked: &Value,
    ) -> impl Future<Output = Result<(), Undelivered>> + Send + 'static {
        let keys = Arc::clone(self);
        let event = Arc::new(Event::read(asked));
        async move {
            let (worker, asked) = (Arc::clone(&keys), Arc::clone(&event));
            let work = async move { worker.resource(&asked).await };
            let outcome = within(Self::TIMEOUT, Box::pin(work)).await;
            let answer = answer_text(&event, &outcome);
            match &outcome {
                Ok(resource) => tracing::info!(
                    request = event.request_type,
                    resource = event.logical_resource_id,
                    id = resource.id,
                    "answered"
                ),
                Err(reason) => tracing::error!(
                    request = event.request_type,
                    resource = event.logical_resource_id,
                    reason,
                    "refused"
                ),
            }
            keys.delivery.deliver(&event.response_url, answer).await
        }
    }

    async fn resource(&self, event: &Event) -> Result<Resource, ResourceError> {
        match event.request_type.as_str() {
            // Only the answer was made, so there is nothing to delete. KMS keys are resources of
            // their own.
            "Delete" => {
                return Ok(Resource {
                    id: event.physical_resource_id.clone().unwrap_or_default(),
                    data: Value::Null,
                });
            }
            "Create" | "Update" => {}
            other => return Err(ResourceError::RequestType(other.to_owned())),
        }
        let kms = self
            .kms
            .as_ref()
            .map_err(|sentence| ResourceError::Configuration(sentence.clone()))?;
        match event.resource_type.as_str() {
            "Custom::LatchkeyKeySet" => self.key_set(kms, &event.properties).await,
            "Custom::LatchkeySealedKey" => self.sealed_key(kms, event).await,
            other => Err(ResourceError::ResourceType(other.to_owned())),
        }
    }

    /// Calls KMS, and retries while KMS denies access.
    async fn allowed<T, F>(&self, ask: impl Fn() -> F) -> Result<T, KmsError>
    where
        F: Future<Output = Result<T, KmsError>>,
    {
        for _ in 1..Self::ATTEMPTS {
            match ask().await {
                Err(error) if error.is_denied() => tokio::time::sleep(self.pause).await,
                answer => return answer,
            }
        }
        ask().await
    }
}

/// Returns the result of `work`, or the reason why there is none: a refusal, a panic, or a timeout.
async fn within<E>(
    timeout: Duration,
    work: Pin<Box<dyn Future<Output = Result<Resource, E>> + Send>>,
) -> Result<Resource, String>
where
    E: Error + Send + 'static,
{
    match tokio::time::timeout(timeout, tokio::spawn(work)).await {
        Ok(Ok(outcome)) => outcome.map_err(|error| chain(&error)),
        Ok(Err(_)) => Err("the function keys panicked: see its log".to_owned()),
        Err(_) => Err(format!("KMS took longer than {} s", timeout.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<Resource, ResourceError>;

    fn outcome(timeout: Duration, work: impl Future<Output = Outcome> + Send + 'static) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime
            .unwrap()
            .block_on(within(timeout, Box::pin(work)))
            .unwrap_err()
    }

    #[test]
    fn a_panic_and_a_silence_are_reasons_too() {
        async fn panics() -> Outcome {
            panic!("a bug")
        }
        let panicked = outcome(Duration::from_secs(60), panics());
        assert_eq!(panicked, "the function keys panicked: see its log");
        let silent = outcome(Duration::ZERO, std::future::pending());
        assert_eq!(silent, "KMS took longer than 0 s");
    }
}
