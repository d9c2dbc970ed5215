//! Calls of an AWS service that speaks the protocol awsJson1.1, such as KMS: a POST whose header
//! `x-amz-target` names the operation, with JSON in and out ("AWS JSON 1.1 protocol" of Smithy).
//!
//! Signing, retries and time limits are the SDK's own, of the crates that aws-sdk-dynamodb is made of.
//! Only what its generator writes for each operation is missing: an SDK of 53 operations, of which
//! four were called, took a tenth of each build (docs/decisions/0021).

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

use super::Lean;
use crate::platform::config::ConfigError;

/// A service, and how to reach it.
pub struct JsonService {
    names: ServiceNames,
    operation: Operation<Call, Body, ServiceFault>,
}

/// How a service is named.
#[derive(Clone, Copy)]
pub struct ServiceNames {
    /// In host names and signatures, such as `kms`.
    pub signing: &'static str,
    /// In `x-amz-target`, before the operation, such as `TrentService`.
    pub target: &'static str,
}

/// Why a call failed.
pub type CallError = SdkError<ServiceFault, HttpResponse>;

/// A call: the value of `x-amz-target`, and JSON. What is in it is not printed.
struct Call {
    target: String,
    body: Vec<u8>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)
    }
}

/// The body of an answer, which may be a secret: it is not printed.
struct Body(Vec<u8>);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// What a service answered instead of doing what it was asked.
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
            .interceptor(Lean)
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
    /// Returns an error if the service does not answer, refuses, or answers with what is no `O`.
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
        // What cannot be read may be a secret: it is left out of the error, which names a place in it.
        let unread = || HttpResponse::new(StatusCode::OK.into(), SdkBody::empty());
        serde_json::from_slice(&body).map_err(|error| CallError::response_error(error, unread()))
    }
}

/// The domain of a region's services, by the region's partition (the SDK's `partitions.json`).
fn dns_suffix(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// Signature version 4, with the headers that the generated SDKs sign.
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

/// The code of an error is in a header or in the body, with a namespace before a `#` or an address
/// after a `:` round it ("Operation error serialization" of the protocol).
fn fault(named: Option<&str>, body: &[u8]) -> ServiceFault {
    #[derive(Default, Deserialize)]
    struct Members {
        #[serde(rename = "__type")]
        kind: Option<String>,
        code: Option<String>,
        #[serde(alias = "Message", alias = "errorMessage")]
        message: Option<String>,
    }
    let members: Members = serde_json::from_slice(body).unwrap_or_default();
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
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, SystemTime};

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_types::sdk_config::TimeSource;
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::Stopwatch;
    use crate::platform::config::Env;

    /// 2027-01-15T08:00:00Z.
    #[derive(Debug)]
    struct ThatMorning;

    impl TimeSource for ThatMorning {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
        }
    }

    /// Keeps what it is asked, and answers each call with these in turn: a status and a body.
    #[derive(Clone, Debug)]
    struct Service {
        asked: Arc<Mutex<Vec<HttpRequest>>>,
        answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
    }

    impl HttpConnector for Service {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.asked.lock().unwrap().push(request);
            let (status, body) = self.answers.lock().unwrap().remove(0);
            let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            HttpConnectorFuture::ready(Ok(answer))
        }
    }

    /// Calls KMS, which answers so; and what KMS was asked.
    async fn ask(answers: &[(u16, &'static str)]) -> (Result<Value, CallError>, Vec<HttpRequest>) {
        let service = Service {
            asked: Arc::default(),
            answers: Arc::new(Mutex::new(answers.to_vec())),
        };
        let lookup = |name: &str| {
            let value = match name {
                "AWS_REGION" => "eu-west-1",
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "unused",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let token = Some("a/session+token==".to_owned());
        let credentials = Credentials::new("AKIDEXAMPLE", secret, token, None, "test");
        let connector = SharedHttpConnector::new(service.clone());
        let config = crate::aws::config(&Env::new(&lookup), "AWS_ENDPOINT_URL_KMS").unwrap();
        let config = config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .time_source(ThatMorning)
            .build();
        let names = ServiceNames {
            signing: "kms",
            target: "TrentService",
        };
        let kms = JsonService::new(&config, names, Stopwatch::adding(|_, _| {})).unwrap();
        let answer = kms.call("Sign", &json!({"KeyId": "k"})).await;
        let asked = std::mem::take(&mut *service.asked.lock().unwrap());
        (answer, asked)
    }

    #[tokio::test]
    async fn a_call_is_signed_as_botocore_signs_it() {
        let (answer, asked) = ask(&[(200, r#"{"Signature":"c2ln"}"#)]).await;
        assert_eq!(answer.unwrap()["Signature"], "c2ln");
        let [request] = &asked[..] else {
            panic!("{asked:?}")
        };
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "https://kms.eu-west-1.amazonaws.com/");
        assert_eq!(request.body().bytes(), Some(&br#"{"KeyId":"k"}"#[..]));
        let header = |name| request.headers().get(name).unwrap();
        assert_eq!(header("content-type"), "application/x-amz-json-1.1");
        assert_eq!(header("x-amz-target"), "TrentService.Sign");
        assert_eq!(header("x-amz-date"), "20270115T080000Z");
        assert_eq!(header("x-amz-security-token"), "a/session+token==");
        // Of botocore 1.43.127, for the same request at the same time.
        assert_eq!(
            header("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu-west-1/kms/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
             Signature=c52fc7e6258b794186c94f694809a24850963a9c8d625c1aa68d04be868d4e35"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_three_times_and_what_does_not_once() {
        let throttled = (400, r#"{"__type":"ThrottlingException"}"#);
        let broken = (500, r#"{"__type":"KMSInternalException"}"#);
        let good = (200, "{}");
        let denied = (400, r#"{"__type":"AccessDeniedException","message":"no"}"#);
        for (answers, tries) in [
            (&[throttled, broken, good][..], 3),
            (&[broken, broken, broken], 3),
            (&[denied], 1),
        ] {
            let (answer, asked) = ask(answers).await;
            assert_eq!(asked.len(), tries, "{answer:?}");
            assert_eq!(answer.is_ok(), answers.contains(&good), "{answer:?}");
        }
        let (answer, _) = ask(&[denied]).await;
        let fault = answer.unwrap_err();
        assert_eq!(
            (fault.code(), fault.message()),
            (Some("AccessDeniedException"), Some("no"))
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_not_what_was_asked_for_is_a_fault_without_its_words() {
        let (answer, _) = ask(&[(200, "\"a secret\" and more")]).await;
        let fault = answer.unwrap_err();
        assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
    }

    #[test]
    fn the_code_of_a_fault_is_found_wherever_it_is() {
        for (header, body, code, message) in [
            (
                None,
                r#"{"__type":"A","message":"b"}"#,
                Some("A"),
                Some("b"),
            ),
            (
                None,
                r#"{"__type":"com.amazonaws.kms#A","Message":"b"}"#,
                Some("A"),
                Some("b"),
            ),
            (
                Some("A:http://example.com/"),
                r#"{"__type":"B"}"#,
                Some("A"),
                None,
            ),
            (None, r#"{"code":"A","__type":"B"}"#, Some("A"), None),
            (None, "<html>", None, None),
            (None, "", None, None),
        ] {
            let fault = fault(header, body.as_bytes());
            assert_eq!((fault.code(), fault.message()), (code, message), "{body}");
        }
    }

    #[test]
    fn a_region_is_reached_in_its_partition() {
        for (region, suffix) in [
            ("eu-west-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
        ] {
            assert_eq!(dns_suffix(region), suffix);
        }
    }

    #[test]
    fn what_is_sent_and_what_comes_back_is_not_printed() {
        let call = Call {
            target: "TrentService.Decrypt".to_owned(),
            body: b"secret".to_vec(),
        };
        let printed = format!("{call:?} {:?}", Body(b"secret".to_vec()));
        assert_eq!(printed, "TrentService.Decrypt Body");
    }
}
