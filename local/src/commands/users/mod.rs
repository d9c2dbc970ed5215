//! `latchkey users`: accounts.

mod change;
mod create;
mod delete;
mod export;
mod import;
mod imported;
mod list;
mod password;
mod progress;
mod reindex;
mod secrets;
mod show;
mod token_size;

use std::io::Write as _;
use std::pin::pin;

use clap::Subcommand;
use shared::domain::{Account, Role, Status, UserId};

use super::listing::shown;
use super::target::{Target, TargetFlags, Who, who};
use super::{Failure, terminal};

/// Finds, makes and changes accounts.
#[derive(clap::Args)]
pub(super) struct Users {
    #[command(flatten)]
    target: TargetFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes an account, such as the first administrator's, and asks for its password.
    Create(create::Create),
    /// Shows an account.
    Show(show::Show),
    /// Lists the accounts whose addresses begin with a text.
    Find(list::Find),
    /// Lists all accounts.
    List(list::List),
    /// Disables an account and ends its sessions.
    Disable(Disable),
    /// Enables a disabled account.
    Enable(One),
    /// Shows or changes the roles of an account.
    Roles(change::Roles),
    /// Shows or replaces the claims that the access tokens of an account get.
    Claims(change::Claims),
    /// Sets a new password, and ends all sessions.
    Password(password::Password),
    /// Ends all sessions of an account, and makes the links in mails to it worthless.
    SignOut(One),
    /// Deletes an account and all that is stored of it, except its events.
    Delete(delete::Delete),
    /// Writes all accounts, one JSON object a line.
    Export(export::Export),
    /// Imports the users of another system with their passwords.
    Import(import::Import),
    /// Shows how many accounts still have the password that they were imported with.
    Imported(imported::Imported),
    /// Brings accounts of earlier versions into the directory, which `list` and `find` read.
    Reindex(reindex::Reindex),
}

/// One account.
#[derive(clap::Args)]
struct One {
    #[command(flatten)]
    account: Named,
    #[command(flatten)]
    format: Format,
}

/// One account, and whether to ask.
#[derive(clap::Args)]
struct Disable {
    #[command(flatten)]
    account: Named,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    format: Format,
}

/// An account, by its id or its address.
#[derive(clap::Args)]
struct Named {
    /// The account: its id, or its address.
    #[arg(value_name = "ID|EMAIL", value_parser = who)]
    account: Who,
}

/// Whether to ask before something that is hard to undo.
#[derive(clap::Args)]
struct Sure {
    /// Ask no question before something that is hard to undo.
    #[arg(long)]
    yes: bool,
}

/// How one account is written.
#[derive(clap::Args, Clone, Copy)]
struct Format {
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Does what `users` asks for, until `end` comes.
pub(super) async fn run(users: Users, end: impl Future<Output = ()>) -> Result<(), Failure> {
    let mut end = pin!(end);
    let target = tokio::select! {
        target = users.target.open() => target?,
        () = end.as_mut() => return Err(Failure::Interrupted),
    };
    let done = match users.command {
        // It completes what it has begun.
        Command::Import(asked) => import::run(&target, asked, end).await,
        command => tokio::select! {
            done = work(&target, command) => done,
            () = end => return Err(Failure::Interrupted),
        },
    };
    target.close().await;
    done
}

async fn work(target: &Target, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(asked) => create::run(target, asked).await,
        Command::Show(asked) => show::run(target, asked).await,
        Command::Find(asked) => list::find(target, asked).await,
        Command::List(asked) => list::list(target, asked).await,
        Command::Disable(asked) => change::disable(target, asked).await,
        Command::Enable(asked) => change::enable(target, asked).await,
        Command::Roles(asked) => change::roles(target, asked).await,
        Command::Claims(asked) => change::claims(target, asked).await,
        Command::Password(asked) => password::run(target, asked).await,
        Command::SignOut(asked) => change::sign_out(target, asked).await,
        Command::Delete(asked) => delete::run(target, asked).await,
        Command::Export(asked) => export::run(target, asked).await,
        Command::Import(asked) => import::run(target, asked, std::future::pending()).await,
        Command::Imported(asked) => imported::run(target, asked).await,
        Command::Reindex(asked) => reindex::run(target, asked).await,
    }
}

/// Writes what was done to `account`: a sentence, which is given without its end, or the account in
/// JSON.
fn report(
    target: &Target,
    format: Format,
    account: &Account,
    sentence: &str,
) -> Result<(), Failure> {
    say(format, account, &format!("{sentence}{}.", target.suffix()))
}

/// Writes a whole sentence, or the account in JSON.
fn say(format: Format, account: &Account, sentence: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match format.json {
        true => {
            serde_json::to_writer(&mut out, &account.operator_view())?;
            writeln!(out)?;
        }
        false => writeln!(out, "{sentence}")?,
    }
    Ok(())
}

/// Returns an account in words: its address and its id.
fn named(account: &Account) -> String {
    format!("{} ({})", shown(account.email.as_str()), account.id)
}

/// Asks a question to be answered with yes, unless the flag says so already.
///
/// # Errors
///
/// Returns an error if the answer is another, or if there is nobody to ask.
async fn confirm(sure: &Sure, question: &str) -> Result<(), Failure> {
    if sure.yes {
        return Ok(());
    }
    if !terminal::is_there() {
        return Err(Failure::Refused(format!(
            "{question} There is no terminal to ask in: give --yes"
        )));
    }
    let answer = terminal::ask(&format!("{question} [y/N]")).await?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Refused("nothing was changed".to_owned())),
    }
}

/// Asks whether to go on if this takes the last administrator away, so far as the directory tells.
async fn confirm_last_administrator(
    target: &Target,
    account: &Account,
    sure: &Sure,
) -> Result<(), Failure> {
    if sure.yes || !account.is_administrator() {
        return Ok(());
    }
    let question = match another_administrator(target, account.id).await? {
        Some(true) => return Ok(()),
        Some(false) => format!(
            "{} is the last administrator of {}. Go on?",
            named(account),
            target.place()
        ),
        None => format!(
            "{} is an administrator of {}, and without a directory nobody can tell whether there is \
             another. Go on?",
            named(account),
            target.place()
        ),
    };
    confirm(sure, &question).await
}

/// Returns whether there is an administrator besides `user`, or `None` if the deployment has no
/// directory.
async fn another_administrator(target: &Target, user: UserId) -> Result<Option<bool>, Failure> {
    let Some(directory) = target.directory()? else {
        return Ok(None);
    };
    let mut list = directory.stream(None);
    while let Some(listed) = list.next().await? {
        let mut roles = listed.roles.iter().map(Role::as_str);
        if listed.id != user
            && listed.status == Status::Active
            && roles.any(|role| role == Account::ADMINISTRATOR)
        {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}
