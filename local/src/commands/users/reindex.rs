//! `latchkey users reindex`.

use std::io::Write as _;

use super::super::Failure;
use super::super::target::Target;

/// Brings accounts of earlier versions into the directory, which `list` and `find` read. It can be
/// ended and run again at any time.
#[derive(clap::Args)]
pub(super) struct Reindex {}

/// Brings accounts into the directory.
pub(super) async fn run(target: &Target, _asked: Reindex) -> Result<(), Failure> {
    let (mut seen, mut added, mut after) = (0, 0, None);
    loop {
        let scanned = target.store.scan_accounts(after.as_ref()).await?;
        for account in &scanned.accounts {
            seen += 1;
            added += usize::from(target.store.reindex_account(account).await?);
        }
        after = scanned.next;
        if after.is_none() {
            break;
        }
    }
    Ok(writeln!(
        std::io::stdout(),
        "Read {seen} accounts, of which {added} were not in the directory."
    )?)
}
