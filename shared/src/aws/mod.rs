//! The configuration of the AWS SDK: one region, one set of credentials, and timeouts that fit
//! within a function's own. And how Lambda passes batches of a stream.

pub mod batch;
mod http_client;
pub mod json_service;
pub mod kms;

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;

pub use self::http_client::HttpsClient;
use crate::observe::request_log::{RequestLog, record};
use crate::platform::config::{ConfigError, Env};

/// The timeout of a request to AWS, retries included. The timeouts of the functions are longer.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(2500);

/// Reads the variables that Lambda sets, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`
/// and `AWS_SESSION_TOKEN`; `SSL_CERT_FILE`, the path of root certificates (PEM) to trust instead of
/// Amazon's; and, if a service is not AWS's own, its endpoint. As in every SDK, that is the variable
/// `endpoint`, which names the service, or else `AWS_ENDPOINT_URL`, which is for all services.
/// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true` switches both off.
///
/// # Errors
///
/// Returns an error if one of the first three is missing, or if [`HttpsClient::from_env`] does.
pub fn config(env: &Env<'_>, endpoint: &str) -> Result<SdkConfig, ConfigError> {
    // aws-config would bring providers of credentials (SSO, STS, IMDS) that no function needs:
    // Lambda passes a role's credentials in the environment for the lifetime of the process.
    let credentials = Credentials::new(
        env.required("AWS_ACCESS_KEY_ID", "the id of an access key")?,
        env.required("AWS_SECRET_ACCESS_KEY", "the secret of that access key")?,
        env.optional("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    // The SDK sets no timeout except for connecting, which the HTTP client here sets, and its first
    // backoff would be a second.
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(50));
    let region = env.required("AWS_REGION", "the region of the stack")?;
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(HttpsClient::from_env(env)?)
        // The timeouts already end stalled requests.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts)
        .retry_config(retries);
    config.set_endpoint_url(endpoint_url(env, endpoint));
    // The SDK adds it to the `user-agent`, which CloudTrail shows.
    config.set_app_name(AppName::new(concat!("latchkey-", env!("CARGO_PKG_VERSION"))).ok());
    Ok(config.build())
}

/// Returns the endpoint of the service that the variable `of_service` names. The rules are those of
/// "Service-specific endpoints" in the AWS SDKs and Tools Reference Guide.
fn endpoint_url(env: &Env<'_>, of_service: &str) -> Option<String> {
    let ignored = env.optional("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if ignored.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    env.optional(of_service)
        .or_else(|| env.optional("AWS_ENDPOINT_URL"))
}

/// Measures every request of a client, from before the SDK starts it until the SDK returns a
/// response or gives up, and adds the time to the log of the current request.
pub struct Stopwatch(fn(&mut RequestLog, Duration));

impl Stopwatch {
    /// Returns a stopwatch that adds each time with `add`.
    pub fn adding(add: fn(&mut RequestLog, Duration)) -> Self {
        Self(add)
    }
}

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopwatch")
    }
}

/// The time when the SDK started a request.
#[derive(Debug)]
struct Began(Instant);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Stopwatch {
    fn name(&self) -> &'static str {
        "Stopwatch"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Began(Instant::now()));
        Ok(())
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Began(began)) = config.load::<Began>() {
            record(|log| self.0(log, began.elapsed()));
        }
        Ok(())
    }
}

/// The error response of a service.
#[derive(Debug)]
struct ServiceError {
    code: String,
    message: String,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Error for ServiceError {}

/// Returns the cause of a failed request: the service's own message if there is one, without the
/// SDK's "service error" and "unhandled error" around it.
pub fn cause<E>(fault: SdkError<E, HttpResponse>) -> Box<dyn Error + Send + Sync>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match fault {
        SdkError::ServiceError(fault) => match (fault.err().code(), fault.err().message()) {
            (Some(code), Some(message)) => Box::new(ServiceError {
                code: code.to_owned(),
                message: message.to_owned(),
            }),
            _ => Box::new(fault.into_err()),
        },
        fault => Box::new(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_s_endpoint_wins_over_the_one_of_all_services_and_both_can_be_ignored() {
        let service = ("AWS_ENDPOINT_URL_KMS", "http://kms.local");
        let all = ("AWS_ENDPOINT_URL", "http://all.local");
        let other = ("AWS_ENDPOINT_URL_DYNAMODB", "http://dynamodb.local");
        let ignore = |text| ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", text);
        for (set, expected) in [
            (&[][..], None),
            (&[other], None),
            (&[all, other], Some(all.1)),
            (&[all, service], Some(service.1)),
            (&[all, ("AWS_ENDPOINT_URL_KMS", "")], Some(all.1)),
            (&[service, all, ignore("true")], None),
            (&[service, all, ignore("TRUE")], None),
            (&[service, all, ignore("false")], Some(service.1)),
            (&[service, all, ignore("")], Some(service.1)),
        ] {
            let lookup = |name: &str| {
                let found = set.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let endpoint = endpoint_url(&Env::new(&lookup), "AWS_ENDPOINT_URL_KMS");
            assert_eq!(endpoint.as_deref(), expected, "{set:?}");
        }
    }
}
