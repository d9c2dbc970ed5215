//! The `Rules` of a template: what CloudFormation checks across parameters before it changes
//! anything.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use super::yaml::scalar;

/// Checks the assertions of all rules, with the values of `parameters`.
///
/// # Errors
///
/// Returns the description of the first assertion that does not hold, or an error of one sentence
/// if a rule has a function that is not supported here.
pub(super) fn check(rules: &Value, parameters: &BTreeMap<&str, Value>) -> anyhow::Result<()> {
    for (name, rule) in rules.as_object().into_iter().flatten() {
        let holds = |condition: &Value| {
            holds(condition, parameters).with_context(|| {
                format!(
                    "the rule {name} has something other than Fn::Contains, Fn::Equals, Fn::Not, \
                     Fn::And, Fn::Or and Ref, which is all that is supported here"
                )
            })
        };
        let condition = &rule["RuleCondition"];
        if !condition.is_null() && !holds(condition)? {
            continue;
        }
        for assertion in rule["Assertions"].as_array().into_iter().flatten() {
            if !holds(&assertion["Assert"])? {
                let described = assertion["AssertDescription"].as_str();
                let described = described.map_or("the parameters do not fit together", str::trim);
                bail!("{described}");
            }
        }
    }
    Ok(())
}

/// Returns whether a condition holds, or `None` if its kind is not supported.
fn holds(condition: &Value, parameters: &BTreeMap<&str, Value>) -> Option<bool> {
    let (function, arguments) = only(condition.as_object()?)?;
    let arguments = arguments.as_array()?;
    let text = |value: &Value| match value.as_object().map(only) {
        None => Some(scalar(value)),
        Some(Some(("Ref", name))) => parameters.get(name.as_str()?).map(scalar),
        Some(_) => None,
    };
    let mut each = arguments.iter().map(|inner| holds(inner, parameters));
    match (function, &**arguments) {
        ("Fn::Equals", [left, right]) => Some(text(left)? == text(right)?),
        ("Fn::Contains", [list, value]) => {
            let (list, value) = (list.as_array()?, text(value)?);
            Some(list.iter().any(|known| scalar(known) == value))
        }
        ("Fn::Not", [inner]) => holds(inner, parameters).map(|holds| !holds),
        ("Fn::And", _) => each.try_fold(true, |all, holds| Some(holds? && all)),
        ("Fn::Or", _) => each.try_fold(false, |any, holds| Some(holds? || any)),
        _ => None,
    }
}

fn only(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, value) = members.iter().next().filter(|_| members.len() == 1)?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::document;

    const RULES: &str = r#"
Rules:
  Fits:
    RuleCondition: !Not [!Equals [!Ref Kind, free]]
    Assertions:
      - Assert: !Or
          - !Contains [["4"], !Ref Size]
          - !And [!Contains [["2", "3"], !Ref Size], !Equals [!Ref Kind, small]]
        AssertDescription: Choose size 4, or a small kind.
"#;

    #[test]
    fn a_rule_refuses_what_its_assertions_do_not_allow() {
        let document = document(RULES).unwrap();
        let checked = |kind: &str, size: &str| {
            let parameters = BTreeMap::from([("Kind", kind.into()), ("Size", size.into())]);
            check(&document["Rules"], &parameters)
        };
        for (kind, size) in [
            ("free", "9"),
            ("large", "4"),
            ("small", "4"),
            ("small", "3"),
        ] {
            checked(kind, size).unwrap();
        }
        for (kind, size) in [("large", "3"), ("small", "5"), ("small", "3.0")] {
            let error = checked(kind, size).unwrap_err().to_string();
            assert_eq!(error, "Choose size 4, or a small kind.");
        }
        let unsupported = RULES.replace("!Equals [!Ref Kind, small]", "!EachMemberIn [[a], [b]]");
        let unsupported = crate::template::document(&unsupported).unwrap();
        let parameters = BTreeMap::from([("Kind", "x".into()), ("Size", "2".into())]);
        let error = check(&unsupported["Rules"], &parameters).unwrap_err();
        assert!(error.to_string().starts_with("the rule Fits has something"));
    }
}
