//! `latchkey users reindex`.

use std::io::Write as _;

use anyhow::anyhow;

use super::super::target::Target;
use super::super::{Failure, terminal};
use super::progress::Progress;

/// Brings accounts of earlier versions into the directory, which `list` and `find` read. It can be
/// ended and run again at any time.
#[derive(clap::Args)]
pub(super) struct Reindex {}

/// Brings accounts into the directory.
pub(super) async fn run(target: &Target, _asked: Reindex) -> Result<(), Failure> {
    let (mut seen, mut mended, mut unreadable) = (0, 0, 0);
    let mut scan = target.store.scan_accounts(0, 1);
    let mut progress = Progress::new("Reading", None);
    while let Some(scanned) = scan.next().await? {
        seen += 1;
        progress.add(1);
        match scanned.account {
            Ok(account) if scanned.is_misplaced => {
                mended += usize::from(target.store.reindex_account(&account).await?);
            }
            Ok(_) => {}
            Err(error) => {
                unreadable += 1;
                terminal::tell(&format!("{} is left out: {error}", scanned.id))?;
            }
        }
    }
    progress.finish();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "Read {seen} accounts, and put {mended} of them into the directory."
    )?;
    match unreadable {
        0 => Ok(()),
        _ => Err(Failure::Fault(anyhow!(
            "{unreadable} accounts cannot be read"
        ))),
    }
}
