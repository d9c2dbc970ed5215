//! How far each mapping has come, which a restart does not forget.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use shared::platform::json;

use crate::signing_key;

/// The sequence numbers up to which the mappings have dealt with their streams, by their names.
#[derive(Default)]
pub(super) struct Positions {
    path: Option<PathBuf>,
    reached: Mutex<BTreeMap<String, String>>,
}

impl Positions {
    /// Reads the positions in the file `path`, if there is one. Without a path, they are in memory.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the file cannot be read.
    pub(super) fn open(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let text = path.as_ref().map(fs::read).transpose();
        let reached = match text {
            Ok(None) => BTreeMap::new(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Ok(Some(text)) => json::parse(&text).context("it is not what was written")?,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            path,
            reached: Mutex::new(reached),
        })
    }

    /// Returns the position of the mapping `name`.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        self.reached().get(name).cloned()
    }

    /// Notes the position of the mapping `name`.
    pub(super) fn reach(&self, name: &str, sequence_number: &str) {
        let mut reached = self.reached();
        reached.insert(name.to_owned(), sequence_number.to_owned());
        if let Some(path) = &self.path {
            let written = serde_json::to_string(&*reached).map_err(anyhow::Error::from);
            let written = written.and_then(|text| signing_key::write_privately(path, &text));
            if let Err(error) = written {
                tracing::error!(
                    error = format!("{error:#}"),
                    "cannot note how far a stream was read, so the next start delivers it again"
                );
            }
        }
    }

    fn reached(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
