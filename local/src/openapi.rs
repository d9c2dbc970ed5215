//! The description of the API: docs/openapi.yaml, OpenAPI 3.1.

use anyhow::Context as _;
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::Value;

use crate::template::to_json;

/// The text of the description. It is compiled in, so `cargo run` serves the version that it was
/// built with.
pub const TEXT: &str = include_str!("../../docs/openapi.yaml");

/// The methods that an operation can have, in the order of the file.
pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Returns the description as JSON.
///
/// # Errors
///
/// Returns an error if it is not valid YAML.
pub fn document() -> anyhow::Result<Value> {
    let read = || {
        let document = Yaml::load_from_str(TEXT)?;
        to_json(document.first().context("it is empty")?)
    };
    read().context("docs/openapi.yaml is broken")
}

/// Returns the target of the reference `value`, or `value` itself if it is not a reference.
pub fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(&Value::Null),
        None => value,
    }
}
