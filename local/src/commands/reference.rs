//! The program's description as a page of the documentation.

use clap::{Command, CommandFactory as _};

use super::Arguments;

/// The heading of the flags that say which accounts a command works on.
pub(super) const WHICH: &str = "Which accounts";

/// Returns the part of docs/command-line.md that follows from the commands: one section for each,
/// with its `--help`.
pub fn reference() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut page = String::new();
    for name in ["users", "events", "completions", "man"] {
        if let Some(command) = command.find_subcommand_mut(name) {
            describe(command, &format!("latchkey {name}"), &mut page);
        }
    }
    page
}

fn describe(command: &mut Command, name: &str, page: &mut String) {
    let help = command.render_help().to_string();
    // The flags that say which accounts are those of `users` itself.
    let help = match name.starts_with("latchkey users ") {
        true => help.split(WHICH).next().unwrap_or_default(),
        false => &help,
    };
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!(
        "### {name}\n\n```text\n{}\n```\n\n",
        help.join("\n").trim_end()
    ));
    for inner in command.get_subcommands_mut() {
        if inner.get_name() != "help" {
            let name = format!("{name} {}", inner.get_name());
            describe(inner, &name, page);
        }
    }
}
