//! What must hold for every stored password, whoever wrote it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends if something is not as it should be"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use import::forms::{self, OldPassword, Site};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_json::Value;
use shared::domain::password::legacy::{LegacyScheme, Secrets, Work};

/// Returns what the systems of the vectors stored.
fn stored() -> Vec<Value> {
    let text = std::fs::read_to_string("tests/vectors.jsonl").unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stored = lines.filter_map(|line| line.get("stored").cloned());
    let mut stored: Vec<Value> = stored.collect();
    stored.dedup();
    stored
}

/// Changes to a text: where, how many characters go, and what comes instead.
type Changes = Vec<(Index, usize, String)>;

fn changes() -> impl Strategy<Value = Changes> {
    let piece = prop_oneof![
        Just(String::new()),
        "[-$:{},=|!*.0-9a-z]{1,3}",
        "(0|1|4294967295|4294967296|99999999999999999999)",
        "\\PC{1,2}",
    ];
    prop::collection::vec((any::<Index>(), 0..3_usize, piece), 0..3)
}

fn changed(text: &str, changes: &Changes) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for (index, count, piece) in changes {
        let at = index.index(letters.len() + 1);
        let end = (at + count).min(letters.len());
        letters.splice(at..end, piece.chars());
    }
    letters.into_iter().collect()
}

fn changed_value(stored: &Value, changes: &Changes) -> Value {
    match stored {
        Value::String(text) => changed(text, changes).into(),
        Value::Object(fields) => {
            let changed = fields.iter().map(|(name, value)| {
                let value = changed_value(value, changes);
                (name.clone(), value)
            });
            Value::Object(changed.collect())
        }
        other => other.clone(),
    }
}

fn site() -> Site {
    let secret = "site".parse().ok();
    Site { secret }
}

/// Computes the digests if that is quick.
fn compute(scheme: &LegacyScheme, typed: &str) {
    if scheme.work().is_ok_and(|work| work.nanos < 1_000_000) {
        let mut secrets = Secrets::default();
        secrets.insert("site".parse().unwrap(), STANDARD.encode("a secret").into());
        let _ = scheme.digests(typed, &secrets);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_text_ends_the_process_or_costs_more_than_the_limit(
        stored in select(stored()),
        changes in changes(),
        typed in "\\PC{0,9}",
    ) {
        let stored = changed_value(&stored, &changes);
        for format in forms::formats() {
            if let Ok(OldPassword::Digest { scheme, .. }) = forms::parse(format.name, &stored, &site()) {
                let work = scheme.work().unwrap();
                prop_assert!(work.nanos <= Work::MOST.nanos && work.kib <= Work::MOST.kib);
                let written = serde_json::to_string(&scheme).unwrap();
                prop_assert_eq!(&serde_json::from_str::<LegacyScheme>(&written).unwrap(), &scheme);
                compute(&scheme, &typed);
            }
        }
    }

    #[test]
    fn no_scheme_of_the_table_ends_the_process(
        stored in select(stored()),
        format in select(forms::formats().map(|format| format.name).collect::<Vec<_>>()),
        changes in changes(),
        typed in "\\PC{0,9}",
    ) {
        if let Ok(OldPassword::Digest { scheme, .. }) = forms::parse(format, &stored, &site()) {
            let written = serde_json::to_string(&scheme).unwrap();
            let changed = changed(&written, &changes);
            if let Ok(scheme) = serde_json::from_str::<LegacyScheme>(&changed) {
                compute(&scheme, &typed);
            }
        }
    }

    #[test]
    fn an_error_tells_nothing_of_what_is_stored(stored in "[a-z]{12,40}") {
        for format in forms::formats() {
            if let Err(error) = forms::parse(format.name, &Value::from(stored.clone()), &site()) {
                prop_assert!(!error.detail.contains(&stored), "{}: {}", format.name, error.detail);
            }
        }
    }
}

#[test]
fn names_of_formats_are_unique_and_lower_case() {
    let mut names: Vec<&str> = forms::formats().map(|format| format.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for name in names {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-:._".contains(c);
        assert!(name.chars().all(allowed), "{name}");
    }
}
