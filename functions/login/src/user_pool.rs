//! A user pool of Amazon Cognito that people come from: it tells whether a password is right, since
//! it exports no hashes.
//!
//! One operation is needed, so it is called by [`JsonService`], as KMS is, and not by an SDK.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde::{Deserialize, Serialize};
use shared::aws::json_service::{CallError, JsonService, ServiceNames};
use shared::aws::{self, Stopwatch};
use shared::domain::{Email, Password};
use shared::http::Problem;
use shared::observe::request_log::longest;
use shared::platform::{ConfigError, Env};

/// A user pool, and a client of it.
pub struct UserPool {
    service: JsonService,
    pool_id: String,
    client_id: String,
}

/// What the pool says of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is right. Whether the pool asks for a second factor after it makes no difference.
    Right,
    /// It is wrong, or the pool does not say more than that.
    Wrong,
    /// The user cannot log in with any password that they know: the pool has no such user, or they
    /// have to choose another password.
    NoPassword,
}

/// A fault of the pool. Its message is the pool's own, which has no password.
#[derive(Debug, thiserror::Error)]
#[error("the user pool of Cognito")]
struct Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AdminInitiateAuth<'a> {
    auth_flow: &'static str,
    user_pool_id: &'a str,
    client_id: &'a str,
    auth_parameters: BTreeMap<&'static str, &'a str>,
}

/// The part of the answer that is looked at. It has tokens too, which are left unread.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Initiated {
    challenge_name: Option<String>,
}

impl UserPool {
    /// The timeouts of one request and of all its tries. With the requests to DynamoDB, they fit into
    /// the function's time. A trigger of the pool may take a while.
    const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2500);
    const OPERATION_TIMEOUT: Duration = Duration::from_millis(5000);
    const NAMES: ServiceNames = ServiceNames {
        signing: "cognito-idp",
        target: "AWSCognitoIdentityProviderService",
    };

    /// Reads `USER_POOL`, and returns `None` if it is not set: the id of a user pool, a slash, and the
    /// id of a client of it that has no secret (one variable, since Lambda has little room for
    /// them); and `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER` if Cognito is not AWS's own. The pool
    /// may be in another Region than the function: its id begins with its Region.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(both) = env.optional("USER_POOL") else {
            return Ok(None);
        };
        let unusable = || {
            ConfigError::new(format!(
                "USER_POOL is \"{both}\"; set it to the id of a user pool, a slash and the id of a \
                 client of it, such as eu-west-1_AbCdEfGhI/1h57kf5cpq17m0eml12EXAMPLE"
            ))
        };
        let (pool_id, client_id) = both.split_once('/').ok_or_else(unusable)?;
        let (region, name) = pool_id.split_once('_').ok_or_else(unusable)?;
        if [region, name, client_id].contains(&"") {
            return Err(unusable());
        }
        let config = aws::config(env, "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER")?;
        let config = in_region(config, region.to_owned());
        let stopwatch = Stopwatch::adding(|log, took| longest(&mut log.pool_ms, took));
        Ok(Some(Self {
            service: JsonService::new(&config, Self::NAMES, stopwatch)?,
            pool_id: pool_id.to_owned(),
            client_id: client_id.to_owned(),
        }))
    }

    /// Asks the pool whether `password` is that of its user with the address `email`. A name in the
    /// pool would not do: an account that was imported from elsewhere could have the same.
    ///
    /// # Errors
    ///
    /// Returns 503 if the pool does not answer, has too many requests, or refuses them.
    pub async fn verify(&self, email: &Email, password: &Password) -> Result<Answer, Problem> {
        let typed = password.expose_typed();
        // The pool calls it a missing parameter, which would be a fault here.
        if typed.is_empty() {
            return Ok(Answer::Wrong);
        }
        let request = AdminInitiateAuth {
            auth_flow: "ADMIN_USER_PASSWORD_AUTH",
            user_pool_id: &self.pool_id,
            client_id: &self.client_id,
            auth_parameters: BTreeMap::from([("USERNAME", email.as_str()), ("PASSWORD", typed)]),
        };
        let called = self
            .service
            .call::<Initiated>("AdminInitiateAuth", &request);
        match called.await {
            Ok(initiated) => Ok(of_challenge(initiated.challenge_name.as_deref())),
            Err(fault) => match refusal(&fault) {
                Some(answer) => Ok(answer),
                None => Err(Problem::Unavailable(Unavailable(aws::cause(fault)).into())),
            },
        }
    }
}

impl fmt::Debug for UserPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserPool")
    }
}

/// Returns the configuration for a pool in `region`, with its timeouts and retries.
fn in_region(config: SdkConfig, region: String) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(UserPool::ATTEMPT_TIMEOUT)
        .operation_timeout(UserPool::OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::from_millis(100));
    config
        .into_builder()
        .region(Region::new(region))
        .timeout_config(timeouts)
        .retry_config(retries)
        .build()
}

/// Returns what a challenge says of the password that was presented, or what none says: then there
/// are tokens.
fn of_challenge(name: Option<&str>) -> Answer {
    match name {
        None => Answer::Right,
        // These follow a right password.
        Some("EMAIL_OTP" | "MFA_SETUP" | "SELECT_MFA_TYPE" | "SMS_MFA" | "SOFTWARE_TOKEN_MFA") => {
            Answer::Right
        }
        // The password was right too, but it is one that an administrator has set for a day, and
        // sent somewhere.
        Some("NEW_PASSWORD_REQUIRED") => Answer::NoPassword,
        // A trigger of the pool decides, or the flow is another one.
        Some(_) => Answer::Wrong,
    }
}

/// Returns what an error of the pool says of the password, or `None` if it is a fault.
fn refusal(fault: &CallError) -> Option<Answer> {
    match fault.as_service_error()?.code()? {
        // Too many wrong passwords have the first code too.
        "NotAuthorizedException"
        | "UserLambdaValidationException"
        | "UserNotConfirmedException" => Some(Answer::Wrong),
        "PasswordResetRequiredException" | "UserNotFoundException" => Some(Answer::NoPassword),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_challenge_that_follows_a_right_password_proves_it() {
        for (name, expected) in [
            (None, Answer::Right),
            (Some("SOFTWARE_TOKEN_MFA"), Answer::Right),
            (Some("SMS_MFA"), Answer::Right),
            (Some("EMAIL_OTP"), Answer::Right),
            (Some("SELECT_MFA_TYPE"), Answer::Right),
            (Some("MFA_SETUP"), Answer::Right),
            (Some("NEW_PASSWORD_REQUIRED"), Answer::NoPassword),
            (Some("CUSTOM_CHALLENGE"), Answer::Wrong),
            (Some("PASSWORD_VERIFIER"), Answer::Wrong),
            (Some("OF_A_LATER_VERSION"), Answer::Wrong),
        ] {
            assert_eq!(of_challenge(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_pool_without_a_client_or_with_an_id_that_is_none_stops_the_start() {
        let from = |pool: &'static str| {
            let lookup = |name: &str| match name {
                "USER_POOL" => Some(pool.to_owned()),
                _ => Some("local".to_owned()),
            };
            UserPool::from_env(&Env::new(&lookup)).map(|pool| pool.is_some())
        };
        assert!(!from("").unwrap());
        for unusable in [
            "eu-west-1_AbC",
            "eu-west-1_AbC/",
            "/abc",
            "AbC/abc",
            "_AbC/abc",
            "eu-west-1_/abc",
        ] {
            let sentence = from(unusable).unwrap_err().to_string();
            let first = format!("USER_POOL is \"{unusable}\"; set it to");
            assert!(sentence.starts_with(&first), "{sentence}");
        }
    }
}
