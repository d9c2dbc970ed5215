//! Development tasks of the repository: `cargo xtask`.

mod generate;
mod new_function;
mod schemas;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use new_function::FunctionName;

/// Development tasks of the repository.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes the table of docs/configuration.md, the commands of docs/command-line.md, the routes and
    /// settings of Cargo.toml, and the schemas of docs/events.
    Generate {
        /// Writes nothing, and fails if anything is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Adds a function with one protected route, GET /NAME, to every place that lists functions.
    NewFunction {
        /// The name of the crate, the binary and the route: lower-case letters, such as notes.
        name: FunctionName,
        /// Marks the function as private, a route of your own beside Latchkey's: docs/openapi.yaml does
        /// not describe it, and it has no sample events.
        #[arg(long)]
        private: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { task } = Arguments::parse();
    let done = root().and_then(|root| match task {
        Task::Generate { check } => generate::all(&root, check),
        Task::NewFunction { name, private } => new_function::add(&root, &name, private),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the root of the repository.
fn root() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    Ok(root
        .context("the crate has no folder above it")?
        .to_path_buf())
}
