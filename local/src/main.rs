//! The program `latchkey`: `cargo run` starts it, and operators use it.

mod signals;

use std::process::ExitCode;

use clap::Parser as _;
use local::commands::{self, Arguments};
use local::functions;
use shared::observe::logging;
use shared::platform::config::process_env;

#[tokio::main]
async fn main() -> ExitCode {
    // First of all: until then, a process 1 does not notice the signals, and any other is ended by
    // them in the middle of what it does.
    let end = match signals::first() {
        Ok(end) => end,
        Err(error) => {
            eprintln!("latchkey: cannot wait for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let arguments = Arguments::parse();
    match arguments.is_serve() {
        true => logging::init(&process_env(), &shown()),
        false => logging::init_for_a_command(&shown()),
    }
    commands::run(arguments, end).await
}

/// Returns the crates whose log is shown: this program and the functions.
fn shown() -> Vec<&'static str> {
    [&[env!("CARGO_CRATE_NAME"), "local"], functions::NAMES].concat()
}
