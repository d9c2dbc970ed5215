//! The description of the API: docs/openapi.yaml, OpenAPI 3.1.

use anyhow::Context as _;
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::Value;

use crate::template::to_json;

/// The description as it is written. It is part of the binary, so that `cargo run` serves the one that
/// it was built with.
pub const TEXT: &str = include_str!("../../docs/openapi.yaml");

/// The methods that an operation can have, in the order in which they are written.
pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The description as JSON.
///
/// # Errors
///
/// Where it is no YAML.
pub fn document() -> anyhow::Result<Value> {
    let read = || {
        let document = Yaml::load_from_str(TEXT)?;
        to_json(document.first().context("it is empty")?)
    };
    read().context("docs/openapi.yaml is broken")
}

/// What `value` refers to, or `value` itself where it is no reference.
pub fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(&Value::Null),
        None => value,
    }
}
