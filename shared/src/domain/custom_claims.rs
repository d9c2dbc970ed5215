//! Claims that operators add to the access tokens of an account.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use super::field_error::Violation;

/// The claims that operators have added to an account, such as `https://example.com/plan`. They are
/// copied into its access tokens, and mean nothing to Latchkey.
///
/// Their names are URIs, so none can take the place of a claim of a standard, now or later (RFC 7519
/// section 4.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CustomClaims(BTreeMap<String, Value>);

impl CustomClaims {
    /// The length of the longest claims, in octets of JSON.
    pub const MAX_LENGTH: usize = 1024;
    /// The greatest number of claims.
    pub const MAX_COUNT: usize = 16;
    /// The length of the longest name, in octets.
    pub const MAX_NAME_LENGTH: usize = 128;

    /// Parses a JSON object of claims.
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if it is not an object, if a name is not a URI of `https:` or `urn:`,
    /// if a value is not a string, a number, a boolean or a list of these, or if there is too much
    /// of it.
    pub fn parse(value: &Value) -> Result<Self, Violation> {
        let Value::Object(members) = value else {
            return Err(Self::wrong_type());
        };
        if members.len() > Self::MAX_COUNT {
            let most = Self::MAX_COUNT;
            return Err(Violation::new(
                "too-long",
                format!("has more than {most} claims"),
            ));
        }
        if !members.keys().all(|name| is_namespaced(name)) {
            return Err(Violation::new(
                "invalid-claim-name",
                "has a name that is not a URI such as https://example.com/plan",
            ));
        }
        if !members.values().all(is_claim) {
            return Err(Violation::new(
                "invalid-claim",
                "has a value that is not a string, a number, a boolean or a list of these",
            ));
        }
        let claims: BTreeMap<_, _> = members.clone().into_iter().collect();
        // Strings and numbers always serialize.
        let length = serde_json::to_string(&claims).map_or(usize::MAX, |json| json.len());
        if length > Self::MAX_LENGTH {
            let most = Self::MAX_LENGTH;
            return Err(Violation::new(
                "too-long",
                format!("has more than {most} octets of JSON"),
            ));
        }
        Ok(Self(claims))
    }

    fn wrong_type() -> Violation {
        Violation::new("wrong-type", "is not an object")
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the claims as JSON, as the table holds them, or `None` if there is none.
    pub fn to_json(&self) -> Option<String> {
        (!self.is_empty()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// Returns the names and the values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Parses what [`CustomClaims::to_json`] wrote.
impl FromStr for CustomClaims {
    type Err = Violation;

    fn from_str(json: &str) -> Result<Self, Violation> {
        let value = serde_json::from_str(json);
        let value = value.map_err(|_| Violation::new("wrong-type", "is not JSON"))?;
        Self::parse(&value)
    }
}

/// A change of claims: a merge patch (RFC 7396) of the object that they are.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimsPatch {
    set: CustomClaims,
    removed: Vec<String>,
}

impl ClaimsPatch {
    /// Parses a JSON object, whose members set claims or, if they are `null`, remove them.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`CustomClaims::parse`].
    pub fn parse(value: &Value) -> Result<Self, Violation> {
        let Value::Object(members) = value else {
            return Err(CustomClaims::wrong_type());
        };
        let mut members = members.clone();
        let mut removed = Vec::new();
        members.retain(|name, value| {
            if value.is_null() {
                removed.push(name.clone());
            }
            !value.is_null()
        });
        let set = CustomClaims::parse(&Value::Object(members))?;
        Ok(Self { set, removed })
    }

    /// Returns `claims` with the change.
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if there is too much of it then.
    pub fn applied_to(&self, claims: &CustomClaims) -> Result<CustomClaims, Violation> {
        let mut changed = claims.0.clone();
        changed.retain(|name, _| !self.removed.contains(name));
        changed.extend(self.set.0.clone());
        CustomClaims::parse(&Value::Object(changed.into_iter().collect()))
    }
}

/// Returns whether a name is a URI that somebody owns, so far as its form tells.
fn is_namespaced(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/#@!$&'()*+,;=%".contains(&b);
    let rest = ["https://", "urn:"]
        .iter()
        .find_map(|scheme| name.strip_prefix(scheme));
    name.len() <= CustomClaims::MAX_NAME_LENGTH
        && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

fn is_claim(value: &Value) -> bool {
    let is_scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    match value {
        Value::Array(values) => values.iter().all(is_scalar),
        value => is_scalar(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_read_as_they_were_written() {
        let given = json!({
            "https://example.com/plan": "gold",
            "https://example.com/seats": 7,
            "urn:example:beta": true,
            "urn:example:teams": ["a", "b"],
        });
        let claims = CustomClaims::parse(&given).unwrap();
        assert_eq!(serde_json::to_value(&claims).unwrap(), given);
        assert_eq!(claims.to_json().unwrap().parse(), Ok(claims));
        assert_eq!(CustomClaims::default().to_json(), None);
    }

    #[test]
    fn a_patch_sets_and_removes_claims_and_leaves_the_others() {
        let claims = CustomClaims::parse(&json!({"urn:a:a": 1, "urn:a:b": 2})).unwrap();
        let patched = |patch: serde_json::Value| {
            let patch = ClaimsPatch::parse(&patch).map_err(|refused| refused.code)?;
            let patched = patch.applied_to(&claims);
            let patched = patched.map_err(|refused| refused.code)?;
            Ok::<_, &str>(serde_json::to_value(&patched).unwrap())
        };
        assert_eq!(patched(json!({})), Ok(json!({"urn:a:a": 1, "urn:a:b": 2})));
        let changed = patched(json!({"urn:a:a": null, "urn:a:c": [3], "unknown": null}));
        assert_eq!(changed, Ok(json!({"urn:a:b": 2, "urn:a:c": [3]})));
        assert_eq!(patched(json!([])), Err("wrong-type"));
        assert_eq!(patched(json!({"plan": 1})), Err("invalid-claim-name"));
        let large = "x".repeat(CustomClaims::MAX_LENGTH - 20);
        assert_eq!(patched(json!({ "urn:a:c": large })), Err("too-long"));
    }

    #[test]
    fn claims_that_could_be_those_of_a_standard_or_that_are_too_large_are_refused() {
        let many: serde_json::Map<_, _> = (0..17)
            .map(|n| (format!("urn:example:{n}"), json!(n)))
            .collect();
        for (given, code) in [
            (json!([]), "wrong-type"),
            (json!({"plan": "gold"}), "invalid-claim-name"),
            (json!({"sub": "ada"}), "invalid-claim-name"),
            (json!({"http://example.com/a": 1}), "invalid-claim-name"),
            (json!({"https://": 1}), "invalid-claim-name"),
            (json!({"urn:a b": 1}), "invalid-claim-name"),
            (json!({"urn:example:a": null}), "invalid-claim"),
            (json!({"urn:example:a": {"b": 1}}), "invalid-claim"),
            (json!({"urn:example:a": [["b"]]}), "invalid-claim"),
            (json!({"urn:example:a": "x".repeat(1024)}), "too-long"),
            (json!(many), "too-long"),
        ] {
            let refused = CustomClaims::parse(&given).unwrap_err();
            assert_eq!(refused.code, code, "{given}");
        }
    }
}
