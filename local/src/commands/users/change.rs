//! `latchkey users disable`, `enable`, `roles`, `claims` and `sign-out`.

use std::io::Write as _;

use shared::domain::{Account, AccountChange, CustomClaims, Role, Status};
use shared::observe::AuditEvent;
use shared::observe::audit::EndedBy;
use shared::store::Administered;

use super::super::Failure;
use super::super::listing::json_shown;
use super::super::target::Target;
use super::create::role;
use super::{
    Disable, Format, Named, One, Sure, confirm_last_administrator, named, report, token_size,
};

/// Shows or changes the roles of an account. Its access tokens have them from the next login or
/// refresh on.
#[derive(clap::Args)]
pub(super) struct Roles {
    #[command(flatten)]
    account: Named,
    /// Add a role; may be repeated.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    add: Vec<Role>,
    /// Remove a role; may be repeated.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    remove: Vec<Role>,
    /// Replace all roles by these, separated by commas; "" for none.
    #[arg(long, value_name = "ROLES", value_parser = roles_given, conflicts_with_all = ["add", "remove"])]
    set: Option<Given>,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    format: Format,
}

/// A list of roles in one argument.
#[derive(Clone)]
struct Given(Vec<Role>);

/// Shows or replaces the claims that the access tokens of an account get.
#[derive(clap::Args)]
pub(super) struct Claims {
    #[command(flatten)]
    account: Named,
    /// Replace all claims by those of this JSON object, whose names are URIs; {} for none.
    #[arg(long, value_name = "JSON", value_parser = claims_given)]
    set: Option<CustomClaims>,
    #[command(flatten)]
    format: Format,
}

/// Disables an account.
pub(super) async fn disable(target: &Target, asked: Disable) -> Result<(), Failure> {
    let sentences = Sentences {
        done: "Disabled, and ended all sessions of,",
        already: "is disabled already",
    };
    let Disable {
        account,
        sure,
        format,
    } = asked;
    let one = One { account, format };
    set_status(target, one, Status::Disabled, &sure, &sentences).await
}

/// Enables an account.
pub(super) async fn enable(target: &Target, asked: One) -> Result<(), Failure> {
    let sentences = Sentences {
        done: "Enabled",
        already: "is active already",
    };
    // It asks nothing.
    let sure = Sure { yes: true };
    set_status(target, asked, Status::Active, &sure, &sentences).await
}

async fn set_status(
    target: &Target,
    asked: One,
    status: Status,
    sure: &Sure,
    sentences: &Sentences,
) -> Result<(), Failure> {
    let account = target.account(&asked.account.account).await?;
    let change = AccountChange {
        status: Some(status),
        ..AccountChange::default()
    };
    apply(target, &account, change, sure, asked.format, sentences).await
}

/// Shows or changes roles.
pub(super) async fn roles(target: &Target, asked: Roles) -> Result<(), Failure> {
    let account = target.account(&asked.account.account).await?;
    if asked.set.is_none() && asked.add.is_empty() && asked.remove.is_empty() {
        let mut out = std::io::stdout().lock();
        if asked.format.json {
            serde_json::to_writer(&mut out, &account.roles)?;
            writeln!(out)?;
            return Ok(());
        }
        for role in &account.roles {
            writeln!(out, "{}", role.as_str())?;
        }
        return Ok(());
    }
    let mut roles = match asked.set {
        Some(Given(roles)) => roles,
        None => account.roles.clone(),
    };
    for role in asked.add {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles.retain(|role| !asked.remove.contains(role));
    if roles.len() > Account::MAX_ROLES {
        let most = Account::MAX_ROLES;
        return Err(Failure::Refused(format!(
            "an account has at most {most} roles"
        )));
    }
    let change = AccountChange {
        roles: Some(roles),
        ..AccountChange::default()
    };
    let sentences = Sentences {
        done: "Changed the roles of",
        already: "has these roles already",
    };
    apply(
        target,
        &account,
        change,
        &asked.sure,
        asked.format,
        &sentences,
    )
    .await
}

/// Shows or replaces claims.
pub(super) async fn claims(target: &Target, asked: Claims) -> Result<(), Failure> {
    let account = target.account(&asked.account.account).await?;
    let Some(claims) = asked.set else {
        let mut out = std::io::stdout().lock();
        let json = serde_json::to_string_pretty(&account.claims)?;
        match asked.format.json {
            true => writeln!(out, "{json}")?,
            false => writeln!(out, "{}", json_shown(&json))?,
        }
        return Ok(());
    };
    let change = AccountChange {
        claims: Some(claims),
        ..AccountChange::default()
    };
    let sentences = Sentences {
        done: "Changed the claims of",
        already: "has these claims already",
    };
    let sure = Sure { yes: true };
    apply(target, &account, change, &sure, asked.format, &sentences).await
}

/// Ends all sessions of an account.
pub(super) async fn sign_out(target: &Target, asked: One) -> Result<(), Failure> {
    let account = target.account(&asked.account.account).await?;
    let actor = target.actor();
    let ended = AuditEvent::SessionsEnded
        .of(account.id)
        .by(EndedBy::Operator);
    let events = [target.event(ended, account.id, &actor)];
    let done = target
        .store
        .sign_out(None, &account, false, &events)
        .await?;
    let account = outcome(&account, done)?;
    target.store.remove_ended_sessions(account.id, None).await;
    let sentence = format!("Ended all sessions of {}", named(&account));
    report(target, asked.format, &account, &sentence)
}

/// What is said of a change.
struct Sentences {
    /// Before the account, if it was made.
    done: &'static str,
    /// After the account, if there was nothing to change.
    already: &'static str,
}

/// Makes a change of the account that was `read`, so far as there is something to change.
async fn apply(
    target: &Target,
    read: &Account,
    change: AccountChange,
    sure: &Sure,
    format: Format,
    sentences: &Sentences,
) -> Result<(), Failure> {
    let change = change.differing_from(read);
    if change.is_empty() {
        let sentence = format!("{} {}", named(read), sentences.already);
        return report(target, format, read, &sentence);
    }
    token_size::check_change(target, &change, read)?;
    if change.removes_administrator() {
        confirm_last_administrator(target, read, sure).await?;
    }
    let actor = target.actor();
    let events = change.events(read.id, &actor, &target.origin());
    // The question was about the account as it was read.
    let done = target.store.administer(None, read, &change, true, &events);
    let account = outcome(read, done.await?)?;
    if change.ends_sessions() {
        target.store.remove_ended_sessions(account.id, None).await;
    }
    let sentence = format!("{} {}", sentences.done, named(&account));
    report(target, format, &account, &sentence)
}

/// Returns the account after what was done to it.
///
/// # Errors
///
/// Returns one sentence if nothing was done.
pub(super) fn outcome(read: &Account, done: Administered) -> Result<Account, Failure> {
    match done {
        Administered::Done(account) => Ok(*account),
        Administered::Gone => Err(Failure::Missing(format!(
            "{} is gone or being deleted",
            named(read)
        ))),
        // Without an administrator, there is none who could have lost the right.
        Administered::Stale | Administered::ActorGone => Err(Failure::Conflict(format!(
            "{} was changed in the meantime: look at it and try again",
            named(read)
        ))),
    }
}

fn roles_given(text: &str) -> Result<Given, String> {
    let mut roles = Vec::new();
    for text in text.split(',').filter(|text| !text.is_empty()) {
        let role = role(text)?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(Given(roles))
}

fn claims_given(text: &str) -> Result<CustomClaims, String> {
    text.parse::<CustomClaims>()
        .map_err(|reason| format!("it {}", reason.detail))
}
