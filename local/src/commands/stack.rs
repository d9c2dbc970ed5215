//! AWS, as an operator reaches it: with the credentials that every AWS tool finds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
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
pub(super) struct Aws {
    config: SdkConfig,
    caller: Caller,
}

/// Whoever has the credentials.
struct Caller {
    arn: String,
    account: String,
}

/// A stack, as it was deployed.
pub(super) struct Stack {
    /// The values of its parameters.
    pub(super) parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub(super) outputs: BTreeMap<String, String>,
}

impl Aws {
    /// Finds the region and where credentials come from: flags, variables, files, SSO, roles. With
    /// `profile` they come from there, whatever the variables say. Asks AWS whose they are.
    ///
    /// # Errors
    ///
    /// Returns one sentence if no region is set, if there are no credentials, or if AWS refuses them
    /// or does not answer.
    pub(super) async fn find(region: Option<&str>, profile: Option<&str>) -> Result<Self, Failure> {
        let client = HttpsClient::connecting_within(&process_env(), CONNECT);
        let client = client.map_err(anyhow::Error::from)?;
        let region = match region {
            Some(region) => Some(Region::new(region.to_owned())),
            None => region_of(profile).await,
        };
        let Some(region) = region else {
            return Err(Failure::Refused(
                "no region is set: give --region, or set AWS_REGION or the profile's region"
                    .to_owned(),
            ));
        };
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client.clone())
            .region(region.clone())
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard());
        if let Some(profile) = profile {
            // The default chain would ask the variables first, and change the accounts of another
            // stack than the one that somebody has named.
            let provider = ProviderConfig::default()
                .with_http_client(client)
                .with_behavior_version(Some(BehaviorVersion::latest()))
                .with_region(Some(region));
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&provider)
                .profile_name(profile);
            loader = loader
                .profile_name(profile)
                .credentials_provider(provider.build());
        }
        let config = loader.load().await;
        check_credentials(&config).await?;
        let caller = caller(&config).await?;
        Ok(Self { config, caller })
    }

    /// Returns the region.
    pub(super) fn region(&self) -> &str {
        self.config.region().map_or("", AsRef::as_ref)
    }

    /// Returns the region and the account, in words.
    pub(super) fn place(&self) -> String {
        format!(
            "{} of the AWS account {}",
            self.region(),
            self.caller.account
        )
    }

    /// Returns a client of DynamoDB.
    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// Returns the ARN of whoever has the credentials.
    pub(super) fn caller(&self) -> &str {
        &self.caller.arn
    }

    /// Returns a stack by its name.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such stack, or CloudFormation does not answer.
    pub(super) async fn stack(&self, name: &str) -> Result<Stack, Failure> {
        let asked = aws_sdk_cloudformation::Client::new(&self.config)
            .describe_stacks()
            .stack_name(name);
        let region = self.place();
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

/// Returns the region that variables or files say.
async fn region_of(profile: Option<&str>) -> Option<Region> {
    let mut chain = DefaultRegionChain::builder();
    if let Some(profile) = profile {
        chain = chain.profile_name(profile);
    }
    chain.build().region().await
}

/// Checks that there are credentials, whose lack the SDK would tell with each request, in a page.
async fn check_credentials(config: &SdkConfig) -> Result<(), Failure> {
    let missing = || {
        let sentence =
            "there are no credentials of AWS: log in as for the AWS CLI, or give --profile";
        Failure::Refused(sentence.to_owned())
    };
    let provider = config.credentials_provider().ok_or_else(missing)?;
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

/// Asks AWS whose credentials these are.
async fn caller(config: &SdkConfig) -> anyhow::Result<Caller> {
    const UNTOLD: &str = "AWS does not say whose credentials these are";
    let asked = aws_sdk_sts::Client::new(config).get_caller_identity();
    let answer = asked.send().await.map_err(cause).context(UNTOLD)?;
    Ok(Caller {
        arn: answer.arn.context(UNTOLD)?,
        account: answer.account.context(UNTOLD)?,
    })
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
