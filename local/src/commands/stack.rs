//! AWS, as an operator reaches it: with the credentials that every AWS tool finds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use shared::aws::HttpsClient;
use shared::platform::config::process_env;

use super::Failure;

/// How long a connection may take. An operator can be on the other side of the world.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);

/// An account of AWS and a region.
pub(super) struct Aws(SdkConfig);

/// A stack, as it was deployed.
pub(super) struct Stack {
    /// The values of its parameters.
    pub(super) parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub(super) outputs: BTreeMap<String, String>,
}

impl Aws {
    /// Finds the region and where credentials come from: flags, variables, files, SSO, roles.
    ///
    /// # Errors
    ///
    /// Returns one sentence if no region is set.
    pub(super) async fn find(region: Option<&str>, profile: Option<&str>) -> Result<Self, Failure> {
        let client = HttpsClient::connecting_within(&process_env(), CONNECT);
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client.map_err(anyhow::Error::from)?)
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(Failure::Refused(
                "no region is set: give --region, or set AWS_REGION or the profile's region"
                    .to_owned(),
            ));
        }
        let aws = Self(config);
        aws.check_credentials().await?;
        Ok(aws)
    }

    /// Checks that there are credentials, whose lack the SDK would tell with each request, in a page.
    async fn check_credentials(&self) -> Result<(), Failure> {
        let missing = || {
            let sentence =
                "there are no credentials of AWS: log in as for the AWS CLI, or give --profile";
            Failure::Refused(sentence.to_owned())
        };
        let provider = self.0.credentials_provider().ok_or_else(missing)?;
        match provider.provide_credentials().await {
            Ok(_) => Ok(()),
            Err(CredentialsError::CredentialsNotLoaded(_)) => Err(missing()),
            Err(error) => {
                let error = anyhow::Error::new(error);
                Err(error
                    .context("the credentials of AWS cannot be used")
                    .into())
            }
        }
    }

    /// Returns the region.
    pub(super) fn region(&self) -> &str {
        self.0.region().map_or("", AsRef::as_ref)
    }

    /// Returns a client of DynamoDB.
    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.0)
    }

    /// Returns the ARN of whoever has the credentials.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no credentials, or STS does not answer.
    pub(super) async fn caller(&self) -> anyhow::Result<String> {
        let asked = aws_sdk_sts::Client::new(&self.0).get_caller_identity();
        let answer = asked.send().await.map_err(cause);
        let answer = answer.context("AWS does not say whose credentials these are")?;
        answer
            .arn
            .context("AWS does not say whose credentials these are")
    }

    /// Returns a stack by its name.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such stack, or CloudFormation does not answer.
    pub(super) async fn stack(&self, name: &str) -> Result<Stack, Failure> {
        let asked = aws_sdk_cloudformation::Client::new(&self.0)
            .describe_stacks()
            .stack_name(name);
        let region = self.region();
        let answer = match asked.send().await {
            Ok(answer) => answer,
            // CloudFormation has no code of its own for it.
            Err(SdkError::ServiceError(fault))
                if fault
                    .err()
                    .message()
                    .is_some_and(|message| message.contains("does not exist")) =>
            {
                let sentence = format!("there is no stack {name} in {region}");
                return Err(Failure::Refused(sentence));
            }
            Err(fault) => {
                let error = cause(fault).context(format!("cannot read the stack {name}"));
                return Err(error.into());
            }
        };
        let found = answer.stacks.unwrap_or_default().into_iter().next();
        let found = found.with_context(|| format!("there is no stack {name} in {region}"))?;
        let parameters = found.parameters.unwrap_or_default().into_iter();
        let outputs = found.outputs.unwrap_or_default().into_iter();
        Ok(Stack {
            parameters: parameters
                .filter_map(|it| Some((it.parameter_key?, it.parameter_value?)))
                .collect(),
            outputs: outputs
                .filter_map(|it| Some((it.output_key?, it.output_value?)))
                .collect(),
        })
    }
}

/// Returns the cause of a failed request, without the SDK's words around it.
fn cause<E, R>(fault: SdkError<E, R>) -> anyhow::Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if let SdkError::ServiceError(fault) = &fault
        && let (Some(code), Some(message)) = (fault.err().code(), fault.err().message())
    {
        return anyhow!("{code}: {message}");
    }
    // A source that repeats the text of its error is not worth another sentence.
    anyhow::Error::new(fault)
}
