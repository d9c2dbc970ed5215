//! The members of an object, or the columns of a row, in the types that exports mix.

use serde_json::{Map, Value};

use super::json;

/// The members of an object, or the columns of a row.
#[derive(Default)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// Returns a member, unless it is `null`.
    pub(super) fn raw(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns whether there is such a member, even if it is `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns a text that is not empty. A number becomes its digits.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        as_text(self.raw(name)?)
    }

    /// Returns the first of these texts that is there and not empty.
    pub(super) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// Returns the first of these members that is there, is not `null`, and is no empty text.
    pub(super) fn first_raw(&self, names: &[&str]) -> Option<Value> {
        let mut members = names.iter().filter_map(|name| self.raw(name));
        members.find(|value| value.as_str() != Some("")).cloned()
    }

    /// Returns a truth value, also as CSV, PostgreSQL and MySQL write them.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        match self.raw(name)? {
            Value::Bool(truth) => Some(*truth),
            Value::Number(number) => Some(number.as_f64() != Some(0.0)),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "1" | "yes" => Some(true),
                "false" | "f" | "0" | "no" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns an object, also one that is JSON inside a text.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        match self.raw(name)? {
            Value::Object(members) => Some(Self(members.clone())),
            Value::String(text) => json::inner(text).map(Self),
            _ => None,
        }
    }

    /// Returns the elements of a list. It is empty if there is none.
    pub(super) fn list(&self, name: &str) -> &[Value] {
        let list = self.raw(name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the objects of a list.
    pub(super) fn objects(&self, name: &str) -> impl Iterator<Item = Self> {
        let objects = self.list(name).iter().filter_map(Value::as_object);
        objects.map(|members| Self(members.clone()))
    }

    /// Returns whether a member says something: it is not `null`, and no empty text, list or object.
    pub(super) fn says(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| match value {
            Value::String(text) => !text.is_empty() && text != "{}" && text != "[]",
            Value::Array(list) => !list.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(truth) => *truth,
            _ => true,
        })
    }
}

/// Returns a text that is not empty, or a number's digits.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
