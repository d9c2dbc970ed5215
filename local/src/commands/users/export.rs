//! `latchkey users export`.

use std::collections::HashMap;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;

use anyhow::anyhow;
use serde::Serialize;
use shared::domain::account::OperatorView;
use shared::domain::password::stored::Absent;
use shared::domain::{Status, StoredPassword};

use super::super::target::Target;
use super::super::{Failure, terminal};
use super::progress::Progress;

/// Writes all accounts, one JSON object a line (NDJSON), in no order. `latchkey users import --from
/// latchkey` takes them back.
#[derive(clap::Args)]
pub(super) struct Export {
    /// Write into this new file, which only you can read, in place of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the hashes of the passwords too. Whoever has them can guess at the passwords. Without them,
    /// accounts that are imported have none, and their owners get a link to set one.
    #[arg(long)]
    with_hashes: bool,
}

/// The name of what `password_hash` is.
const FORMAT: &str = "latchkey";

/// The number of accounts whose hashes are read at once: the limit of `BatchGetItem`.
const BATCH: usize = 100;

/// An account as an import takes it back.
#[derive(Serialize)]
struct Exported<'a> {
    #[serde(flatten)]
    account: OperatorView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_format: Option<&'static str>,
}

/// Writes all accounts.
pub(super) async fn run(target: &Target, asked: Export) -> Result<(), Failure> {
    let Some(path) = &asked.output else {
        write(target, asked.with_hashes, BufWriter::new(stdout())).await?;
        return Ok(());
    };
    let shown = path.display();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options
        .open(path)
        .map_err(|error| Failure::Refused(format!("cannot make the file \"{shown}\": {error}")))?;
    let count = write(target, asked.with_hashes, BufWriter::new(file)).await?;
    Ok(terminal::tell(&format!(
        "Wrote {count} accounts to \"{shown}\"."
    ))?)
}

async fn write(target: &Target, with_hashes: bool, mut out: impl Write) -> Result<usize, Failure> {
    let (mut count, mut unreadable) = (0, 0);
    let mut scan = target.store.scan_accounts(0, 1);
    let mut progress = Progress::new("Writing", None);
    loop {
        let mut accounts = Vec::with_capacity(BATCH);
        while accounts.len() < BATCH
            && let Some(scanned) = scan.next().await?
        {
            match scanned.account {
                Ok(account) if account.status == Status::Deleting => {}
                Ok(account) => accounts.push(account),
                Err(error) => {
                    unreadable += 1;
                    terminal::tell(&format!("{} is left out: {error}", scanned.id))?;
                }
            }
        }
        let mut hashes = HashMap::new();
        if with_hashes {
            hashes.extend(target.store.stored_passwords(&accounts).await?);
        }
        for account in &accounts {
            // An account without a password is imported as one.
            let password = hashes.get(&account.id);
            let password =
                password.filter(|it| !matches!(it, StoredPassword::Absent(Absent::Untold)));
            let exported = Exported {
                account: account.operator_view(),
                password_hash: password.map(StoredPassword::to_text),
                password_format: password.map(|_| FORMAT),
            };
            serde_json::to_writer(&mut out, &exported)?;
            writeln!(out)?;
        }
        count += accounts.len();
        progress.add(accounts.len() as u64);
        if accounts.len() < BATCH {
            break;
        }
    }
    out.flush()?;
    progress.finish();
    match unreadable {
        0 => Ok(count),
        _ => Err(Failure::Fault(anyhow!(
            "{unreadable} accounts cannot be read; all others are written"
        ))),
    }
}
