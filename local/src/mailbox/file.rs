//! The file of the mails: one JSON object a line, latest last.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::{KEPT, Mail};
use crate::signing_key;

/// The file, which only its owner can read. It is shortened at each start.
pub(super) struct MailFile(File);

impl MailFile {
    /// Opens the file at `path`, and returns the mails that are kept. A line that is no mail, such
    /// as one that was not finished, is left out.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, VecDeque<Arc<Mail>>)> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read \"{shown}\"")),
        };
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut mails: VecDeque<Arc<Mail>> = lines.map(Arc::new).collect();
        let old = mails.len().saturating_sub(KEPT);
        mails.drain(..old);
        let write = || -> anyhow::Result<Self> {
            let lines = mails.iter().map(|mail| line(mail));
            let text = lines.collect::<Result<String, _>>()?;
            signing_key::write_privately(path, &text)?;
            let opened = signing_key::private_file().append(true).open(path)?;
            Ok(Self(opened))
        };
        let file = write().with_context(|| format!("cannot write \"{shown}\""))?;
        Ok((file, mails))
    }

    /// Adds a mail.
    pub(super) fn append(&mut self, mail: &Mail) -> anyhow::Result<()> {
        self.0.write_all(line(mail)?.as_bytes())?;
        Ok(())
    }
}

fn line(mail: &Mail) -> serde_json::Result<String> {
    Ok(serde_json::to_string(mail)? + "\n")
}
