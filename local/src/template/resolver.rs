//! Evaluates the intrinsic functions of CloudFormation that the template uses.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::yaml::scalar;
use crate::dynamodb;

/// Resolves intrinsic functions.
pub(super) struct Resolver<'a> {
    parameters: BTreeMap<&'a str, Value>,
    /// The names of the tables in local runs, by their logical ids.
    tables: BTreeMap<&'a str, &'a str>,
    mappings: &'a Value,
    declared: &'a Value,
    conditions: BTreeMap<&'a str, bool>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        document: &'a Value,
        given: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let resources = document["Resources"].as_object().into_iter().flatten();
        let tables = resources.filter(|(_, resource)| resource["Type"] == "AWS::DynamoDB::Table");
        let mut resolver = Self {
            parameters: values(document, given),
            tables: tables
                .map(|(id, table)| (id.as_str(), table_name(id, table)))
                .collect(),
            mappings: &document["Mappings"],
            declared: &document["Conditions"],
            conditions: BTreeMap::new(),
        };
        for (name, condition) in document["Conditions"].as_object().into_iter().flatten() {
            let holds = resolver.holds(condition).with_context(|| {
                format!(
                    "the condition {name} has something other than Fn::Equals, Fn::Not, Fn::And, \
                     Fn::Or and Condition, which is all that is supported here"
                )
            })?;
            resolver.conditions.insert(name, holds);
        }
        Ok(resolver)
    }

    /// Returns the value with its intrinsic functions evaluated, or `None` for `AWS::NoValue`.
    /// Other functions are left as they are.
    pub(super) fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("Ref").and_then(Value::as_str) {
                    return match self.parameters.get(name) {
                        Some(value) => Some(value.clone()),
                        None if name == "AWS::NoValue" => None,
                        None => Some(Value::from(self.table(name).unwrap_or(name))),
                    };
                }
                if let Some([condition, yes, no]) = arguments(members, "Fn::If") {
                    let holds = condition
                        .as_str()
                        .and_then(|name| self.conditions.get(name));
                    return self.resolve(if holds == Some(&true) { yes } else { no });
                }
                if let Some([separator, text]) = arguments(members, "Fn::Split") {
                    let text = scalar(&self.resolve(text)?);
                    return Some(text.split(&scalar(separator)).map(Value::from).collect());
                }
                if let Some([separator, items]) = arguments(members, "Fn::Join")
                    && let Some(items) = self.texts(items)
                {
                    return Some(Value::from(items.join(&scalar(separator))));
                }
                if let Some([map, first, second]) = arguments(members, "Fn::FindInMap") {
                    let key = |value| self.resolve(value).map(|key| scalar(&key));
                    let found = &self.mappings[scalar(map)][key(first)?][key(second)?];
                    return Some(found.clone());
                }
                let members = members.iter();
                let resolved = members.filter_map(|(k, v)| Some((k.clone(), self.resolve(v)?)));
                Some(Value::Object(resolved.collect()))
            }
            Value::Array(items) => {
                Some(items.iter().filter_map(|item| self.resolve(item)).collect())
            }
            other => Some(other.clone()),
        }
    }

    /// Returns the texts of a list, or `None` if one of them is known only in AWS.
    fn texts(&self, items: &Value) -> Option<Vec<String>> {
        let items = self.resolve(items)?;
        let texts = items.as_array()?.iter().map(|item| match item {
            Value::Object(_) | Value::Array(_) => None,
            text => Some(scalar(text)),
        });
        texts.collect()
    }

    /// Returns whether the template declares a table, with whatever condition.
    pub(super) fn declares_tables(&self) -> bool {
        !self.tables.is_empty()
    }

    /// Returns the name of a table in local runs, by its logical id.
    pub(super) fn table(&self, id: &str) -> Option<&'a str> {
        self.tables.get(id).copied()
    }

    /// Returns whether a resource is part of the stack.
    pub(super) fn has(&self, resource: &Value) -> bool {
        match resource["Condition"].as_str() {
            Some(name) => self.conditions.get(name) == Some(&true),
            None => true,
        }
    }

    /// Returns the value with only its conditions evaluated.
    pub(super) fn chosen(&self, value: &Value) -> Value {
        match value {
            Value::Object(members) => match arguments(members, "Fn::If") {
                Some([condition, yes, no]) => {
                    let holds = condition
                        .as_str()
                        .and_then(|name| self.conditions.get(name));
                    self.chosen(if holds == Some(&true) { yes } else { no })
                }
                None => {
                    let members = members.iter();
                    Value::Object(members.map(|(k, v)| (k.clone(), self.chosen(v))).collect())
                }
            },
            Value::Array(items) => items.iter().map(|item| self.chosen(item)).collect(),
            other => other.clone(),
        }
    }

    /// Evaluates a condition. Returns `None` if its kind is not supported.
    fn holds(&self, condition: &Value) -> Option<bool> {
        let members = condition.as_object()?;
        if let Some([left, right]) = arguments(members, "Fn::Equals") {
            return Some(self.text(left)? == self.text(right)?);
        }
        if let Some([inner]) = arguments(members, "Fn::Not") {
            return self.holds(inner).map(|holds| !holds);
        }
        if let Some(name) = members.get("Condition") {
            return self.holds(self.declared.get(name.as_str()?)?);
        }
        let all = |name| {
            let conditions = members.get(name).and_then(Value::as_array)?;
            let held = conditions.iter().map(|condition| self.holds(condition));
            held.collect::<Option<Vec<_>>>()
        };
        all("Fn::And")
            .map(|held| !held.contains(&false))
            .or_else(|| all("Fn::Or").map(|held| held.contains(&true)))
    }

    /// Returns the text of a scalar or of a reference to a parameter.
    fn text(&self, value: &Value) -> Option<String> {
        match self.resolve(value)? {
            Value::Object(_) | Value::Array(_) => None,
            resolved => Some(scalar(&resolved)),
        }
    }
}

/// Returns the values of all parameters: the given ones, and the defaults of the others.
pub(super) fn values<'a>(
    document: &'a Value,
    given: &BTreeMap<String, String>,
) -> BTreeMap<&'a str, Value> {
    let declared = document["Parameters"].as_object().into_iter().flatten();
    let values = declared.map(|(name, parameter)| {
        let value = given.get(name).cloned();
        let value = value.unwrap_or_else(|| scalar(&parameter["Default"]));
        (name.as_str(), Value::from(value))
    });
    values.collect()
}

/// Returns the name of a table in local runs. In AWS, CloudFormation chooses one unless the template
/// does.
fn table_name<'a>(id: &'a str, table: &'a Value) -> &'a str {
    match id {
        "Table" => dynamodb::TABLE,
        _ => table["Properties"]["TableName"].as_str().unwrap_or(id),
    }
}

/// Returns the first of `names` that the value refers to.
pub(super) fn refers<'a>(value: &Value, names: &BTreeSet<&'a str>) -> Option<&'a str> {
    match value {
        Value::Object(members) => members.iter().find_map(|(function, value)| {
            let of = |name: &str| names.get(name.split('.').next()?).copied();
            match (function.as_str(), value) {
                ("Ref" | "Fn::GetAtt", Value::String(name)) => of(name),
                ("Fn::Sub", Value::String(text)) => {
                    let mut names = text.split("${").skip(1);
                    names.find_map(|rest| of(rest.split('}').next()?))
                }
                ("DependsOn", Value::String(name)) => of(name),
                ("DependsOn", Value::Array(items)) => {
                    items.iter().filter_map(Value::as_str).find_map(of)
                }
                _ => refers(value, names),
            }
        }),
        Value::Array(items) => items.iter().find_map(|item| refers(item, names)),
        _ => None,
    }
}

fn arguments<'a, const N: usize>(
    members: &'a Map<String, Value>,
    function: &str,
) -> Option<&'a [Value; N]> {
    members
        .get(function)?
        .as_array()?
        .as_slice()
        .try_into()
        .ok()
}
