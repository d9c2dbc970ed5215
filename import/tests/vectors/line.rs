//! Lines of the vectors, and how each is imported.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// A line of the vectors.
#[derive(Debug, Deserialize)]
pub struct Line {
    pub system: String,
    pub version: String,
    pub how: String,
    pub scheme: String,
    #[serde(default)]
    pub stored: Value,
    pub password_b64: String,
    pub verify: bool,
    #[serde(default)]
    pub params: Value,
    #[serde(default)]
    pub note: String,
}

/// How a line is imported.
pub struct Row {
    /// The name of the format.
    pub format: &'static str,
    /// What is stored, with the settings of the site that belong to it.
    pub stored: Value,
    /// The secret of the site.
    pub secret: Option<String>,
}

impl Line {
    /// Returns the line under `format`, as it is.
    pub fn as_format(&self, format: &'static str) -> Row {
        let stored = match &self.stored {
            Value::Null => Value::from(""),
            stored => stored.clone(),
        };
        Row {
            format,
            stored,
            secret: None,
        }
    }

    /// Returns the password that was tried.
    pub fn typed(&self) -> String {
        let octets = STANDARD.decode(&self.password_b64).unwrap();
        String::from_utf8(octets).unwrap()
    }

    /// Returns a parameter that is a text, if it is there and not empty.
    pub fn param(&self, name: &str) -> Option<String> {
        let value = self.params.get(name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    }
}

impl Row {
    /// Returns the row with a secret of the site, if there is one.
    pub fn with_secret(self, secret: Option<String>) -> Self {
        Self { secret, ..self }
    }
}
