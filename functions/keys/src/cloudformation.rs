//! The requests that CloudFormation sends to a custom resource, and the answers.

use serde::Serialize;
use serde_json::Value;

/// The longest answer that CloudFormation accepts, in octets.
const MAX_ANSWER: usize = 4096;

/// A request of CloudFormation (AWS CloudFormation user guide, "Custom resource request objects").
///
/// A member that is missing or of another type is read as empty, so that the answer can report it.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) response_url: String,
    pub(super) request_type: String,
    pub(super) resource_type: String,
    pub(super) stack_id: String,
    pub(super) request_id: String,
    pub(super) logical_resource_id: String,
    pub(super) physical_resource_id: Option<String>,
    pub(super) properties: Value,
    /// The properties before an update.
    pub(super) old_properties: Value,
}

impl Event {
    pub(super) fn read(asked: &Value) -> Self {
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let physical_resource_id = asked["PhysicalResourceId"].as_str();
        Self {
            response_url: text("ResponseURL"),
            request_type: text("RequestType"),
            resource_type: text("ResourceType"),
            stack_id: text("StackId"),
            request_id: text("RequestId"),
            logical_resource_id: text("LogicalResourceId"),
            physical_resource_id: physical_resource_id.map(ToOwned::to_owned),
            properties: asked["ResourceProperties"].clone(),
            old_properties: asked["OldResourceProperties"].clone(),
        }
    }
}

/// The answer to CloudFormation ("Custom resource response objects").
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    data: &'a Value,
}

/// The current state of a resource.
#[derive(Debug)]
pub(super) struct Resource {
    /// A changed id tells CloudFormation that the resource was replaced.
    pub(super) id: String,
    pub(super) data: Value,
}

/// Returns the text of the answer. An answer that is too long for CloudFormation becomes a refusal
/// that says so.
pub(super) fn answer_text(event: &Event, outcome: &Result<Resource, String>) -> String {
    let text = |status, reason, id, data| {
        let answer = Answer {
            status,
            reason,
            physical_resource_id: id,
            stack_id: &event.stack_id,
            request_id: &event.request_id,
            logical_resource_id: &event.logical_resource_id,
            data,
        };
        // An answer always serializes.
        serde_json::to_string(&answer).unwrap_or_default()
    };
    // A resource that was not made needs an identifier, too.
    let before = event.physical_resource_id.as_deref().unwrap_or("not-made");
    let failed = |reason: &str| {
        let reason = reason.chars().take(1000).collect();
        text("FAILED", Some(reason), before, &Value::Null)
    };
    match outcome {
        Ok(resource) => {
            let answer = text("SUCCESS", None, &resource.id, &resource.data);
            if answer.len() > MAX_ANSWER {
                return failed(&format!(
                    "the answer has {} octets, and CloudFormation takes {}: publish fewer keys",
                    answer.len(),
                    MAX_ANSWER
                ));
            }
            answer
        }
        Err(reason) => failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_cloudformation_would_not_take_becomes_a_refusal() {
        let event = json!({"ResponseURL": "http://127.0.0.1/", "LogicalResourceId": "KeySet"});
        let event = Event::read(&event);
        for length in [3000, 5000] {
            let resource = Resource {
                id: "latchkey-key-set".to_owned(),
                data: json!({ "Jwks": "x".repeat(length) }),
            };
            let answer = answer_text(&event, &Ok(resource));
            assert!(answer.len() <= MAX_ANSWER);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let status = if length < MAX_ANSWER {
                "SUCCESS"
            } else {
                "FAILED"
            };
            assert_eq!(answer["Status"], status);
        }
        let long = answer_text(&event, &Err("\"".repeat(5000)));
        assert!(long.len() <= MAX_ANSWER, "{}", long.len());
    }
}
