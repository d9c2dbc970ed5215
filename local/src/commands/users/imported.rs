//! `latchkey users imported`.

use std::collections::BTreeMap;
use std::io::{BufWriter, stdout};

use anyhow::anyhow;
use serde::Serialize;
use serde_json::Value;
use shared::domain::password::legacy::{Derivation, Work};
use shared::domain::password::stored::StoredPassword;

use super::super::listing::{Format, Listing};
use super::super::target::Target;
use super::super::{Failure, terminal};

const COLUMNS: &[&str] = &["password", "accounts", "costliest"];

/// Shows how many accounts still have the password that they were imported with, by how the old
/// system hashed it, and how long the costliest takes to verify. It reads the whole table once.
#[derive(clap::Args)]
pub(super) struct Imported {
    #[command(flatten)]
    format: Format,
}

/// The passwords of one kind.
#[derive(Default)]
struct Kind {
    accounts: u64,
    nanos: u64,
}

#[derive(Serialize)]
struct View<'a> {
    password: &'a str,
    accounts: u64,
    costliest_millis: u64,
}

/// Counts the imported passwords.
pub(super) async fn run(target: &Target, asked: Imported) -> Result<(), Failure> {
    let (mut kinds, mut unreadable) = (BTreeMap::<String, Kind>::new(), 0);
    let mut scan = target.store.scan_imported_passwords();
    while let Some(password) = scan.next().await? {
        let (name, work) = match password {
            Ok(StoredPassword::Imported(imported)) => {
                let work = imported.scheme.work().unwrap_or(Work::MOST);
                (
                    name_of(&imported.scheme.derivation),
                    work.and(imported.hash.work()),
                )
            }
            Ok(StoredPassword::Absent(_)) => ("none".to_owned(), Work::NONE),
            // Somebody has logged in since.
            Ok(StoredPassword::Own(_)) => continue,
            Err(error) => {
                unreadable += 1;
                terminal::tell(&format!("a password is left out: {error}"))?;
                continue;
            }
        };
        let kind = kinds.entry(name).or_default();
        kind.accounts += 1;
        kind.nanos = kind.nanos.max(work.nanos);
    }
    let mut listing = Listing::new(BufWriter::new(stdout()), asked.format, COLUMNS);
    for (name, kind) in &kinds {
        let view = View {
            password: name,
            accounts: kind.accounts,
            costliest_millis: kind.nanos.div_ceil(1_000_000),
        };
        let cells = vec![
            view.password.to_owned(),
            view.accounts.to_string(),
            format!("{} ms", view.costliest_millis),
        ];
        listing.row(cells, &view)?;
    }
    listing.flush()?;
    match unreadable {
        0 => Ok(()),
        _ => Err(Failure::Fault(anyhow!(
            "{unreadable} passwords cannot be read"
        ))),
    }
}

/// Returns the name of a derivation, as the table has it.
fn name_of(derivation: &Derivation) -> String {
    match serde_json::to_value(derivation) {
        // It derives nothing: steps make the digest, or the hash was Argon2id already.
        Ok(Value::String(name)) => name,
        Ok(Value::Object(members)) => members
            .into_iter()
            .map(|(name, _)| name)
            .next()
            .unwrap_or_default(),
        _ => String::new(),
    }
}
