//! The records of an export, one after the other.

use std::ops::ControlFlow;
use std::path::PathBuf;

use import::exports::{self, Entry, Options, System};

use super::super::super::Failure;

/// An export.
#[derive(Clone)]
pub(super) struct Source {
    /// The system that wrote it.
    pub(super) system: System,
    /// The file.
    pub(super) path: PathBuf,
    /// What the file does not tell.
    pub(super) options: Options,
}

impl Source {
    /// Reads the entries from the beginning, until `take` returns `false`.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the file cannot be read any further.
    pub(super) fn each(&self, mut take: impl FnMut(Entry) -> bool) -> Result<(), Failure> {
        let each = &mut |entry| match take(entry) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        exports::read(self.system, &self.path, &self.options, each).map_err(|error| {
            let path = self.path.display();
            Failure::Refused(format!("cannot read \"{path}\": {error}"))
        })
    }
}
