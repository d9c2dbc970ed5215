//! Puts the answer where CloudFormation waits for it.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use shared::aws::HttpsClient;
use shared::platform::config::{ConfigError, Env};

/// CloudFormation was not told.
#[derive(Debug, thiserror::Error)]
#[error("CloudFormation was not told")]
pub struct Undelivered(#[source] Box<dyn Error + Send + Sync>);

/// How long CloudFormation has to take an answer.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The SDK's own client: the TLS that is linked already.
    http: Result<HttpsClient, ConfigError>,
    /// How long one try may take.
    pub(super) patience: Duration,
    /// How long to wait before the next: what refused one just now most likely refuses another at
    /// once.
    pub(super) pause: Duration,
}

impl Delivery {
    /// How often it is tried.
    const ATTEMPTS: u32 = 3;
    const PATIENCE: Duration = Duration::from_secs(4);
    const PAUSE: Duration = Duration::from_secs(1);
    /// How long all tries take at most.
    pub(super) const LONGEST: Duration = Self::PATIENCE
        .saturating_add(Self::PAUSE)
        .saturating_mul(Self::ATTEMPTS);

    /// Reads what [`HttpsClient::from_env`] reads. If that is wrong, CloudFormation can be told so
    /// all the same.
    pub(super) fn from_env(env: &Env<'_>) -> Self {
        Self {
            http: HttpsClient::from_env(env).or_else(|_| HttpsClient::for_amazon()),
            patience: Self::PATIENCE,
            pause: Self::PAUSE,
        }
    }

    /// Puts `answer` to `url`, a presigned one: nothing that it was not signed with may be added, a
    /// content type least of all.
    ///
    /// # Errors
    ///
    /// Where it is not taken, however often it is tried.
    pub(super) async fn deliver(&self, url: &str, answer: String) -> Result<(), Undelivered> {
        if url.is_empty() {
            return Err(Undelivered("the event has no ResponseURL".into()));
        }
        let mut tries = 1;
        loop {
            let put = tokio::time::timeout(self.patience, self.put(url, answer.clone())).await;
            let error = match put {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => "it took too long".into(),
            };
            // The URL lets anybody answer: it stays out of the log.
            tracing::warn!(tries, cause = error.to_string(), "the answer was not taken");
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
