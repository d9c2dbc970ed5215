//! `latchkey users show`.

use std::io::Write as _;

use serde::Serialize;
use shared::domain::account::OperatorView;
use shared::domain::{Account, Locale, SessionId, rfc3339};
use shared::platform::clock::Clock;

use super::super::Failure;
use super::super::listing::shown;
use super::super::target::Target;
use super::{Format, Named};

/// Shows an account.
#[derive(clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    account: Named,
    #[command(flatten)]
    format: Format,
}

/// An account and how many sessions it has.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    account: OperatorView<'a>,
    sessions: usize,
}

/// Shows an account.
pub(super) async fn run(target: &Target, asked: Show) -> Result<(), Failure> {
    let account = target.account(&asked.account.account).await?;
    let sessions = sessions(target, &account).await?;
    let mut out = std::io::stdout().lock();
    if asked.format.json {
        let shown = Shown {
            account: account.operator_view(),
            sessions,
        };
        serde_json::to_writer_pretty(&mut out, &shown)?;
        writeln!(out)?;
        return Ok(());
    }
    let verified = match account.email_verified {
        true => "yes",
        false => "no",
    };
    let roles: Vec<_> = account.roles.iter().map(|role| role.as_str()).collect();
    for (name, value) in [
        ("id", account.id.to_string()),
        ("email", account.email.as_str().to_owned()),
        ("verified", verified.to_owned()),
        ("status", account.status.name().to_owned()),
        ("first name", account.first_name.as_str().to_owned()),
        ("last name", account.last_name.as_str().to_owned()),
        (
            "locale",
            account
                .locale
                .as_ref()
                .map_or("", Locale::as_str)
                .to_owned(),
        ),
        ("joined", rfc3339(account.date_joined)),
        (
            "last login",
            account.last_login.map_or("never".to_owned(), rfc3339),
        ),
        ("roles", roles.join(" ")),
        ("claims", account.claims.to_json().unwrap_or_default()),
        ("sessions", sessions.to_string()),
    ] {
        let line = format!("{name:<10}  {}", shown(&value));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Returns how many sessions of an account are live.
pub(super) async fn sessions(target: &Target, account: &Account) -> Result<usize, Failure> {
    const PAGE: i32 = 100;
    let now = Clock::System.now();
    let (mut count, mut after) = (0, None::<SessionId>);
    loop {
        let page = target.store.sessions(account.id, after, PAGE).await?;
        let live = page.sessions.iter().filter(|session| {
            session.expires_at > now && session.password_epoch == account.password_epoch
        });
        count += live.count();
        after = page.last;
        if after.is_none() {
            return Ok(count);
        }
    }
}
