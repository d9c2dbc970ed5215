//! The parameters that a security review asks for: a key of the customer's for everything that is
//! stored, and a bound on what runs at once. Without them, a stack is as it is without them.

use std::collections::BTreeMap;

use local::template::{Template, document};
use serde_json::{Value, json};

use crate::support::app::{root, template, template_document};

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// Returns the resources of this type, with their properties.
fn of_type<'a>(template: &'a Template, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template.resources().iter();
    let resources = resources.filter(|(_, resource)| resource["Type"] == kind);
    resources
        .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
        .collect()
}

/// Returns the value that a parameter has if its condition holds, and otherwise none.
fn if_given(condition: &str, parameter: &str) -> Value {
    json!({"Fn::If": [condition, {"Ref": parameter}, {"Ref": "AWS::NoValue"}]})
}

#[test]
fn the_customer_s_key_encrypts_everything_that_is_stored() {
    for (given, expected) in [("", Value::Null), (KEY, json!(KEY))] {
        let template = template([("DataKeyArn", given)]);
        let tables = of_type(&template, "AWS::DynamoDB::Table");
        assert!(tables.contains_key("Table"));
        for (id, table) in tables {
            let encryption = &table["SSESpecification"];
            assert_eq!(encryption["SSEEnabled"], true, "{id}");
            assert_eq!(encryption["SSEType"], "KMS", "{id}");
            assert_eq!(encryption["KMSMasterKeyId"], expected, "{id}");
        }
        let groups = of_type(&template, "AWS::Logs::LogGroup");
        assert_eq!(groups.len(), 2);
        for (id, group) in groups {
            assert_eq!(group["KmsKeyId"], expected, "{id}");
        }
        let nested = &of_type(&template, "AWS::Serverless::Application")["MonitoringStack"];
        assert_eq!(nested["Parameters"]["DataKeyArn"], given);
    }
    // Their key is SQS's own: they hold positions in the stream, and for a fortnight what SES said.
    for queue in ["FailedEvents", "FailedMails"] {
        let queue = &template([]).resources()[queue]["Properties"].clone();
        assert_eq!(queue["SqsManagedSseEnabled"], true);
    }

    let encrypted = if_given("HasDataKey", "DataKeyArn");
    let globals = &template_document().value()["Globals"]["Function"].clone();
    assert_eq!(globals["KmsKeyArn"], encrypted);

    let nested = std::fs::read_to_string(root().join("monitoring.yaml")).unwrap();
    let nested = document(&nested).unwrap();
    let topic = &nested["Resources"]["AlarmTopic"]["Properties"];
    assert_eq!(topic["KmsMasterKeyId"], encrypted);
}

#[test]
fn whoever_uses_the_table_may_decrypt_it_through_dynamodb_and_nobody_else_may_use_the_key() {
    let plain = template([]);
    let encrypted = template([("DataKeyArn", KEY)]);
    assert!(!plain.resources().contains_key("MayDecrypt"));
    let policy = &encrypted.resources()["MayDecrypt"]["Properties"]["PolicyDocument"];
    let through = json!({"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"});
    let statement = json!([{
        "Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY,
        "Condition": {"StringEquals": {"kms:ViaService": through}},
    }]);
    assert_eq!(policy["Statement"], statement);

    let mut decrypt = 0;
    for (id, function) in of_type(&encrypted, "AWS::Serverless::Function") {
        let policies = function["Policies"].as_array();
        let policies: Vec<_> = policies.into_iter().flatten().collect();
        let is_fed = function["Events"].to_string().contains("StreamArn");
        let uses_a_table = policies
            .iter()
            .any(|policy| policy.to_string().contains("dynamodb:"));
        let may_decrypt = policies.contains(&&json!("MayDecrypt"));
        assert_eq!(may_decrypt, uses_a_table || is_fed, "{id}");
        decrypt += usize::from(may_decrypt);
        // No other policy names the key.
        let named = policies
            .iter()
            .any(|policy| policy.to_string().contains(KEY));
        assert!(!named, "{id}");

        let others: Vec<_> = policies
            .into_iter()
            .filter(|policy| **policy != "MayDecrypt")
            .collect();
        let before = plain.resources()[id]["Properties"]["Policies"].as_array();
        let before: Vec<_> = before.into_iter().flatten().collect();
        assert_eq!(others, before, "{id}");
    }
    assert!(decrypt >= 5);
}

#[test]
fn one_parameter_bounds_each_function_or_none() {
    let document = template_document();
    let document = document.value();
    let reserved = if_given("HasReservedConcurrency", "ReservedConcurrency");
    let globals = &document["Globals"]["Function"]["ReservedConcurrentExecutions"];
    assert_eq!(*globals, reserved);
    for (id, resource) in document["Resources"].as_object().unwrap() {
        let own = &resource["Properties"]["ReservedConcurrentExecutions"];
        assert!(own.is_null(), "{id}");
    }
}

#[test]
fn keys_and_bounds_are_what_aws_takes() {
    let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
    for (name, good, bad) in [
        (
            "DataKeyArn",
            [
                "".to_owned(),
                KEY.to_owned(),
                format!("arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/{key}"),
                "arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd".to_owned(),
            ],
            [
                key.to_owned(),
                "alias/latchkey".to_owned(),
                // Logs and Lambda take keys and no aliases.
                "arn:aws:kms:eu-west-1:123456789012:alias/latchkey".to_owned(),
                format!("{KEY}\n"),
            ],
        ),
        (
            "ReservedConcurrency",
            ["", "1", "25", "9999"].map(str::to_owned),
            // Lambda takes 0, and then runs the function never.
            ["0", "-1", "none", "1.5"].map(str::to_owned),
        ),
    ] {
        let takes = |value: &str| {
            let given = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            template_document().check(&given).is_ok()
        };
        for value in good {
            assert!(takes(&value), "{name}: {value:?}");
        }
        for value in bad {
            assert!(!takes(&value), "{name}: {value:?}");
        }
    }
}

#[test]
fn what_a_scanner_is_told_to_skip_has_a_reason() {
    let document = template_document();
    let mut skipped = 0;
    for (id, resource) in document.value()["Resources"].as_object().unwrap() {
        let skips = resource["Metadata"]["checkov"]["skip"].as_array();
        let skips: Vec<_> = skips.into_iter().flatten().collect();
        let expected: &[&str] = match (resource["Type"].as_str(), id.as_str()) {
            // Queues of failed events and VPCs.
            (Some("AWS::Serverless::Function"), _) => &["CKV_AWS_116", "CKV_AWS_117"],
            // Rotation by KMS.
            (_, "SigningKeyA" | "SigningKeyB") => &["CKV_AWS_7"],
            // A key in KMS: EventBridge would need its policy to allow it; or there is nothing to hide.
            (_, "FailedEvents" | "FailedMails") => &["CKV_AWS_27"],
            _ => &[],
        };
        let ids: Vec<_> = skips
            .iter()
            .filter_map(|skip| skip["id"].as_str())
            .collect();
        assert_eq!(ids, expected, "{id}");
        for skip in skips {
            let reason = skip["comment"].as_str().unwrap_or_default();
            assert!(reason.contains(' '), "{id}: {skip}");
            skipped += 1;
        }
    }
    assert!(skipped >= 18);
}
