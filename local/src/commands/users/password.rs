//! `latchkey users password`.

use shared::domain::Mail;
use shared::observe::AuditEvent;
use shared::observe::audit::EndedBy;
use shared::store::PasswordSet;

use super::super::Failure;
use super::super::target::Target;
use super::{Format, Named, named, report, secrets};

/// Sets a new password, and ends all sessions. First find out that who asks for it owns the account.
#[derive(clap::Args)]
pub(super) struct Password {
    #[command(flatten)]
    account: Named,
    #[command(flatten)]
    password: secrets::Source,
    #[command(flatten)]
    format: Format,
}

/// Sets a password.
pub(super) async fn run(target: &Target, asked: Password) -> Result<(), Failure> {
    let account = target.account(&asked.account.account).await?;
    let hash = asked.password.hash(target, &account).await?;
    let actor = target.actor();
    let reset = AuditEvent::PasswordReset.of(account.id);
    let ended = AuditEvent::SessionsEnded.of(account.id);
    let ended = ended.by(EndedBy::PasswordReset);
    let events = [
        target
            .event(reset, account.id, &actor)
            .mail(Mail::PasswordChanged),
        target.event(ended, account.id, &actor),
    ];
    let named = named(&account);
    match target.store.set_password(&account, &hash, &events).await? {
        PasswordSet::Done => {}
        PasswordSet::Stale => {
            return Err(Failure::Conflict(format!(
                "{named} was changed in the meantime, or is being deleted: look at it and try again"
            )));
        }
        PasswordSet::AddressTaken => {
            return Err(Failure::Conflict(format!(
                "another account has the address of {named} by now: one of the two has to be deleted"
            )));
        }
    }
    target.store.remove_ended_sessions(account.id, None).await;
    let sentence = format!("Set the password of {named}, and ended all sessions");
    report(target, asked.format, &account, &sentence)
}
