//! Checks log lines that contain metrics against CloudWatch's rules: "Specification: Embedded
//! metric format" in the CloudWatch user guide. Applies to every line of every test.

use std::collections::BTreeSet;

use serde_json::Value;

/// The units of a `MetricDatum` that are used here.
const UNITS: [&str; 2] = ["Count", "Milliseconds"];

/// A metric as CloudWatch stores it: its name and its dimensions.
pub type Stored = (String, Vec<String>);

/// Panics if a line has metrics that CloudWatch would drop.
#[track_caller]
pub fn check(line: &Value) {
    let Some(metadata) = line.get("_aws") else {
        return;
    };
    only(metadata, &["CloudWatchMetrics", "Timestamp"]);
    let timestamp = metadata["Timestamp"].as_u64().unwrap();
    // The unit is milliseconds. In seconds, it would be a time in 1970.
    assert!(timestamp > 1_600_000_000_000, "{line}");
    for directive in list(&metadata["CloudWatchMetrics"]) {
        only(directive, &["Dimensions", "Metrics", "Namespace"]);
        let namespace = directive["Namespace"].as_str().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
        assert!(
            (1..=255).contains(&namespace.len()) && namespace.chars().all(plain),
            "{line}"
        );
        let sets = list(&directive["Dimensions"]);
        assert!(!sets.is_empty(), "{line}");
        for name in sets.iter().flat_map(list) {
            let value = line[name.as_str().unwrap()].as_str();
            let value =
                value.unwrap_or_else(|| panic!("the dimension {name} is not a text: {line}"));
            assert!((1..=1024).contains(&value.len()), "{line}");
        }
        assert!(sets.iter().all(|set| list(set).len() <= 30), "{line}");
        let metrics = list(&directive["Metrics"]);
        assert!((1..=100).contains(&metrics.len()), "{line}");
        for metric in metrics {
            only(metric, &["Name", "Unit"]);
            assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()), "{line}");
            let name = metric["Name"].as_str().unwrap();
            assert!(
                line[name].is_number(),
                "the metric {name} is not a number: {line}"
            );
        }
    }
    let stored = stored(line);
    let once: BTreeSet<_> = stored.iter().collect();
    assert_eq!(
        once.len(),
        stored.len(),
        "a metric is counted twice: {line}"
    );
}

/// Returns the metrics of a line, with each set of dimensions that CloudWatch stores them by.
pub fn stored(line: &Value) -> Vec<Stored> {
    let mut stored = Vec::new();
    let directives = line["_aws"]["CloudWatchMetrics"].as_array();
    for directive in directives.into_iter().flatten() {
        for metric in list(&directive["Metrics"]) {
            let name = metric["Name"].as_str().unwrap();
            for set in list(&directive["Dimensions"]) {
                let names = list(set).iter().map(|name| name.as_str().unwrap().into());
                stored.push((name.to_owned(), names.collect()));
            }
        }
    }
    stored
}

#[track_caller]
fn list(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("not a list: {value}"))
}

/// Checks that an object has exactly these members, as the specification has no others.
#[track_caller]
fn only(object: &Value, members: &[&str]) {
    let found: Vec<_> = object.as_object().unwrap().keys().collect();
    assert_eq!(found, members, "{object}");
}
