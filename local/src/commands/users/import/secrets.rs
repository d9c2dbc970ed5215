//! The secrets of the old site, on this machine: the file that the functions of `cargo run` read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use shared::domain::password::legacy::SecretName;

use super::super::super::Failure;
use crate::IMPORT_SECRETS;
use crate::signing_key::write_privately;

/// The file of the secrets.
pub(super) struct SecretsFile(PathBuf);

impl SecretsFile {
    /// Returns the file in the folder of the data.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(IMPORT_SECRETS))
    }

    /// Keeps a secret.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the file cannot be read or written, or has another secret of this name:
    /// nobody whose password needs that one could log in any more.
    pub(super) fn keep(&self, name: &str, secret: &SecretString) -> Result<(), Failure> {
        let mut secrets = self.read()?;
        match secrets.get(name) {
            Some(there) if there == secret.expose_secret() => return Ok(()),
            Some(_) => {
                return Err(Failure::Refused(format!(
                    "\"{}\" has another secret named {name} already: give this one another name \
                     with --secret",
                    self.0.display()
                )));
            }
            None => {}
        }
        secrets.insert(name.to_owned(), secret.expose_secret().to_owned());
        Ok(write_privately(&self.0, &serde_json::to_string(&secrets)?)?)
    }

    /// Checks that the file has the secrets that passwords need.
    ///
    /// # Errors
    ///
    /// Returns one sentence if it lacks one.
    pub(super) fn check(&self, needed: &BTreeSet<SecretName>) -> Result<(), Failure> {
        if needed.is_empty() {
            return Ok(());
        }
        let secrets = self.read()?;
        let mut needed = needed.iter();
        match needed.find(|name| !secrets.contains_key(name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Failure::Refused(format!(
                "the passwords need the secret {name} of the old site: write it into \"{}\", a JSON \
                 object of names and secrets",
                self.0.display()
            ))),
        }
    }

    fn read(&self) -> Result<BTreeMap<String, String>, Failure> {
        let path = self.0.display();
        match std::fs::read_to_string(&self.0) {
            // The error of the parser could show a part of a secret.
            Ok(text) => serde_json::from_str(&text).map_err(|_| {
                Failure::Refused(format!(
                    "\"{path}\" is not a JSON object of names and secrets"
                ))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(Failure::Refused(format!("cannot read \"{path}\": {error}"))),
        }
    }
}
