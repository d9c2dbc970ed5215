//! What shells and manuals take from the program's own description.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, Failure};

/// Prints the completions of a shell.
#[derive(clap::Args)]
pub(super) struct Completions {
    /// The shell: for bash, `source <(latchkey completions bash)`.
    shell: Shell,
}

/// Prints the manual page.
#[derive(clap::Args)]
pub(super) struct Man {
    /// Write one page for each command into this folder, as `man -l` and packages take them.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints the completions.
pub(super) fn completions(asked: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        asked.shell,
        &mut Arguments::command(),
        "latchkey",
        &mut script,
    );
    Ok(io::stdout().write_all(&script)?)
}

/// Prints the manual page, or writes all of them.
pub(super) fn man(asked: &Man) -> Result<(), Failure> {
    let Some(folder) = &asked.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
        return Ok(io::stdout().write_all(&page)?);
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    let shown = folder.display();
    Ok(written.with_context(|| format!("cannot write the pages to \"{shown}\""))?)
}
