//! Converts YAML to JSON, with the short forms of CloudFormation in their long form.

use anyhow::{Context as _, bail};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

/// Returns the text of a scalar, as CloudFormation writes it.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Parses a template into JSON, with the short forms of functions (`!Ref X`) in their long form
/// (`{"Ref": "X"}`). Evaluates none of them.
///
/// # Errors
///
/// Returns an error of one sentence if the template is broken.
pub fn document(text: &str) -> anyhow::Result<Value> {
    let document = Yaml::load_from_str(text)?;
    to_json(document.first().context("it is empty")?)
}

/// Converts YAML to JSON, with short forms (`!Ref X`) in their long form (`{"Ref": "X"}`).
pub(crate) fn to_json(yaml: &Yaml<'_>) -> anyhow::Result<Value> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Sequence(items) => items.iter().map(to_json).collect::<anyhow::Result<_>>()?,
        Yaml::Mapping(entries) => {
            let mut members = Map::new();
            for (name, value) in entries {
                members.insert(scalar(&to_json(name)?), to_json(value)?);
            }
            Value::Object(members)
        }
        Yaml::Tagged(tag, value) => {
            let function = match tag.suffix.as_str() {
                plain @ ("Ref" | "Condition") => plain.to_owned(),
                other => format!("Fn::{other}"),
            };
            Value::Object(Map::from_iter([(function, to_json(value)?)]))
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            bail!("it has YAML that is neither a scalar, a list nor a mapping")
        }
    })
}
