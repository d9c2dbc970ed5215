//! Runs the inputs that fuzzing found, without a fuzzer. `fuzz/README.md` says where they are.

#[path = "../../../../fuzz/src/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::support::app::root;

type Target = fn(&[u8]);

fn fuzz() -> PathBuf {
    root().join("fuzz")
}

/// Returns whether a target takes an input without a panic.
fn holds(run: Target, input: &[u8]) -> bool {
    std::panic::catch_unwind(|| run(input)).is_ok()
}

/// Passes each input of an archive to its target.
fn replay(target: &str, run: Target) {
    let path = fuzz().join("corpora").join(target).with_extension("base64");
    let archive =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut failures = Vec::new();
    for (index, line) in archive.lines().enumerate() {
        let input = BASE64_STANDARD.decode(line).unwrap();
        if !holds(run, &input) {
            failures.push(format!("line {}: {}", index + 1, input.escape_ascii()));
        }
    }
    assert!(failures.is_empty(), "{target}:\n{}", failures.join("\n"));
    let inputs = archive.lines().count();
    assert!(inputs > 10, "{target} has only {inputs} inputs");
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path())
}

#[test]
fn no_token_of_the_corpus_is_accepted() {
    replay("verify_token", targets::verify_token);
}

#[test]
fn no_event_of_the_corpus_is_authorized_or_ends_the_process() {
    replay("decode_event", targets::decode_event);
}

#[test]
fn no_body_of_the_corpus_causes_an_internal_error() {
    replay("parse_body", targets::parse_body);
}

#[test]
fn no_stored_password_of_the_corpus_panics_or_costs_too_much() {
    replay("parse_stored_password", targets::parse_stored_password);
}

#[test]
fn no_input_that_once_failed_fails_again() {
    let mut failures = Vec::new();
    let mut files = 0;
    for folder in entries(&fuzz().join("regressions")) {
        let run = match folder.file_name().and_then(|name| name.to_str()) {
            Some("verify_token") => targets::verify_token,
            Some("decode_event") => targets::decode_event,
            Some("parse_body") => targets::parse_body,
            Some("parse_stored_password") => targets::parse_stored_password,
            _ => panic!("{} is named after no target", folder.display()),
        };
        for path in entries(&folder) {
            files += 1;
            if !holds(run, &fs::read(&path).unwrap()) {
                failures.push(path.display().to_string());
            }
        }
    }
    failures.sort();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(files > 0, "there are no regressions");
}
