//! That docs/command-line.md is what the program says of itself.

use local::commands::reference;

use super::{latchkey, run};
use crate::support::app::root;

#[test]
fn the_page_has_the_help_of_each_command() {
    let page = std::fs::read_to_string(root().join("docs/command-line.md")).unwrap();
    assert!(
        page.contains(&reference()),
        "docs/command-line.md is out of date: run `cargo xtask generate`"
    );
}

#[test]
fn shells_get_completions_and_manuals_pages() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let mut command = latchkey();
        command.args(["completions", shell]);
        let script = run(command, "").expect(0).stdout;
        for word in ["latchkey", "sign-out", "with-hashes"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    let mut command = latchkey();
    command.arg("man");
    let page = run(command, "").expect(0).stdout;
    assert!(page.contains(".TH latchkey 1"), "{page}");
    assert!(page.contains("Exit codes"), "{page}");
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let mut command = latchkey();
    command.arg("--help");
    let help = run(command, "").expect(0).stdout;
    for word in [
        "Exit codes: 0 done",
        "users",
        "events",
        "serve",
        "--ephemeral",
    ] {
        assert!(help.contains(word), "{help}");
    }
}
