//! What became of the records: numbers by reason, and the file of those that were refused.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use import::{Fault, Record};
use serde::Serialize;

use super::super::super::Failure;

/// How many records became what.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Written, or in a dry run to be written.
    pub(super) imported: u64,
    /// There already, from an earlier run.
    pub(super) there: u64,
    /// Refused.
    pub(super) refused: u64,
    /// The reasons: members and codes. A record may have several.
    reasons: BTreeMap<(String, String), u64>,
    /// What was left out, and of how many accounts.
    pub(super) omitted: BTreeMap<&'static str, u64>,
}

/// A reason, and how many records were refused for it.
#[derive(Debug, Serialize)]
pub(super) struct Reason<'a> {
    pub(super) field: &'a str,
    pub(super) code: &'a str,
    pub(super) records: u64,
}

/// The file of the refused records, one JSON object a line, which an import takes.
pub(super) struct Report {
    path: PathBuf,
    file: BufWriter<File>,
    is_empty: bool,
}

impl Tally {
    /// Counts a refused record.
    pub(super) fn refuse(&mut self, faults: &[Fault]) {
        self.refused += 1;
        let mut counted: Vec<(&str, &str)> = Vec::new();
        for fault in faults {
            let reason = (fault.field.as_str(), fault.code.as_str());
            if !counted.contains(&reason) {
                counted.push(reason);
                let (field, code) = reason;
                *self
                    .reasons
                    .entry((field.to_owned(), code.to_owned()))
                    .or_default() += 1;
            }
        }
    }

    /// Counts what is left out of an account.
    pub(super) fn omit(&mut self, codes: BTreeSet<&'static str>) {
        for code in codes {
            *self.omitted.entry(code).or_default() += 1;
        }
    }

    /// Adds the numbers of another one.
    pub(super) fn add(&mut self, other: Self) {
        self.imported += other.imported;
        self.there += other.there;
        self.refused += other.refused;
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        for (code, count) in other.omitted {
            *self.omitted.entry(code).or_default() += count;
        }
    }

    /// Returns the number of records.
    pub(super) fn read(&self) -> u64 {
        self.imported + self.there + self.refused
    }

    /// Returns the reasons, the most frequent first.
    pub(super) fn reasons(&self) -> Vec<Reason<'_>> {
        let reasons = self.reasons.iter();
        let reasons = reasons.map(|((field, code), records)| Reason {
            field,
            code,
            records: *records,
        });
        let mut reasons: Vec<_> = reasons.collect();
        // Of equally frequent ones, the order remains that of their names.
        reasons.sort_by_key(|reason| Reverse(reason.records));
        reasons
    }
}

impl Report {
    /// Makes the file, which only its owner can read: the records have hashes of passwords.
    ///
    /// # Errors
    ///
    /// Returns one sentence if it cannot be made, or is there already.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            Failure::Refused(format!(
                "cannot make the file \"{}\": {error}",
                path.display()
            ))
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            is_empty: true,
        })
    }

    /// Writes a refused record with its faults.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub(super) fn write(&mut self, refused: &Record) -> Result<(), Failure> {
        self.is_empty = false;
        serde_json::to_writer(&mut self.file, refused)?;
        Ok(writeln!(self.file)?)
    }

    /// Completes the file, and removes it if nothing was refused. Returns its path if it has records.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, Failure> {
        self.file.flush()?;
        if self.is_empty {
            std::fs::remove_file(&self.path)?;
            return Ok(None);
        }
        Ok(Some(self.path))
    }
}
