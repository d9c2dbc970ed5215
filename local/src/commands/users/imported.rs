//! `latchkey users imported`.

use std::collections::BTreeMap;
use std::io::{BufWriter, stdout};

use anyhow::anyhow;
use import::forms::OldPassword;
use serde::Serialize;
use serde_json::Value;
use shared::domain::password::legacy::{Derivation, Work};
use shared::domain::password::stored::StoredPassword;

use super::super::listing::{Format, Listing};
use super::super::target::Target;
use super::super::{Failure, terminal};
use super::import::{extra_work, ordinary_work};

const COLUMNS: &[&str] = &["password", "accounts", "costliest"];

/// Shows how many accounts still have the password that they were imported with, by how the old
/// system hashed it, and how long the costliest takes to verify, beyond an ordinary one: what
/// ImportedHashMillis should be. It reads the whole table once.
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
    let ordinary = ordinary_work(target)?;
    let mut scan = target.store.scan_imported_passwords();
    while let Some(password) = scan.next().await? {
        let (name, work) = match password {
            Ok(StoredPassword::Imported(imported)) => {
                let name = name_of(&imported.scheme.derivation);
                let stored = OldPassword::Stored(StoredPassword::Imported(imported));
                (name, extra_work(&stored, ordinary))
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
        Ok(Value::String(_)) => "argon2id".to_owned(),
        Ok(Value::Object(members)) => members
            .into_iter()
            .map(|(name, _)| name)
            .next()
            .unwrap_or_default(),
        _ => String::new(),
    }
}
