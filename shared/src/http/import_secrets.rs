//! The secrets that imported passwords were mixed with, from where an operator has put them.

use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::problem::Problem;
use crate::aws::json_service::{JsonService, ServiceNames};
use crate::aws::{self, Stopwatch};
use crate::domain::password::legacy::Secrets;
use crate::domain::password::stored::StoredPassword;
use crate::platform::config::{ConfigError, Env};

/// The secrets of the sites whose users were imported. They are read when a password first needs
/// one, and again if one is missing: an operator may have added it since.
pub struct ImportSecrets {
    source: Source,
    read: Mutex<Secrets>,
}

enum Source {
    /// There are none.
    None,
    /// A parameter of AWS Systems Manager.
    Parameter { service: JsonService, name: String },
    /// A file, for `cargo run`.
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameterAnswer {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: String,
}

/// An error: the secrets cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the secrets of imported passwords, which IMPORT_SECRETS names, cannot be read")]
struct Unreadable(#[source] Box<dyn Error + Send + Sync>);

impl ImportSecrets {
    const NAMES: ServiceNames = ServiceNames {
        signing: "ssm",
        target: "AmazonSSM",
    };
    /// What marks a file in `IMPORT_SECRETS`.
    const FILE: &'static str = "file:";

    /// Reads `IMPORT_SECRETS`: the name of a parameter of Systems Manager, or `file:` and a path, or
    /// nothing; and the settings of [`aws::config`] with `AWS_ENDPOINT_URL_SSM`.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting that a parameter needs is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let source = match env.optional("IMPORT_SECRETS") {
            None => Source::None,
            Some(text) => match text.strip_prefix(Self::FILE) {
                Some(path) => Source::File(path.into()),
                None => Source::Parameter {
                    service: JsonService::new(
                        &aws::config(env, "AWS_ENDPOINT_URL_SSM")?,
                        Self::NAMES,
                        Stopwatch::adding(|_, _| ()),
                    )?,
                    name: text,
                },
            },
        };
        Ok(Self {
            source,
            read: Mutex::default(),
        })
    }

    /// Returns the secrets, with those that verifying `stored` needs.
    ///
    /// # Errors
    ///
    /// Returns 503 if they cannot be read, after a line in the log that says why. A secret that is
    /// missing from them is an error of the verification.
    pub async fn of(&self, stored: &StoredPassword) -> Result<Secrets, Problem> {
        let StoredPassword::Imported(imported) = stored else {
            return Ok(Secrets::default());
        };
        let mut secrets = self.read.lock().await;
        let mut needed = imported.scheme.secrets();
        if needed.any(|name| secrets.get(name).is_none()) {
            let loaded = self.load().await;
            *secrets = loaded.map_err(|fault| Problem::Unavailable(Box::new(Unreadable(fault))))?;
        }
        Ok(secrets.clone())
    }

    async fn load(&self) -> Result<Secrets, Box<dyn Error + Send + Sync>> {
        let text = match &self.source {
            Source::None => return Ok(Secrets::default()),
            Source::File(path) => match tokio::fs::read_to_string(path).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Secrets::default());
                }
                text => text?,
            },
            Source::Parameter { service, name } => {
                let request = json!({ "Name": name, "WithDecryption": true });
                let answer: GetParameterAnswer = service.call("GetParameter", &request).await?;
                answer.parameter.value
            }
        };
        Ok(Secrets::from_json(&text)?)
    }
}
