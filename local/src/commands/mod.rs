//! The program `latchkey`: `serve`, which `cargo run` starts, and what operators do.
//!
//! The commands of operators use the domain and the store of `shared` on the table itself, as
//! docs/decisions/0036 explains.

mod events;
mod failure;
mod find;
mod listing;
mod reference;
mod serve;
mod serving;
mod shell;
mod stack;
mod target;
mod terminal;
mod users;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::Failure;
pub use reference::reference;
use serve::ServeFlags;

/// The exit codes, for `--help` and the documentation.
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a fault, such as a table that cannot be reached; 2 wrong usage, or a question
that was answered with no or that nobody could be asked; 3 there is no such account; 4 a conflict,
such as an address that has an account already; 5 a part of an import was refused; 130 ended by
Ctrl-C.";

/// Runs the whole of Latchkey in one process, or does what an operator asks for.
///
/// Without a command, it is `serve`: DynamoDB, the gateway and all functions.
#[derive(Parser)]
#[command(name = "latchkey", version, args_conflicts_with_subcommands = true)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeFlags,
}

impl Arguments {
    /// Returns whether they ask for `serve`.
    pub fn is_serve(&self) -> bool {
        matches!(self.command, None | Some(Command::Serve(_)))
    }
}

#[derive(Subcommand)]
enum Command {
    /// Runs the whole of Latchkey in one process: DynamoDB, the gateway and all functions.
    Serve(ServeFlags),
    /// Finds, makes and changes accounts.
    Users(users::Users),
    /// Shows what happened: the security events.
    Events(events::Events),
    /// Prints the completions of a shell.
    Completions(shell::Completions),
    /// Prints the manual page.
    Man(shell::Man),
}

/// Does what `arguments` ask for, until `end` comes.
pub async fn run(arguments: Arguments, end: impl Future<Output = ()>) -> ExitCode {
    let command = match arguments.command {
        None => return exit(serve::run(arguments.serve, end).await),
        Some(Command::Serve(flags)) => return exit(serve::run(flags, end).await),
        // An import ends with what it has begun.
        Some(Command::Users(users)) => return exit(users::run(users, end).await),
        Some(command) => command,
    };
    let work = async {
        match command {
            // Done above.
            Command::Serve(_) | Command::Users(_) => Ok(()),
            Command::Events(events) => events::run(events).await,
            Command::Completions(shell) => shell::completions(&shell),
            Command::Man(man) => shell::man(&man),
        }
    };
    tokio::select! {
        done = work => exit(done),
        () = end => exit(Err(Failure::Interrupted)),
    }
}

/// Returns the exit code of what was done, after one sentence on standard error if it failed.
fn exit(done: Result<(), Failure>) -> ExitCode {
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    if let Some(sentence) = failure.sentence() {
        // Nobody may read it any more.
        let _ = terminal::tell(&format!("latchkey: {sentence}"));
    }
    ExitCode::from(failure.code())
}
