//! The keys of template.yaml, in every stack that its parameters can make: which exist, which are
//! published, which signs, and who may do what with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use keys::Keys;
use local::template::{Template, document};
use serde_json::{Value, json};
use shared::http::handler::{ANSWER_WITHIN, RESERVED_FOR_THE_RESPONSE};

use crate::support::app::root;
use crate::support::stack::{keys_of, stack};

/// Returns the facts about a kind of key: whether it is sealed, its spec, and its signing
/// algorithm.
fn kind(name: &str) -> (bool, &'static str, &'static str) {
    let (sealed, name) = match name.strip_prefix("sealed-") {
        Some(name) => (true, name),
        None => (false, name),
    };
    let (spec, algorithm) = match name {
        "RSA-2048" => ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256"),
        "RSA-3072" => ("RSA_3072", "RSASSA_PKCS1_V1_5_SHA_256"),
        "P-256" => ("ECC_NIST_P256", "ECDSA_SHA_256"),
        "Ed25519" => ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
        other => panic!("the kind {other} is not in this table"),
    };
    (sealed, spec, algorithm)
}

/// Returns the kinds that the parameter allows.
fn kinds() -> Vec<String> {
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let mut lists = yaml.split("\n  Key").skip(1).take(2).map(|parameter| {
        let list = parameter.split("AllowedValues: [").nth(1).unwrap();
        list.split(']').next().unwrap().to_owned()
    });
    let (a, b) = (lists.next().unwrap(), lists.next().unwrap());
    assert_eq!(a, b);
    let kinds: Vec<_> = a.split(", ").map(ToOwned::to_owned).collect();
    assert_eq!(kinds.len(), 7);
    kinds
}

/// Calls `check` for every stack that the parameters of the keys can make, with its template, its
/// keys in order, and its name.
fn each_stack(mut check: impl FnMut(&Template, &[(char, &str)], &str)) {
    // Parsing them takes seconds, so it is done once.
    static STACKS: OnceLock<Vec<([String; 3], Template)>> = OnceLock::new();
    let stacks = STACKS.get_or_init(|| {
        let kinds = kinds();
        let mut stacks = Vec::new();
        for signing_keys in ["A", "AB", "BA", "B"] {
            for key_a in &kinds {
                for key_b in &kinds {
                    let template = stack(signing_keys, key_a, key_b);
                    let name = [signing_keys, key_a, key_b].map(ToOwned::to_owned);
                    stacks.push((name, template));
                }
            }
        }
        stacks
    });
    assert_eq!(stacks.len(), 4 * 7 * 7);
    for (name, template) in stacks {
        let [signing_keys, key_a, key_b] = name;
        let keys: Vec<_> = signing_keys
            .chars()
            .map(|letter| (letter, if letter == 'A' { &**key_a } else { &**key_b }))
            .collect();
        check(template, &keys, &name.join(" "));
    }
}

#[test]
fn in_every_stack_the_keys_are_published_in_their_order_and_the_first_signs() {
    each_stack(|template, keys, name| {
        let (published, signer) = keys_of(template);
        let expected: Vec<_> = keys
            .iter()
            .map(|(letter, key)| match kind(key).0 {
                true => format!("SealedKey{letter}.PublicKey"),
                false => format!("SigningKey{letter}.Arn"),
            })
            .collect();
        assert_eq!(published, expected, "{name}");
        let (letter, key) = keys[0];
        let expected = match kind(key).0 {
            true => format!("SealedKey{letter}.SigningKey"),
            false => format!("SigningKey{letter}.Arn"),
        };
        assert_eq!(signer, expected, "{name}");

        // There are no other keys.
        let of_keys = |(_, resource): &(&String, &Value)| {
            let types = ["AWS::KMS::Key", "Custom::LatchkeySealedKey"];
            types.contains(&resource["Type"].as_str().unwrap())
        };
        let there: BTreeMap<_, _> = template.resources().iter().filter(of_keys).collect();
        let mut expected = BTreeSet::new();
        for (letter, key) in keys {
            let (sealed, spec, _) = kind(key);
            let resource = format!("{}Key{letter}", if sealed { "Sealed" } else { "Signing" });
            let properties = &there[&resource]["Properties"];
            if sealed {
                // Another property would be one more reason for an update, which is impossible
                // (functions/keys).
                let of_pair = json!({
                    "ServiceToken": {"Fn::GetAtt": "Keys.Arn"}, "ServiceTimeout": 300,
                    "WrappingKey": {"Fn::GetAtt": "WrappingKey.Arn"}, "Spec": spec,
                });
                assert_eq!(*properties, of_pair, "{name}");
                expected.insert("WrappingKey".to_owned());
            } else {
                assert_eq!(properties["KeySpec"], spec, "{name}");
                assert_eq!(properties["KeyUsage"], "SIGN_VERIFY", "{name}");
            }
            expected.insert(resource);
        }
        assert_eq!(
            there.into_keys().cloned().collect::<BTreeSet<_>>(),
            expected,
            "{name}"
        );
    });
}

/// Returns all statements under `value` that allow or deny something in KMS, or in all services.
fn statements(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) if members.contains_key("Effect") => {
            let verbs = members.iter().filter(|(name, _)| name.contains("Action"));
            let verbs: String = verbs.map(|(_, verbs)| verbs.to_string()).collect();
            let of_kms = verbs.is_empty() || verbs.contains("kms:") || verbs.contains("\"*");
            of_kms.then(|| value.clone()).into_iter().collect()
        }
        Value::Object(members) => members.values().flat_map(statements).collect(),
        Value::Array(items) => items.iter().flat_map(statements).collect(),
        _ => Vec::new(),
    }
}

fn allow(action: &str, resource: &str, condition: Option<Value>) -> Value {
    let mut statement = json!({
        "Effect": "Allow", "Action": action, "Resource": {"Fn::GetAtt": format!("{resource}.Arn")},
    });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    statement
}

#[test]
fn functions_answer_before_lambda_ends_them() {
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = document(&yaml).unwrap();
    let globals = &template["Globals"]["Function"]["Timeout"];
    let timeout = ANSWER_WITHIN + RESERVED_FOR_THE_RESPONSE;
    assert_eq!(globals.as_u64(), Some(timeout.as_secs()));
    assert_eq!(timeout.subsec_nanos(), 0);
}

#[test]
fn only_the_functions_that_issue_tokens_may_sign() {
    let purpose =
        || json!({"StringEquals": {"kms:EncryptionContext:purpose": "latchkey-signing-key"}});
    let only = |algorithm: &str| json!({"StringEquals": {"kms:SigningAlgorithm": algorithm}});
    let root = json!({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}});
    let look_after = |rotation: &[&str]| {
        let mut verbs: Vec<_> = [
            "CancelKeyDeletion",
            "DescribeKey",
            "DisableKey",
            "EnableKey",
            "Get*",
            "List*",
            "PutKeyPolicy",
            "ScheduleKeyDeletion",
            "TagResource",
            "UntagResource",
            "UpdateKeyDescription",
        ]
        .iter()
        .chain(rotation)
        .map(|verb| format!("kms:{verb}"))
        .collect();
        verbs.sort();
        json!({"Sid": "LookAfter", "Effect": "Allow", "Principal": root, "Action": verbs, "Resource": "*"})
    };
    each_stack(|template, keys, name| {
        let mut expected: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut add = |resource: &str, statement| {
            let statements = expected.entry(resource.to_owned()).or_default();
            if !statements.contains(&statement) {
                statements.push(statement);
            }
        };
        let mut letters = keys.to_vec();
        letters.sort_unstable();
        // Sealed keys come last: one statement covers both.
        letters.sort_by_key(|(_, key)| kind(key).0);
        for (letter, key) in letters {
            let (sealed, _, algorithm) = kind(key);
            if sealed {
                let key = "WrappingKey";
                add("MaySign", allow("kms:Decrypt", key, Some(purpose())));
                let seal = "kms:GenerateDataKeyPairWithoutPlaintext";
                add("Keys", allow(seal, key, None));
                add(key, look_after(&["EnableKeyRotation"]));
                add(
                    key,
                    json!({
                        "Sid": "SealAndUnseal", "Effect": "Allow", "Principal": root,
                        "Action": ["kms:Decrypt", seal], "Resource": "*", "Condition": purpose(),
                    }),
                );
            } else {
                let key = format!("SigningKey{letter}");
                add("MaySign", allow("kms:Sign", &key, Some(only(algorithm))));
                add("Keys", allow("kms:GetPublicKey", &key, None));
                add(&key, look_after(&[]));
                add(
                    &key,
                    json!({
                        "Sid": "Sign", "Effect": "Allow", "Principal": root,
                        "Action": "kms:Sign", "Resource": "*", "Condition": only(algorithm),
                    }),
                );
            }
        }
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (resource, value) in template.resources() {
            let statements = statements(value);
            if !statements.is_empty() {
                found.insert(resource.clone(), statements);
            }
            let policies = value["Properties"]["Policies"].as_array();
            let policies = policies.into_iter().flatten();
            let named: Vec<_> = policies.filter_map(Value::as_str).collect();
            let signs = ["Login", "Password", "Session"].contains(&resource.as_str());
            assert_eq!(
                named,
                if signs { vec!["MaySign"] } else { vec![] },
                "{name}: {resource}"
            );
        }
        assert_eq!(found, expected, "{name}");
    });
}

/// Returns the values under `value` that refer to the stack's own table.
fn of_table(value: &Value) -> Vec<Value> {
    let names_table = |text: &str| text == "Table" || text.starts_with("Table.");
    match value {
        Value::Object(members) => {
            let own = ["Ref", "Fn::GetAtt"].map(|function| members.get(function));
            let mut own = own.into_iter().flatten().filter_map(Value::as_str);
            if own.any(names_table) {
                return vec![value.clone()];
            }
            members.values().flat_map(of_table).collect()
        }
        Value::Array(items) => items.iter().flat_map(of_table).collect(),
        Value::String(text) if text.contains("${Table") && !text.contains("${TableName}") => {
            vec![value.clone()]
        }
        _ => Vec::new(),
    }
}

#[test]
fn with_the_name_of_a_restored_table_nothing_uses_the_stack_s_own() {
    let own = crate::support::app::template([]);
    let restored = crate::support::app::template([("TableName", "latchkey-restored")]);
    assert!(own.resources().contains_key("Table"));
    assert!(!restored.resources().contains_key("Table"));
    let arn = json!({
        "Fn::Sub": "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableName}",
    });
    let mut policies = 0;
    for (name, resource) in restored.resources() {
        assert_eq!(of_table(resource), Vec::<Value>::new(), "{name}");
        // Whatever had the right to the own table has the right to the other one.
        let before = own.resources()[name]["Properties"]["Policies"].to_string();
        let table = json!({"Fn::GetAtt": "Table.Arn"}).to_string();
        let expected = before.replace(&table, &arn.to_string());
        let index = arn["Fn::Sub"].as_str().unwrap();
        let expected = expected.replace("${Table.Arn}", index);
        let after = resource["Properties"]["Policies"].to_string();
        assert_eq!(after, expected, "{name}");
        policies += before.matches(&table).count();
    }
    assert!(policies > 5, "{policies}");
    for (function, variables) in restored.environments() {
        let before = own.environments()[function].get("TABLE_NAME");
        let after = variables.get("TABLE_NAME").map(String::as_str);
        assert_eq!(after, before.map(|_| "latchkey-restored"), "{function}");
    }
    let monitored = &restored.resources()["MonitoringStack"]["Properties"]["Parameters"];
    assert_eq!(monitored["Table"], "latchkey-restored");
    // It stays in the account if the parameter takes it out of the stack.
    let document = crate::support::app::template_document();
    let document = document.value();
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        assert_eq!(document["Resources"]["Table"][policy], "Retain");
    }
    let output = &document["Outputs"]["TableName"]["Value"]["Fn::If"];
    assert_eq!(
        *output,
        json!(["OwnTable", {"Ref": "Table"}, {"Ref": "TableName"}])
    );
}

#[test]
fn no_secret_is_a_parameter() {
    for name in ["template.yaml", "monitoring.yaml"] {
        let yaml = std::fs::read_to_string(root().join(name)).unwrap();
        assert!(!yaml.contains("NoEcho"), "{name}");
    }
}

#[test]
fn the_custom_resource_has_the_time_that_its_answer_may_take() {
    let template = stack("AB", "RSA-2048", "sealed-RSA-2048");
    let resources = template.resources();
    let timeout = resources["Keys"]["Properties"]["Timeout"].as_u64().unwrap();
    // The rest is for the start of the process.
    assert!(
        Duration::from_secs(timeout) >= Keys::LONGEST + Duration::from_secs(3),
        "{timeout}"
    );
    let mut waited = 0;
    for resource in resources.values() {
        if resource["Type"].as_str().unwrap().starts_with("Custom::") {
            // Lambda retries twice, after one minute and after two.
            let waits = resource["Properties"]["ServiceTimeout"].as_u64().unwrap();
            assert!(waits >= 60 + 120 + 2 * timeout, "{resource}");
            waited += 1;
        }
    }
    assert_eq!(waited, 2);
}
