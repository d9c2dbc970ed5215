//! The secrets of a site that its passwords were mixed with: peppers and signer keys.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The name of a secret, by which a scheme refers to it: 1 to 64 of the characters a-z 0-9 . _ -
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for SecretName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for SecretName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        match (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            true => Ok(Self(text)),
            false => Err("a name has 1 to 64 of the characters a-z 0-9 . _ -".to_owned()),
        }
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// The secrets of a site, by name. They cannot be printed.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<SecretName, SecretString>);

impl Secrets {
    /// Parses secrets: a JSON object of names and texts.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not one. It says nothing of what the text holds.
    pub fn from_json(text: &str) -> Result<Self, UnusableSecrets> {
        let secrets: BTreeMap<SecretName, String> =
            serde_json::from_str(text).map_err(|_| UnusableSecrets)?;
        let secrets = secrets.into_iter();
        let secrets = secrets.map(|(name, secret)| (name, secret.into()));
        Ok(Self(secrets.collect()))
    }

    /// Returns a secret, if it is there.
    pub fn get(&self, name: &SecretName) -> Option<&SecretString> {
        self.0.get(name)
    }

    /// Adds or replaces a secret.
    pub fn insert(&mut self, name: SecretName, secret: SecretString) {
        self.0.insert(name, secret);
    }
}

/// An error: the secrets are not a JSON object of names and texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a JSON object whose members are texts, with names of the characters a-z 0-9 . _ -")]
pub struct UnusableSecrets;
