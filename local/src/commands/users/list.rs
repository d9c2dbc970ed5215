//! `latchkey users list` and `latchkey users find`.

use std::io::{BufWriter, stdout};

use serde::Serialize;
use shared::domain::{Role, UserId, rfc3339};

use super::super::Failure;
use super::super::listing::{Format, Listing};
use super::super::target::Target;
use super::directory;

const COLUMNS: &[&str] = &["id", "email", "status", "joined", "roles"];

/// Lists all accounts, in the order of their addresses.
#[derive(clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    format: Format,
}

/// Lists the accounts whose addresses begin with a text.
#[derive(clap::Args)]
pub(super) struct Find {
    /// The beginning of the address; letter case does not count.
    prefix: String,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct View<'a> {
    id: UserId,
    email: &'a str,
    status: &'a str,
    date_joined: &'a str,
    roles: &'a [Role],
}

/// Lists all accounts.
pub(super) async fn list(target: &Target, asked: List) -> Result<(), Failure> {
    write(target, None, asked.format).await
}

/// Lists some accounts.
pub(super) async fn find(target: &Target, asked: Find) -> Result<(), Failure> {
    write(target, Some(&asked.prefix), asked.format).await
}

async fn write(target: &Target, prefix: Option<&str>, format: Format) -> Result<(), Failure> {
    let mut listing = Listing::new(BufWriter::new(stdout()), format, COLUMNS);
    let mut after = None;
    loop {
        let part = directory::part(&target.store, prefix, after.as_ref()).await?;
        for row in part.rows {
            let joined = rfc3339(row.date_joined);
            let view = View {
                id: row.id,
                email: &row.email,
                status: row.status.name(),
                date_joined: &joined,
                roles: &row.roles,
            };
            let roles: Vec<_> = row.roles.iter().map(Role::as_str).collect();
            let cells = vec![
                row.id.to_string(),
                row.email.clone(),
                view.status.to_owned(),
                joined.clone(),
                roles.join(" "),
            ];
            listing.row(cells, &view)?;
        }
        after = part.next;
        if after.is_none() {
            return listing.flush();
        }
    }
}
