//! Calls of an AWS service with the protocol awsJson1.1, such as KMS: a POST whose header
//! `x-amz-target` names the operation, with JSON in both directions ("AWS JSON 1.1 protocol" of
//! Smithy).
//!
//! Signing, retries and timeouts are the SDK's own, from the crates that aws-sdk-dynamodb is built
//! on. This module replaces only the code that is generated for each operation: an SDK of 53
//! operations, of which four were called, took a tenth of each build (docs/decisions/0021).

use std::error::Error;
use std::fmt;

use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::region::{Region, SigningRegion};
use aws_types::{SdkConfig, SigningName};
use lambda_http::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::platform::config::ConfigError;
use crate::platform::json;

/// A service, and how to reach it.
pub struct JsonService {
    names: ServiceNames,
    operation: Operation<Call, Body, ServiceFault>,
}

/// The names of a service.
#[derive(Clone, Copy)]
pub struct ServiceNames {
    /// The name in host names and signatures, such as `kms`.
    pub signing: &'static str,
    /// The name in `x-amz-target`, before the operation, such as `TrentService`.
    pub target: &'static str,
}

/// The error of a failed call.
pub type CallError = SdkError<ServiceFault, HttpResponse>;

/// A call: the value of `x-amz-target`, and JSON. The JSON is never printed.
struct Call {
    target: String,
    body: Vec<u8>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)
    }
}

/// The body of a response. It may be a secret and is never printed.
struct Body(Vec<u8>);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// The error response of a service.
#[derive(Debug)]
pub struct ServiceFault(ErrorMetadata);

impl fmt::Display for ServiceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for ServiceFault {}

impl ProvideErrorMetadata for ServiceFault {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl JsonService {
    /// Returns a client of the service in the region of `config`, or at its endpoint URL if it has
    /// one. `interceptor` sees every call.
    ///
    /// # Errors
    ///
    /// Returns an error if `config` lacks what [`super::config`] puts into it.
    pub fn new(
        config: &SdkConfig,
        names: ServiceNames,
        interceptor: impl Intercept + 'static,
    ) -> Result<Self, ConfigError> {
        let missing = |what| move || ConfigError::new(format!("the SDK has no {what}"));
        let region = config.region().ok_or_else(missing("region"))?;
        let endpoint = match config.endpoint_url() {
            Some(url) => url.to_owned(),
            None => format!(
                "https://{}.{region}.{}",
                names.signing,
                dns_suffix(region.as_ref())
            ),
        };
        let mut operation = Operation::builder();
        if let Some(time) = config.time_source() {
            operation = operation.time_source(time);
        }
        let operation = operation
            .service_name(names.signing)
            .operation_name(names.target)
            .behavior_version(BehaviorVersion::latest())
            .http_client(config.http_client().ok_or_else(missing("HTTP client"))?)
            .endpoint_url(&endpoint)
            .standard_retry(config.retry_config().ok_or_else(missing("retries"))?)
            .timeout_config(
                config
                    .timeout_config()
                    .ok_or_else(missing("timeouts"))?
                    .clone(),
            )
            .retry_classifier(TransientErrorClassifier::<ServiceFault>::new())
            .retry_classifier(AwsErrorCodeClassifier::<ServiceFault>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .with_connection_poisoning()
            .interceptor(interceptor)
            .runtime_plugin(
                signature(config, names, region.clone()).ok_or_else(missing("credentials"))?,
            )
            .serializer(|call: Call| request(call))
            .deserializer(answer)
            .build();
        Ok(Self { names, operation })
    }

    /// Calls an operation, such as `Sign`.
    ///
    /// # Errors
    ///
    /// Returns an error if the service does not answer or refuses, or if its answer is not an `O`.
    pub async fn call<O: DeserializeOwned>(
        &self,
        name: &str,
        input: &impl Serialize,
    ) -> Result<O, CallError> {
        let body = serde_json::to_vec(input).map_err(CallError::construction_failure)?;
        let call = Call {
            target: format!("{}.{name}", self.names.target),
            body,
        };
        let Body(body) = self.operation.invoke(call).await?;
        // A body that cannot be parsed may be a secret, so the error contains only the place in it.
        let unread = || HttpResponse::new(StatusCode::OK.into(), SdkBody::empty());
        json::parse(&body).map_err(|error| CallError::response_error(error, unread()))
    }
}

/// Returns the domain of a region's services, by the region's partition (the SDK's
/// `partitions.json`).
fn dns_suffix(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// Returns signature version 4, with the headers that the generated SDKs sign.
fn signature(
    config: &SdkConfig,
    names: ServiceNames,
    region: Region,
) -> Option<StaticRuntimePlugin> {
    let mut signing_options = SigningOptions::default();
    signing_options.double_uri_encode = true;
    signing_options.normalize_uri_path = true;
    let mut layer = Layer::new("signature");
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region)),
        name: Some(SigningName::from_static(names.signing)),
        signing_options,
        ..SigV4OperationSigningConfig::default()
    });
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let components = RuntimeComponentsBuilder::new("signature")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
        )))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(
            SCHEME_ID,
            SharedIdentityResolver::new(config.credentials_provider()?),
        );
    Some(
        StaticRuntimePlugin::new()
            .with_config(layer.freeze())
            .with_runtime_components(components),
    )
}

fn request(call: Call) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(call.body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    let headers = request.headers_mut();
    headers.try_insert("content-type", "application/x-amz-json-1.1")?;
    headers.try_insert("x-amz-target", call.target)?;
    headers.try_insert(
        "user-agent",
        concat!("latchkey/", env!("CARGO_PKG_VERSION")),
    )?;
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Body, OrchestratorError<ServiceFault>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        Ok(Body(body.to_vec()))
    } else {
        let named = response.headers().get("x-amzn-errortype");
        Err(OrchestratorError::operation(fault(named, body)))
    }
}

/// Reads the code of an error from a header or from the body, without a namespace before `#` or an
/// address after `:` ("Operation error serialization" of the protocol).
fn fault(named: Option<&str>, body: &[u8]) -> ServiceFault {
    #[derive(Default, Deserialize)]
    struct Members {
        #[serde(rename = "__type")]
        kind: Option<String>,
        code: Option<String>,
        #[serde(alias = "Message", alias = "errorMessage")]
        message: Option<String>,
    }
    let members: Members = json::parse(body).unwrap_or_default();
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = named
        .or(members.code.as_deref())
        .or(members.kind.as_deref())
    {
        let code = code.split(':').next().unwrap_or_default();
        metadata = metadata.code(code.rsplit('#').next().unwrap_or_default());
    }
    if let Some(message) = members.message {
        metadata = metadata.message(message);
    }
    ServiceFault(metadata.build())
}

#[cfg(test)]
mod tests;
