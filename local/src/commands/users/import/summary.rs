//! What an import tells at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

use import::exports::OMITTED;
use serde::Serialize;
use shared::domain::password::legacy::SecretName;

use super::super::super::Failure;
use super::super::super::listing::shown;
use super::super::Format;
use super::report::{Reason, Tally};
use crate::IMPORT_SECRETS;

/// The end of an import.
pub(super) struct Summary<'a> {
    /// What became of the records.
    pub(super) tally: &'a Tally,
    /// The number of records in the export.
    pub(super) records: u64,
    /// Whether nothing was written.
    pub(super) is_dry: bool,
    /// The tables, in words.
    pub(super) place: &'a str,
    /// The file of the refused records, if there is one.
    pub(super) report: Option<PathBuf>,
    /// What `ImportedHashMillis` has to be at least, if it is less.
    pub(super) level: Option<u64>,
    /// The secrets that the passwords were mixed with.
    pub(super) secrets: &'a BTreeSet<SecretName>,
}

#[derive(Serialize)]
struct View<'a> {
    dry_run: bool,
    records: u64,
    imported: u64,
    there: u64,
    refused: u64,
    left: u64,
    reasons: Vec<Reason<'a>>,
    omitted: &'a BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported_hash_millis: Option<u64>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    secrets: &'a BTreeSet<SecretName>,
}

impl Summary<'_> {
    /// Writes the summary to standard output.
    pub(super) fn write(&self, format: Format) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match format.json {
            true => {
                serde_json::to_writer(&mut out, &self.view())?;
                writeln!(out)?;
            }
            false => self.write_text(&mut out)?,
        }
        Ok(())
    }

    fn view(&self) -> View<'_> {
        View {
            dry_run: self.is_dry,
            records: self.records,
            imported: self.tally.imported,
            there: self.tally.there,
            refused: self.tally.refused,
            left: self.left(),
            reasons: self.tally.reasons(),
            omitted: &self.tally.omitted,
            report: self.report.as_ref().map(|path| path.display().to_string()),
            imported_hash_millis: self.level,
            secrets: self.secrets,
        }
    }

    /// Returns the number of records that were not looked at.
    fn left(&self) -> u64 {
        self.records.saturating_sub(self.tally.read())
    }

    fn write_text(&self, mut out: impl Write) -> io::Result<()> {
        let Tally {
            imported,
            there,
            refused,
            ..
        } = self.tally;
        match self.is_dry {
            true => writeln!(out, "Would import {imported} accounts into {}.", self.place)?,
            false => writeln!(out, "Imported {imported} accounts into {}.", self.place)?,
        }
        if *there > 0 {
            writeln!(out, "{there} were there already, from an earlier import.")?;
        }
        if self.left() > 0 {
            writeln!(out, "{} are left: run it again to go on.", self.left())?;
        }
        if *refused > 0 {
            writeln!(out, "{refused} were refused:")?;
            for Reason {
                field,
                code,
                records,
            } in self.tally.reasons()
            {
                writeln!(out, "{records:>9}  {}: {}", shown(field), shown(code))?;
            }
            match &self.report {
                Some(path) => writeln!(
                    out,
                    "They are in \"{}\": correct them, and import it with --from latchkey.",
                    path.display()
                )?,
                None => writeln!(
                    out,
                    "--report FILE writes them into a file, with the reasons."
                )?,
            }
        }
        if !self.tally.omitted.is_empty() {
            writeln!(out, "Left out of accounts:")?;
            for (code, accounts) in &self.tally.omitted {
                let about = OMITTED.iter().find(|(name, _)| name == code);
                let about = about.map_or(*code, |(_, about)| *about);
                writeln!(out, "{accounts:>9}  {about}")?;
            }
        }
        if let Some(millis) = self.level {
            writeln!(
                out,
                "One of the passwords takes about {millis} ms to verify: set the parameter \
                 ImportedHashMillis to {millis}, so that the time of a refused login does not tell \
                 which addresses were imported."
            )?;
        }
        if !self.secrets.is_empty() {
            let names: Vec<_> = self.secrets.iter().map(SecretName::as_str).collect();
            writeln!(
                out,
                "These passwords need the secrets of the old site that are named {}: on this machine \
                 in {IMPORT_SECRETS}, in AWS in the parameter that ImportSecrets names.",
                names.join(", ")
            )?;
        }
        Ok(())
    }
}
