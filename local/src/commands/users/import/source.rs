//! The records of an export, one after the other.

use std::path::PathBuf;

use import::{Fault, Record};

use super::super::super::Failure;

/// An export.
#[derive(Clone)]
pub(super) struct Source {
    /// The file.
    pub(super) path: PathBuf,
}

/// A record, and why it cannot be read, if it cannot.
pub(super) struct Given {
    pub(super) record: Record,
    pub(super) faults: Vec<Fault>,
}

impl Source {
    /// Reads the records from the beginning, until `take` returns `false`.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read any further.
    pub(super) fn each(&self, mut take: impl FnMut(Given) -> bool) -> Result<(), Failure> {
        todo!()
    }
}
