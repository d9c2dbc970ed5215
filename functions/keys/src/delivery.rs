//! Delivers the answer to CloudFormation.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use shared::aws::HttpsClient;
use shared::platform::{ConfigError, Env};

/// The answer was not delivered.
#[derive(Debug, thiserror::Error)]
#[error("CloudFormation was not told")]
pub struct Undelivered(#[source] Box<dyn Error + Send + Sync>);

/// Delivers answers to CloudFormation.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The SDK's own client, whose TLS is linked already.
    http: Result<HttpsClient, ConfigError>,
    /// The timeout of one try.
    pub(super) timeout: Duration,
    /// The wait before the next try. A fault that refused one try would most likely refuse another
    /// at once.
    pub(super) pause: Duration,
}

impl Delivery {
    /// The number of tries.
    const ATTEMPTS: u32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(4);
    const PAUSE: Duration = Duration::from_secs(1);
    /// The longest time that all tries take.
    pub(super) const LONGEST: Duration = Self::TIMEOUT
        .saturating_add(Self::PAUSE)
        .saturating_mul(Self::ATTEMPTS);

    /// Reads the same settings as [`HttpsClient::from_env`]. If they are wrong, the delivery trusts
    /// Amazon's roots, so that CloudFormation can be told.
    pub(super) fn from_env(env: &Env<'_>) -> Self {
        Self {
            http: HttpsClient::from_env(env).or_else(|_| HttpsClient::for_amazon()),
            timeout: Self::TIMEOUT,
            pause: Self::PAUSE,
        }
    }

    /// Puts `answer` to the presigned URL `url`. The request may contain nothing that was not
    /// signed, in particular no content type.
    ///
    /// # Errors
    ///
    /// Returns an error if no try succeeds.
    pub(super) async fn deliver(&self, url: &str, answer: String) -> Result<(), Undelivered> {
        if url.is_empty() {
            return Err(Undelivered("the event has no ResponseURL".into()));
        }
        let mut tries = 1;
        loop {
            let put = tokio::time::timeout(self.timeout, self.put(url, answer.clone())).await;
            let error = match put {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => "it took too long".into(),
            };
            // The URL allows anybody to answer, so it is not logged.
            tracing::warn!(
                tries,
                cause = error.to_string(),
                "CloudFormation did not accept the answer"
            );
            if tries == Self::ATTEMPTS {
                return Err(Undelivered(error));
            }
            tries += 1;
            tokio::time::sleep(self.pause).await;
        }
    }

    async fn put(&self, url: &str, answer: String) -> Result<(), Box<dyn Error + Send + Sync>> {
        let http = self.http.as_ref().map_err(ToString::to_string)?;
        let mut request = Request::new(SdkBody::from(answer));
        request.set_method("PUT")?;
        request.set_uri(url)?;
        let answer = http.call(request).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("its status is {}", answer.status().as_u16()).into())
        }
    }
}
