//! `latchkey users delete`.

use std::io::Write as _;

use anyhow::Context as _;
use shared::domain::Status;
use shared::observe::AuditEvent;
use shared::observe::audit::EndedBy;

use super::super::Failure;
use super::super::target::Target;
use super::change::outcome;
use super::show::sessions;
use super::{Named, Sure, confirm, confirm_last_administrator, named};

/// Deletes an account and all that is stored of it, except its events.
#[derive(clap::Args)]
pub(super) struct Delete {
    #[command(flatten)]
    account: Named,
    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    sure: Sure,
}

/// Deletes an account.
pub(super) async fn run(target: &Target, asked: Delete) -> Result<(), Failure> {
    let account = target.account(&asked.account.account).await?;
    let named = named(&account);
    let sessions = sessions(target, &account).await?;
    let sessions = match sessions {
        1 => "1 session".to_owned(),
        many => format!("{many} sessions"),
    };
    let what = format!(
        "the account {named}, with {sessions}, in {}",
        target.place()
    );
    if asked.dry_run {
        return Ok(writeln!(std::io::stdout(), "Would delete {what}.")?);
    }
    confirm_last_administrator(target, &account, &asked.sure).await?;
    let question = format!("Delete {what}? This cannot be undone.");
    confirm(&asked.sure, &question).await?;
    // A deletion that was interrupted goes on.
    if account.status != Status::Deleting {
        let actor = target.actor();
        let deleted = AuditEvent::AccountDeleted.of(account.id);
        let ended = AuditEvent::SessionsEnded
            .of(account.id)
            .by(EndedBy::Deletion);
        let events = [
            target.event(deleted, account.id, &actor),
            target.event(ended, account.id, &actor),
        ];
        let now = target.origin().now();
        let begun = target
            .store
            .begin_deletion_by_operator(None, &account, false, now, &events);
        outcome(&account, begun.await?)?;
    }
    let finished = target.store.finish_deletion(account.id).await;
    finished.with_context(|| {
        let id = account.id;
        format!("{named} is no more, but not all of it is removed: `users delete {id}` goes on")
    })?;
    let suffix = target.suffix();
    Ok(writeln!(std::io::stdout(), "Deleted {named}{suffix}.")?)
}
