//! The accounts in order, as the store's directory has them: the one place here that knows it.

use shared::domain::{Account, Role, Status, UserId};
use shared::store::Store;
use shared::store::directory::ScanPosition;

use super::super::Failure;

/// An account in a list.
pub(super) struct Row {
    /// Its id.
    pub(super) id: UserId,
    /// Its address, as typed.
    pub(super) email: String,
    /// Whether it may be used.
    pub(super) status: Status,
    /// When it was opened.
    pub(super) date_joined: u64,
    /// Its roles.
    pub(super) roles: Vec<Role>,
}

/// A part of a list, and where the next part begins.
pub(super) struct Part {
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<ScanPosition>,
}

/// Returns a part of the accounts whose addresses begin with `prefix`, in the order of the addresses.
pub(super) async fn part(
    store: &Store,
    prefix: Option<&str>,
    after: Option<&ScanPosition>,
) -> Result<Part, Failure> {
    let scanned = store.scan_accounts(after).await?;
    let prefix = prefix.unwrap_or_default().to_ascii_lowercase();
    let rows = scanned.accounts.into_iter();
    let rows = rows.filter(|account| account.email.canonical().starts_with(&prefix));
    Ok(Part {
        rows: rows.map(row).collect(),
        next: scanned.next,
    })
}

fn row(account: Account) -> Row {
    Row {
        id: account.id,
        email: account.email.as_str().to_owned(),
        status: account.status,
        date_joined: account.date_joined,
        roles: account.roles,
    }
}

/// Returns whether there is an administrator besides `user`, or `None` if the deployment has no
/// directory.
pub(super) async fn another_administrator(
    store: &Store,
    user: UserId,
) -> Result<Option<bool>, Failure> {
    let mut after = None;
    loop {
        let part = part(store, None, after.as_ref()).await?;
        let is_another = part.rows.iter().any(|row| {
            row.id != user
                && row.status == Status::Active
                && row.roles.iter().any(|role| role.as_str() == Account::ADMINISTRATOR)
        });
        after = part.next;
        if is_another || after.is_none() {
            return Ok(Some(is_another));
        }
    }
}
