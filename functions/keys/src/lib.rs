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

mod delivery;

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::aws::kms::{Kms, KmsError};
use shared::observe::logging::chain;
use shared::platform::config::{ConfigError, Env};
use shared::tokens::jwks::{KeySet, KeySetError};
use shared::tokens::public_key::{PublicKey, jwks};

use delivery::Delivery;
pub use delivery::Undelivered;

/// The handler of the custom resources.
pub struct Keys {
    /// If the configuration is wrong, every answer says so.
    kms: Result<Kms, String>,
    pause: Duration,
    delivery: Delivery,
}

/// A request of CloudFormation (AWS CloudFormation user guide, "Custom resource request objects").
///
/// A member that is missing or of another type is read as empty, so that the answer can report it.
#[derive(Debug)]
struct Event {
    response_url: String,
    request_type: String,
    resource_type: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    properties: Value,
    /// The properties before an update.
    old_properties: Value,
}

impl Event {
    fn read(asked: &Value) -> Self {
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let physical_resource_id = asked["PhysicalResourceId"].as_str();
        Self {
            response_url: text("ResponseURL"),
            request_type: text("RequestType"),
            resource_type: text("ResourceType"),
            stack_id: text("StackId"),
            request_id: text("RequestId"),
            logical_resource_id: text("LogicalResourceId"),
            physical_resource_id: physical_resource_id.map(ToOwned::to_owned),
            properties: asked["ResourceProperties"].clone(),
            old_properties: asked["OldResourceProperties"].clone(),
        }
    }
}

/// The answer to CloudFormation ("Custom resource response objects").
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    data: &'a Value,
}

/// The current state of a resource.
#[derive(Debug)]
struct Resource {
    /// A changed id tells CloudFormation that the resource was replaced.
    id: String,
    data: Value,
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
    const PATIENCE: Duration = Duration::from_secs(40);
    /// The longest time that an answer takes. The function's timeout must be longer.
    pub const LONGEST: Duration = Self::PATIENCE.saturating_add(Delivery::LONGEST);
    /// The wait before KMS is asked again after it denied access. The role is as new as the stack,
    /// and new permissions take some seconds to take effect everywhere.
    const PAUSE: Duration = Duration::from_secs(2);
    /// The number of tries.
    const ATTEMPTS: u32 = 10;
    /// The longest answer that CloudFormation accepts, in octets.
    const MAX_ANSWER: usize = 4096;
    /// The key pairs that can be sealed. A sealed RSA key of 3072 bits would leave no room for the
    /// rest of an environment, which Lambda limits to 4 KB.
    const SPECS: [&str; 3] = ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"];

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
    pub fn pausing(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self.delivery.pause = pause;
        self
    }

    /// Replaces the timeout of four seconds for delivering an answer.
    #[must_use]
    pub fn heard_within(mut self, patience: Duration) -> Self {
        self.delivery.patience = patience;
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
            let outcome = within(Self::PATIENCE, Box::pin(work)).await;
            let answer = written(&event, &outcome);
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

    async fn key_set(&self, kms: &Kms, properties: &Value) -> Result<Resource, ResourceError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Properties {
            keys: Vec<String>,
        }
        const PROPERTY: ResourceError = ResourceError::Property(
            "Keys must list ARNs of KMS keys, or public keys of sealed ones, and the first signs",
        );
        let Properties { keys } = Properties::deserialize(properties).map_err(|_| PROPERTY)?;
        let mut read: Vec<(String, PublicKey)> = Vec::with_capacity(keys.len());
        for key in keys {
            let public = self.public_key(kms, &key).await?;
            if let Some((other, _)) = read.iter().find(|(_, other)| other.kid() == public.kid()) {
                return Err(ResourceError::Repeated(other.clone(), key));
            }
            read.push((key, public));
        }
        let (_, first) = read.first().ok_or(PROPERTY)?;
        let document = jwks(read.iter().map(|(_, public)| public));
        KeySet::parse(&document)?;
        Ok(Resource {
            // Always the same: a set of other keys is the same resource, updated.
            id: "latchkey-key-set".to_owned(),
            data: json!({ "Jwks": document, "SigningKid": first.kid() }),
        })
    }

    async fn public_key(&self, kms: &Kms, key: &str) -> Result<PublicKey, ResourceError> {
        let unusable = || ResourceError::Unusable(key.to_owned());
        let spki = if !key.starts_with("arn:") {
            STANDARD.decode(key).map_err(|_| unusable())?
        } else if key.contains(":key/") {
            let read = self.allowed(|| kms.public_key(key)).await;
            read.map_err(|source| ResourceError::Unreadable {
                key: key.to_owned(),
                source,
            })?
        } else {
            // An alias may refer to another key later without a deployment.
            return Err(ResourceError::Property(
                "Keys must name KMS keys by their own ARNs",
            ));
        };
        PublicKey::from_spki(&spki).ok_or_else(unusable)
    }

    async fn sealed_key(&self, kms: &Kms, event: &Event) -> Result<Resource, ResourceError> {
        #[derive(PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Properties {
            wrapping_key: String,
            spec: String,
        }
        let made_of = Properties::deserialize(&event.properties)
            .ok()
            .filter(|properties| Keys::SPECS.contains(&properties.spec.as_str()))
            .ok_or(ResourceError::Property(
                "WrappingKey must be the ARN of a symmetric KMS key, and Spec one of RSA_2048, \
             ECC_NIST_P256 and ECC_NIST_EDWARDS25519",
            ))?;
        // CloudFormation requires the attributes in each answer and does not return them to this
        // function. Another pair would replace the key of a stack for which only the timeout was
        // changed.
        if event.request_type == "Update"
            && Properties::deserialize(&event.old_properties).is_ok_and(|old| old == made_of)
        {
            return Err(ResourceError::Unchanged);
        }
        let Properties { wrapping_key, spec } = made_of;
        let pair = self.allowed(|| kms.sealed_pair(&wrapping_key, &spec)).await;
        let pair = pair.map_err(ResourceError::Pair)?;
        let public = PublicKey::from_spki(&pair.public);
        let public = public.ok_or_else(|| ResourceError::Unusable(spec.clone()))?;
        Ok(Resource {
            id: public.kid().to_owned(),
            data: json!({
                "PublicKey": STANDARD.encode(&pair.public),
                "SigningKey": format!("sealed:{}", STANDARD.encode(&pair.private)),
            }),
        })
    }
}

/// Returns the result of `work`, or the reason why there is none: a refusal, a panic, or a timeout.
async fn within<E>(
    patience: Duration,
    work: Pin<Box<dyn Future<Output = Result<Resource, E>> + Send>>,
) -> Result<Resource, String>
where
    E: Error + Send + 'static,
{
    match tokio::time::timeout(patience, tokio::spawn(work)).await {
        Ok(Ok(outcome)) => outcome.map_err(|error| chain(&error)),
        Ok(Err(_)) => Err("the function keys panicked: see its log".to_owned()),
        Err(_) => Err(format!("KMS took longer than {} s", patience.as_secs())),
    }
}

/// Returns the text of the answer. An answer that is too long for CloudFormation becomes a refusal
/// that says so.
fn written(event: &Event, outcome: &Result<Resource, String>) -> String {
    let text = |status, reason, id, data| {
        let answer = Answer {
            status,
            reason,
            physical_resource_id: id,
            stack_id: &event.stack_id,
            request_id: &event.request_id,
            logical_resource_id: &event.logical_resource_id,
            data,
        };
        // An answer always serializes.
        serde_json::to_string(&answer).unwrap_or_default()
    };
    // A resource that was not made needs an identifier, too.
    let before = event.physical_resource_id.as_deref().unwrap_or("not-made");
    let failed = |reason: &str| {
        let reason = reason.chars().take(1000).collect();
        text("FAILED", Some(reason), before, &Value::Null)
    };
    match outcome {
        Ok(resource) => {
            let answer = text("SUCCESS", None, &resource.id, &resource.data);
            if answer.len() > Keys::MAX_ANSWER {
                return failed(&format!(
                    "the answer has {} octets, and CloudFormation takes {}: publish fewer keys",
                    answer.len(),
                    Keys::MAX_ANSWER
                ));
            }
            answer
        }
        Err(reason) => failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<Resource, ResourceError>;

    fn outcome(patience: Duration, work: impl Future<Output = Outcome> + Send + 'static) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime
            .unwrap()
            .block_on(within(patience, Box::pin(work)))
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

    #[test]
    fn an_answer_that_cloudformation_would_not_take_becomes_a_refusal() {
        let event = json!({"ResponseURL": "http://127.0.0.1/", "LogicalResourceId": "KeySet"});
        let event = Event::read(&event);
        for length in [3000, 5000] {
            let resource = Resource {
                id: "latchkey-key-set".to_owned(),
                data: json!({ "Jwks": "x".repeat(length) }),
            };
            let answer = written(&event, &Ok(resource));
            assert!(answer.len() <= Keys::MAX_ANSWER);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let status = if length < Keys::MAX_ANSWER {
                "SUCCESS"
            } else {
                "FAILED"
            };
            assert_eq!(answer["Status"], status);
        }
        let long = written(&event, &Err("\"".repeat(5000)));
        assert!(long.len() <= Keys::MAX_ANSWER, "{}", long.len());
    }
}
