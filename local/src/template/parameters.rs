//! The parameters of a template: their names, and what their values may be.
//!
//! CloudFormation refuses a deployment that breaks one of these constraints, and so does `cargo
//! run`: what works here can be deployed.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use regex_lite::Regex;
use serde_json::{Map, Value};

use super::yaml::scalar;

/// Checks that the template has all of the given parameters, and that each value satisfies the
/// constraints of its parameter.
///
/// # Errors
///
/// Returns an error of one sentence if it lacks one, or if a value is not allowed. The sentence
/// proposes the parameter with the nearest name, or says what is allowed.
pub(super) fn check(document: &Value, given: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let declared = document["Parameters"].as_object();
    for (name, value) in given {
        match declared.and_then(|declared| declared.get(name)) {
            Some(parameter) => check_value(name, parameter, value)?,
            None => return Err(unknown(name, declared.into_iter().flat_map(Map::keys))),
        }
    }
    Ok(())
}

fn unknown<'a>(name: &str, declared: impl Iterator<Item = &'a String>) -> anyhow::Error {
    match nearest(name, declared) {
        Some(near) => {
            anyhow::anyhow!("there is no parameter {name}; did you mean {near}?")
        }
        None => anyhow::anyhow!("there is no parameter {name}; template.yaml lists them"),
    }
}

/// Checks one value, as CloudFormation does before it changes anything.
fn check_value(name: &str, parameter: &Value, value: &str) -> anyhow::Result<()> {
    let is_number = parameter["Type"] == "Number";
    let number = number(value).filter(|_| is_number);
    let length = value.chars().count() as f64;
    let at_least =
        |limit: &str, actual: f64| limit_of(parameter, limit).is_none_or(|l| actual >= l);
    let at_most = |limit: &str, actual: f64| limit_of(parameter, limit).is_none_or(|l| actual <= l);
    let is_allowed = match number {
        Some(number) => at_least("MinValue", number) && at_most("MaxValue", number),
        None if is_number => false,
        None => at_least("MinLength", length) && at_most("MaxLength", length),
    };
    let listed = parameter["AllowedValues"].as_array();
    let is_listed = listed.is_none_or(|values| values.iter().any(|known| scalar(known) == value));
    let matches = match parameter["AllowedPattern"].as_str() {
        Some(pattern) => whole(pattern)
            .with_context(|| format!("the AllowedPattern of {name} cannot be read"))?
            .is_match(value),
        None => true,
    };
    if is_allowed && is_listed && matches {
        return Ok(());
    }
    bail!("{name} is \"{value}\"; set it to {}", allowed(parameter))
}

/// Returns the pattern, which has to match the whole value. CloudFormation uses Java's
/// `Matcher.matches`.
fn whole(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}

/// Returns what a parameter may be, in words.
fn allowed(parameter: &Value) -> String {
    if let Some(described) = parameter["ConstraintDescription"].as_str() {
        return described.trim().to_owned();
    }
    if let Some(values) = parameter["AllowedValues"].as_array() {
        let values: Vec<_> = values.iter().map(scalar).collect();
        return match &*values {
            [others @ .., last] if !others.is_empty() => {
                format!("{} or {last}", others.join(", "))
            }
            _ => values.concat(),
        };
    }
    let range = |least: &str, most: &str| {
        let [least, most] = [least, most].map(|limit| scalar(&parameter[limit]));
        match (least.is_empty(), most.is_empty()) {
            (true, true) => String::new(),
            (false, true) => format!(" from {least}"),
            (true, false) => format!(" up to {most}"),
            (false, false) => format!(" from {least} to {most}"),
        }
    };
    match parameter["Type"] == "Number" {
        true => format!("a number{}", range("MinValue", "MaxValue")),
        false => format!("a text with a length{}", range("MinLength", "MaxLength")),
    }
}

fn limit_of(parameter: &Value, limit: &str) -> Option<f64> {
    scalar(&parameter[limit]).parse().ok()
}

/// Returns the number that a text is, in decimal, with an exponent or without.
fn number(text: &str) -> Option<f64> {
    let decimal = |octet: u8| octet.is_ascii_digit() || b"+-.eE".contains(&octet);
    text.bytes().all(decimal).then(|| text.parse().ok())?
}

/// Returns the known name that is nearest to `name`, if one is near enough. Ignores letter case and
/// underscores, so that the name of a variable finds its parameter.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(name);
    let most = wanted.chars().count() / 3;
    known
        .map(|known| (strsim::damerau_levenshtein(&wanted, &plain(known)), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_constraint_is_checked_and_said() {
        for (parameter, good, bad, sentence) in [
            (
                json!({"Type": "Number", "MinValue": 3, "MaxValue": 20}),
                &["3", "20", "3.0", "1e1"][..],
                &["2", "21", "2.9", "", "three", "inf", "0x5", "5 "][..],
                "a number from 3 to 20",
            ),
            (
                json!({"Type": "Number", "AllowedValues": [1, 30, 365]}),
                &["1", "365"],
                &["2", "1,30", ""],
                "1, 30 or 365",
            ),
            (
                json!({"Type": "String", "AllowedValues": ["open", "closed"]}),
                &["open", "closed"],
                &["", "Open", "open "],
                "open or closed",
            ),
            (
                json!({"Type": "String", "MinLength": 1, "MaxLength": 3}),
                &["a", "äöü"],
                &["", "abcd"],
                "a text with a length from 1 to 3",
            ),
            (
                json!({"Type": "String", "AllowedPattern": "a|ab", "ConstraintDescription": "a or ab"}),
                &["a", "ab"],
                &["", "b", "abc", "xa", "a\n"],
                "a or ab",
            ),
            (
                json!({"Type": "String", "AllowedPattern": "^(a,?)*$", "MaxLength": 3}),
                &["", "a,a"],
                &["a,a,", "b"],
                "a text with a length up to 3",
            ),
        ] {
            for value in good {
                check_value("It", &parameter, value).unwrap();
            }
            for value in bad {
                let error = check_value("It", &parameter, value).unwrap_err();
                let expected = format!("It is \"{value}\"; set it to {sentence}");
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}
