//! The event sources of functions, other than routes: streams of tables, and rules of EventBridge.

use std::time::Duration;

use serde_json::{Map, Value};

use super::yaml::scalar;

/// How long a function may take unless the template says otherwise, in seconds.
const DEFAULT_TIMEOUT: u64 = 3;

/// One event source of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The function's name, which is that of its binary.
    pub function: String,
    /// The name of the event in the template.
    pub name: String,
    /// Its type, such as `DynamoDB` or `EventBridgeRule`.
    pub kind: String,
    /// Its properties.
    pub properties: Value,
    /// How long the function may take.
    pub timeout: Duration,
}

/// Returns the event sources of a function, without its routes. `globals` are the properties that
/// all functions have unless they say otherwise.
pub(super) fn read(function: &str, properties: &Value, globals: &Value) -> Vec<Source> {
    let timeout = properties.get("Timeout").unwrap_or(&globals["Timeout"]);
    let timeout = scalar(timeout).parse().unwrap_or(DEFAULT_TIMEOUT);
    let events = properties["Events"].as_object().into_iter();
    let sources = events.flat_map(Map::iter).map(|(name, event)| Source {
        function: function.to_owned(),
        name: name.clone(),
        kind: scalar(&event["Type"]),
        properties: event["Properties"].clone(),
        timeout: Duration::from_secs(timeout),
    });
    sources.filter(|source| source.kind != "HttpApi").collect()
}
