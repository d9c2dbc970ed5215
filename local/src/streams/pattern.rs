//! Patterns of events: those of EventBridge, which Lambda's filters have too.
//!
//! A pattern has members of the event down to lists of alternatives. It supports exact values,
//! `exists`, `prefix`, `suffix`, `equals-ignore-case` and `anything-but`; another operator is an
//! error.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pattern {
    /// Each member of an object matches.
    Members(BTreeMap<String, Pattern>),
    /// One of the alternatives matches.
    OneOf(Vec<Matcher>),
}

/// One alternative.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    Exactly(Value),
    Exists(bool),
    Prefix(String),
    Suffix(String),
    IgnoringCase(String),
    AnythingBut(Vec<Value>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Returns one sentence if it is none, or has an operator that is not supported.
    pub(super) fn read(value: &Value) -> anyhow::Result<Self> {
        match value {
            Value::Object(members) if !members.is_empty() => {
                let read = members.iter().map(|(name, value)| {
                    if name.starts_with('$') {
                        bail!("the operator {name} of patterns is not supported here");
                    }
                    Ok((name.clone(), Self::read(value)?))
                });
                Ok(Self::Members(read.collect::<anyhow::Result<_>>()?))
            }
            Value::Array(alternatives) if !alternatives.is_empty() => {
                let read = alternatives.iter().map(Matcher::read);
                Ok(Self::OneOf(read.collect::<anyhow::Result<_>>()?))
            }
            other => bail!("{other} is not a pattern: it must be an object or a list"),
        }
    }

    /// Returns whether the event has what the pattern asks for.
    pub(super) fn matches(&self, event: &Value) -> bool {
        self.matches_member(Some(event))
    }

    fn matches_member(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Members(members) => members
                .iter()
                .all(|(name, pattern)| pattern.matches_member(value.and_then(|it| it.get(name)))),
            Self::OneOf(matchers) => {
                // Of a list, one element has to match.
                let leaves = match value {
                    None | Some(Value::Object(_)) => &[],
                    Some(Value::Array(items)) => items.as_slice(),
                    Some(leaf) => std::slice::from_ref(leaf),
                };
                matchers.iter().any(|matcher| matcher.matches(leaves))
            }
        }
    }
}

impl Matcher {
    fn read(value: &Value) -> anyhow::Result<Self> {
        let Value::Object(members) = value else {
            return Ok(Self::Exactly(value.clone()));
        };
        let mut members = members.iter();
        let (Some((operator, operand)), None) = (members.next(), members.next()) else {
            bail!("{value} is not one operator of a pattern");
        };
        let text = || {
            let text = operand.as_str().map(str::to_owned);
            text.with_context(|| format!("the operator {operator} of patterns needs a text here"))
        };
        Ok(match operator.as_str() {
            "exists" => {
                let exists = operand.as_bool();
                Self::Exists(exists.context("the operator exists of patterns needs true or false")?)
            }
            "prefix" => Self::Prefix(text()?),
            "suffix" => Self::Suffix(text()?),
            "equals-ignore-case" => Self::IgnoringCase(text()?),
            "anything-but" => match operand {
                Value::Object(_) => {
                    bail!("the operator anything-but of patterns takes only values here")
                }
                Value::Array(items) => Self::AnythingBut(items.clone()),
                other => Self::AnythingBut(vec![other.clone()]),
            },
            other => bail!("the operator {other} of patterns is not supported here"),
        })
    }

    fn matches(&self, leaves: &[Value]) -> bool {
        let any = |holds: &dyn Fn(&str) -> bool| leaves.iter().filter_map(Value::as_str).any(holds);
        match self {
            Self::Exactly(value) => leaves.contains(value),
            Self::Exists(exists) => leaves.is_empty() != *exists,
            Self::Prefix(prefix) => any(&|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => any(&|text| text.ends_with(suffix)),
            Self::IgnoringCase(wanted) => any(&|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::AnythingBut(refused) => leaves.iter().any(|leaf| !refused.contains(leaf)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_matches_as_eventbridge_says() {
        let event = json!({
            "eventName": "INSERT",
            "n": 3,
            "list": ["a", "b"],
            "dynamodb": {"NewImage": {"mail": {"S": "password_reset"}}},
        });
        let image = |mail: Value| json!({"dynamodb": {"NewImage": {"mail": mail}}});
        let cases = [
            (json!({"eventName": ["INSERT"]}), true),
            (json!({"eventName": ["MODIFY", "INSERT"], "n": [3]}), true),
            (json!({"eventName": ["INSERT"], "n": [4]}), false),
            (json!({"list": ["b"]}), true),
            (json!({"list": ["c"]}), false),
            (image(json!({"S": [{"exists": true}]})), true),
            // `exists` looks at leaves only.
            (image(json!([{"exists": true}])), false),
            (image(json!({"N": [{"exists": true}]})), false),
            (image(json!({"N": [{"exists": false}]})), true),
            (json!({"none": {"at": {"all": [{"exists": false}]}}}), true),
            (image(json!({"S": [{"prefix": "password_"}]})), true),
            (image(json!({"S": [{"suffix": "password_"}]})), false),
            (image(json!({"S": [{"suffix": "_reset"}]})), true),
            (
                image(json!({"S": [{"equals-ignore-case": "PASSWORD_reset"}]})),
                true,
            ),
            (
                image(json!({"S": [{"anything-but": ["password_reset"]}]})),
                false,
            ),
            (image(json!({"S": [{"anything-but": "other"}]})), true),
            (image(json!({"N": [{"anything-but": "other"}]})), false),
        ];
        for (pattern, matches) in cases {
            let read = Pattern::read(&pattern).unwrap();
            assert_eq!(read.matches(&event), matches, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (pattern, named) in [
            (json!({"n": [{"numeric": [">", 1]}]}), "numeric"),
            (json!({"$or": [{"a": ["b"]}]}), "$or"),
            (
                json!({"a": [{"anything-but": {"prefix": "b"}}]}),
                "anything-but",
            ),
            (
                json!({"a": [{"prefix": {"equals-ignore-case": "b"}}]}),
                "prefix",
            ),
            (json!({"a": "b"}), "\"b\""),
            (json!({"a": []}), "[]"),
            (json!({}), "{}"),
        ] {
            let error = Pattern::read(&pattern).unwrap_err().to_string();
            assert!(error.contains(named), "{pattern}: {error}");
        }
    }
}
