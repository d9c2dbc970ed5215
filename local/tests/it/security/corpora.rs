//! Runs the inputs that fuzzing found, without a fuzzer.

#[path = "../../../../fuzz/src/targets.rs"]
mod targets;

use crate::support::app::root;

/// Passes each file of a corpus to its target.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = root().join("fuzz/corpus").join(target);
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(|| run(&data));
        assert!(outcome.is_ok(), "{}", path.display());
        files += 1;
    }
    assert!(files > 10, "{target} has only {files} files");
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
