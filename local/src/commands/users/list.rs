//! `latchkey users list` and `latchkey users find`.

use std::io::{BufWriter, stdout};

use serde::Serialize;
use shared::domain::{Role, UserId, rfc3339};

use super::super::Failure;
use super::super::listing::{Format, Listing};
use super::super::target::Target;

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
    let directory = target.directory()?.ok_or_else(|| {
        Failure::Refused(
            "the deployment has no directory (Directory=off): show an account by its whole address, \
             or export all of them"
                .to_owned(),
        )
    })?;
    let mut listing = Listing::new(BufWriter::new(stdout()), format, COLUMNS);
    let mut list = directory.stream(prefix);
    while let Some(listed) = list.next().await? {
        let joined = rfc3339(listed.date_joined);
        let view = View {
            id: listed.id,
            email: listed.email.as_str(),
            status: listed.status.name(),
            date_joined: &joined,
            roles: &listed.roles,
        };
        let roles: Vec<_> = listed.roles.iter().map(Role::as_str).collect();
        let cells = vec![
            view.id.to_string(),
            view.email.to_owned(),
            view.status.to_owned(),
            joined.clone(),
            roles.join(" "),
        ];
        listing.row(cells, &view)?;
    }
    listing.flush()
}
