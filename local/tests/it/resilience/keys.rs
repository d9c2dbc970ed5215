//! The custom resources that pass the stack's keys to the functions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use keys::Keys;
use serde_json::{Value, json};
use shared::platform::config::Env;
use shared::tokens::jwks::KeySet;
use testkit::cloudformation::CloudFormation;
use testkit::kms::{Fault, Kms};

use crate::support::app::text;

fn create(keys: &[&str]) -> Value {
    json!({
        "RequestType": "Create", "ResourceType": "Custom::LatchkeyKeySet",
        "ResourceProperties": {"ServiceToken": "arn", "ServiceTimeout": "300", "Keys": keys},
    })
}

fn seal(wrapping: &str, spec: &str) -> Value {
    json!({
        "RequestType": "Create", "ResourceType": "Custom::LatchkeySealedKey",
        "ResourceProperties": {"WrappingKey": wrapping, "Spec": spec},
    })
}

async fn stand_ins() -> (Arc<Kms>, Arc<CloudFormation>) {
    (Kms::start().await, CloudFormation::start().await)
}

/// Returns the reason of a refusal, after checking that CloudFormation can process it.
#[track_caller]
fn reason(answer: &Value) -> String {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    assert_ne!(text(answer, "PhysicalResourceId"), "");
    assert_eq!(answer["Data"], Value::Null);
    text(answer, "Reason")
}

#[tokio::test]
async fn a_key_set_has_the_public_halves_of_keys_of_all_kinds_and_names_the_first() {
    let (kms, cloudformation) = stand_ins().await;
    let specs = [
        "RSA_2048",
        "RSA_3072",
        "ECC_NIST_P256",
        "ECC_NIST_EDWARDS25519",
    ];
    let arns = specs.map(|spec| kms.make(spec));
    let answer = cloudformation
        .ask(&kms, create(&[&arns[0], &arns[1], &arns[2], &arns[3]]))
        .await;
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    for (name, value) in [
        ("LogicalResourceId", "KeySet"),
        ("RequestId", "5678"),
        (
            "StackId",
            "arn:aws:cloudformation:local:000000000000:stack/latchkey/1",
        ),
    ] {
        assert_eq!(answer[name], value, "{answer}");
    }
    let jwks = text(&answer["Data"], "Jwks");
    assert!(KeySet::parse(&jwks).is_ok());
    let set: Value = serde_json::from_str(&jwks).unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(answer["Data"]["SigningKid"], keys[0]["kid"]);
    let algorithms: Vec<_> = keys.iter().map(|key| text(key, "alg")).collect();
    assert_eq!(algorithms, ["RS256", "RS256", "ES256", "EdDSA"]);
    for key in keys {
        assert_eq!(key["use"], "sig");
        assert_eq!(text(key, "kid").len(), 43, "a SHA-256 thumbprint");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(key[private], Value::Null);
        }
    }
}

#[tokio::test]
async fn an_update_keeps_the_key_set_s_identity_and_a_deletion_touches_nothing() {
    let (kms, cloudformation) = stand_ins().await;
    let (a, b) = (kms.make("ECC_NIST_P256"), kms.make("ECC_NIST_P256"));
    let made = cloudformation.ask(&kms, create(&[&a])).await;
    let mut update = create(&[&b, &a]);
    update["RequestType"] = json!("Update");
    update["PhysicalResourceId"] = made["PhysicalResourceId"].clone();
    update["OldResourceProperties"] = json!({"Keys": [&a]});
    let updated = cloudformation.ask(&kms, update.clone()).await;
    assert_eq!(updated["Status"], "SUCCESS");
    assert_eq!(updated["PhysicalResourceId"], made["PhysicalResourceId"]);
    assert_ne!(updated["Data"]["SigningKid"], made["Data"]["SigningKid"]);

    kms.asked();
    update["RequestType"] = json!("Delete");
    let deleted = cloudformation.ask(&kms, update).await;
    assert_eq!(deleted["Status"], "SUCCESS");
    assert_eq!(deleted["PhysicalResourceId"], made["PhysicalResourceId"]);
    // The remains of a failed creation are deleted as well.
    let mut failed = create(&[]);
    failed["RequestType"] = json!("Delete");
    failed["PhysicalResourceId"] = json!("not-made");
    failed["ResourceType"] = json!("Custom::Other");
    assert_eq!(cloudformation.ask(&kms, failed).await["Status"], "SUCCESS");
    assert_eq!(kms.asked(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_key_that_cannot_verify_tokens_is_refused_with_the_reason() {
    let (kms, cloudformation) = stand_ins().await;
    let ed = kms.make("ECC_NIST_EDWARDS25519");
    let copy = kms.copy(&ed);
    let hmac = kms.make("HMAC_256");
    let p384 = kms.make("ECC_NIST_P384");
    let encrypts = kms.make("encrypting RSA_2048");
    let alias = "arn:aws:kms:local:000000000000:alias/latchkey";
    let absent = "arn:aws:kms:local:000000000000:key/absent";
    for (keys, expected) in [
        (vec![&*ed, &*ed], "are the same key"),
        (vec![&*ed, &*copy], "are the same key"),
        (
            vec![&*hmac],
            "UnsupportedOperationException: HMAC and symmetric keys have no public half",
        ),
        (
            vec![&*ed, &*p384],
            "is not an RSA (2048 bits or more), P-256 or Ed25519 key",
        ),
        (
            vec![&*encrypts],
            "its usage is ENCRYPT_DECRYPT, not SIGN_VERIFY",
        ),
        (
            vec![absent],
            "NotFoundException: Key 'arn:aws:kms:local:000000000000:key/absent'",
        ),
        (vec![alias], "Keys must name KMS keys by their own ARNs"),
        (vec!["bm8ga2V5"], "the key bm8ga2V5 is not an RSA"),
        (vec!["no key"], "the key no key is not an RSA"),
        (vec![], "Keys must list ARNs of KMS keys"),
    ] {
        let answer = cloudformation.ask(&kms, create(&keys)).await;
        let reason = reason(&answer);
        assert!(reason.contains(expected), "{keys:?}: {reason}");
    }
    for (properties, kind, expected) in [
        (
            json!({"Keys": "arn"}),
            "Custom::LatchkeyKeySet",
            "Keys must list",
        ),
        (Value::Null, "Custom::LatchkeyKeySet", "Keys must list"),
        (
            json!({"Keys": [ed]}),
            "Custom::Other",
            "there is no resource type \"Custom::Other\"",
        ),
        (
            json!({"Spec": "RSA_2048"}),
            "Custom::LatchkeySealedKey",
            "WrappingKey must be",
        ),
        (
            json!({"WrappingKey": "arn", "Spec": "RSA_3072"}),
            "Custom::LatchkeySealedKey",
            "Spec one of RSA_2048, ECC_NIST_P256 and ECC_NIST_EDWARDS25519",
        ),
    ] {
        let asked = json!({
            "RequestType": "Create", "ResourceType": kind, "ResourceProperties": properties,
        });
        let reason = reason(&cloudformation.ask(&kms, asked).await);
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_sealed_key_s_private_half_is_never_in_the_answer() {
    let (kms, cloudformation) = stand_ins().await;
    let wrapping = kms.make("SYMMETRIC_DEFAULT");
    let mut before = Value::Null;
    for spec in ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"] {
        let answer = cloudformation.ask(&kms, seal(&wrapping, spec)).await;
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        let asked = kms.asked().pop().unwrap();
        assert_eq!(asked["Operation"], "GenerateDataKeyPairWithoutPlaintext");
        assert_eq!(
            asked["EncryptionContext"]["purpose"],
            "latchkey-signing-key"
        );
        // The key set uses this public half, and asks KMS for nothing.
        let public = text(&answer["Data"], "PublicKey");
        let (_, kid) = cloudformation.key_set(&kms, &[&public]).await;
        assert_eq!(answer["PhysicalResourceId"], kid);
        assert_ne!(answer["PhysicalResourceId"], before);
        before = answer["PhysicalResourceId"].clone();
        assert_eq!(kms.asked(), Vec::<Value>::new());
        assert!(text(&answer["Data"], "SigningKey").starts_with("sealed:"));
    }
    let signing = kms.make("ECC_NIST_P256");
    let reason = reason(&cloudformation.ask(&kms, seal(&signing, "RSA_2048")).await);
    assert!(reason.contains("InvalidKeyUsageException"), "{reason}");
}

#[tokio::test]
async fn cloudformation_is_told_whatever_kms_does() {
    let (kms, cloudformation) = stand_ins().await;
    let key = kms.make("ECC_NIST_P256");
    for (fault, tries, expected) in [
        (Fault::Broken, 3, "KMSInternalException: broken"),
        (Fault::Disabled, 1, "DisabledException: the key is disabled"),
        (Fault::Throttled, 3, "ThrottlingException: Rate exceeded"),
        (Fault::Silence, 3, "timed out"),
    ] {
        kms.inject(&vec![fault; tries]);
        let reason = reason(&cloudformation.ask(&kms, create(&[&key])).await);
        assert!(reason.contains(expected), "{fault:?}: {reason}");
        assert!(reason.contains(&key), "{reason}");
    }
}

#[tokio::test]
async fn a_role_that_is_not_known_everywhere_yet_is_waited_for() {
    let (kms, cloudformation) = stand_ins().await;
    let key = kms.make("ECC_NIST_P256");
    let wrapping = kms.make("SYMMETRIC_DEFAULT");
    for asked in [create(&[&key]), seal(&wrapping, "ECC_NIST_P256")] {
        kms.inject(&[Fault::Denied; 9]);
        let answer = cloudformation.ask(&kms, asked.clone()).await;
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        kms.inject(&[Fault::Denied; 10]);
        let reason = reason(&cloudformation.ask(&kms, asked).await);
        assert!(
            reason.contains("AccessDeniedException: not authorized"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_not_accepted_is_sent_again() {
    let (kms, cloudformation) = stand_ins().await;
    let key = kms.make("ECC_NIST_P256");
    cloudformation.refusals.store(2, Ordering::SeqCst);
    let lookup = |name: &str| match name {
        "AWS_REGION" => Some("local".to_owned()),
        _ => name.starts_with("AWS_").then(|| kms.url.clone()),
    };
    let pause = Duration::from_millis(300);
    let keys = Arc::new(Keys::from_env(&Env::new(&lookup)).with_pause(pause));
    let began = Instant::now();
    keys.answer(&cloudformation.event_of(create(&[&key])))
        .await
        .unwrap();
    assert_eq!(cloudformation.answer()["Status"], "SUCCESS");
    assert!(began.elapsed() >= pause * 2, "there is a pause between");

    // Lambda itself retries a failed asynchronous event.
    cloudformation.refusals.store(3, Ordering::SeqCst);
    let keys = Arc::new(Keys::from_env(&Env::new(&lookup)).with_pause(Duration::ZERO));
    let event = cloudformation.event_of(create(&[&key]));
    let error = keys.answer(&event).await.unwrap_err();
    assert_eq!(error.to_string(), "CloudFormation was not told");

    // Three times also if no answer arrives.
    cloudformation.answers();
    cloudformation.silent.store(true, Ordering::SeqCst);
    let keys = Keys::from_env(&Env::new(&lookup)).with_pause(Duration::ZERO);
    let keys = Arc::new(keys.with_delivery_timeout(Duration::from_millis(200)));
    let error = keys.answer(&event).await.unwrap_err();
    assert_eq!(
        shared::observe::logging::chain(&error),
        "CloudFormation was not told: it took too long"
    );
    assert_eq!(cloudformation.answers(), 3);
}

#[tokio::test]
async fn an_event_that_is_no_request_is_answered_too() {
    let (kms, cloudformation) = stand_ins().await;
    for (asked, expected) in [
        (json!({}), "there is no request type \"\""),
        (
            json!({"RequestType": 7, "ResourceType": [], "StackId": {}}),
            "there is no request type \"\"",
        ),
        (
            json!({"RequestType": "Replace"}),
            "there is no request type \"Replace\"",
        ),
        (
            json!({"RequestType": "Create", "ResourceProperties": "none"}),
            "there is no resource type \"\"",
        ),
    ] {
        let reason = reason(&cloudformation.ask(&kms, asked).await);
        assert!(reason.starts_with(expected), "{reason}");
    }
    // If there is nobody to answer, the invocation fails.
    let keys = Arc::new(Keys::from_env(&Env::new(&|_| None)));
    for nobody in [
        json!({}),
        json!({"ResponseURL": 7}),
        Value::Null,
        json!([1]),
    ] {
        let error = keys.answer(&nobody).await.unwrap_err();
        assert_eq!(
            shared::observe::logging::chain(&error),
            "CloudFormation was not told: the event has no ResponseURL"
        );
    }
}

#[tokio::test]
async fn an_update_of_a_sealed_key_makes_another_pair_only_if_it_must() {
    let (kms, cloudformation) = stand_ins().await;
    let (wrapping, other) = (kms.make("SYMMETRIC_DEFAULT"), kms.make("SYMMETRIC_DEFAULT"));
    let made = cloudformation
        .ask(&kms, seal(&wrapping, "ECC_NIST_P256"))
        .await;
    kms.asked();
    let update = |wrapping: &str, spec: &str, old: Value| {
        let mut asked = seal(wrapping, spec);
        asked["RequestType"] = json!("Update");
        asked["PhysicalResourceId"] = made["PhysicalResourceId"].clone();
        asked["ResourceProperties"]["ServiceTimeout"] = json!("200");
        asked["OldResourceProperties"] = old;
        asked
    };
    // The timeout changes, there and back.
    for timeout in ["300", "200"] {
        let old =
            json!({"WrappingKey": wrapping, "Spec": "ECC_NIST_P256", "ServiceTimeout": timeout});
        let answer = cloudformation
            .ask(&kms, update(&wrapping, "ECC_NIST_P256", old))
            .await;
        let reason = reason(&answer);
        assert!(
            reason.starts_with("neither WrappingKey nor Spec has changed"),
            "{reason}"
        );
        assert_eq!(
            answer["PhysicalResourceId"], made["PhysicalResourceId"],
            "nothing is deleted"
        );
        assert_eq!(kms.asked(), Vec::<Value>::new());
    }
    for (wrapping, spec, old) in [
        (
            &wrapping,
            "ECC_NIST_EDWARDS25519",
            json!({"WrappingKey": wrapping, "Spec": "ECC_NIST_P256"}),
        ),
        (
            &other,
            "ECC_NIST_P256",
            json!({"WrappingKey": wrapping, "Spec": "ECC_NIST_P256"}),
        ),
        (&wrapping, "ECC_NIST_P256", json!({"WrappingKey": wrapping})),
    ] {
        let answer = cloudformation.ask(&kms, update(wrapping, spec, old)).await;
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        assert_ne!(answer["PhysicalResourceId"], made["PhysicalResourceId"]);
    }
}

#[tokio::test]
async fn a_function_without_its_configuration_answers_too() {
    let cloudformation = CloudFormation::start().await;
    let keys = Arc::new(Keys::from_env(&Env::new(&|_| None)));
    let event = cloudformation.event_of(create(&["arn:x:key/y"]));
    keys.answer(&event).await.unwrap();
    let reason = reason(&cloudformation.answer());
    assert_eq!(
        reason,
        "AWS_ACCESS_KEY_ID is not set; set it to the id of an access key"
    );
}
