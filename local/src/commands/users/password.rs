//! `latchkey users password`.

use shared::domain::Mail;
use shared::observe::AuditEvent;
use shared::observe::audit::EndedBy;

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
    if !target.store.set_password(&account, &hash, &events).await? {
        return Err(Failure::Conflict(format!(
            "{} was changed in the meantime, or is being deleted: look at it and try again",
            named(&account)
        )));
    }
    target.store.remove_ended_sessions(account.id, None).await;
    let sentence = format!(
        "Set the password of {}, and ended all sessions.",
        named(&account)
    );
    report(asked.format, &account, &sentence)
}
