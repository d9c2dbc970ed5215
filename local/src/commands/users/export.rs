//! `latchkey users export`.

use std::collections::HashMap;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;

use serde::Serialize;
use shared::domain::account::OperatorView;
use shared::domain::{Account, Status};

use super::super::target::Target;
use super::super::{Failure, terminal};

/// Writes all accounts, one JSON object a line (NDJSON), in no order.
#[derive(clap::Args)]
pub(super) struct Export {
    /// Write into this new file, which only you can read, in place of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the hashes of the passwords too. Whoever has them can guess at the passwords.
    #[arg(long)]
    with_hashes: bool,
}

/// An account as an import takes it back.
#[derive(Serialize)]
struct Exported<'a> {
    #[serde(flatten)]
    account: OperatorView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
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
    let file = options.open(path).map_err(|error| {
        Failure::Refused(format!("cannot make the file \"{shown}\": {error}"))
    })?;
    let count = write(target, asked.with_hashes, BufWriter::new(file)).await?;
    Ok(terminal::tell(&format!("Wrote {count} accounts to \"{shown}\"."))?)
}

async fn write(
    target: &Target,
    with_hashes: bool,
    mut out: impl Write,
) -> Result<usize, Failure> {
    let (mut count, mut after) = (0, None);
    loop {
        let scanned = target.store.scan_accounts(after.as_ref()).await?;
        let accounts: Vec<Account> = scanned
            .accounts
            .into_iter()
            .filter(|account| account.status != Status::Deleting)
            .collect();
        let mut hashes = HashMap::new();
        if with_hashes {
            let found = target.store.password_hashes(&accounts).await?;
            hashes.extend(found);
        }
        for account in &accounts {
            let exported = Exported {
                account: account.operator_view(),
                password_hash: hashes.get(&account.id).map(|hash| hash.to_phc()),
            };
            serde_json::to_writer(&mut out, &exported)?;
            writeln!(out)?;
        }
        count += accounts.len();
        after = scanned.next;
        if after.is_none() {
            out.flush()?;
            return Ok(count);
        }
    }
}
