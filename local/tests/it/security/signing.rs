//! Tokens signed with keys in KMS, and with keys that KMS has sealed.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use testkit::kms::Fault;

use crate::support::app::{PASSWORD, event, logged, registration, segment, text};
use crate::support::stack::{Stack, Stage};

fn credentials() -> Value {
    json!({"email": "ada@example.com", "password": PASSWORD})
}

impl Stack {
    async fn register(&self) {
        let body = registration("ada@example.com");
        assert_eq!(self.post("register", "/register", body).await.0, 201);
    }

    async fn login(&self) -> (u64, Value) {
        self.post("login", "/login", credentials()).await
    }

    async fn refresh(&self, tokens: &Value) -> (u64, Value) {
        let body = json!({"refresh_token": tokens["refresh_token"]});
        self.post("session", "/refresh", body).await
    }

    fn operations(&self) -> Vec<String> {
        let asked = self.kms.asked();
        asked.iter().map(|asked| text(asked, "Operation")).collect()
    }
}

#[tokio::test]
async fn kms_signs_with_keys_of_each_kind_and_is_asked_once_a_token() {
    for (spec, alg) in [
        ("RSA_2048", "RS256"),
        ("RSA_3072", "RS256"),
        ("ECC_NIST_P256", "ES256"),
        ("ECC_NIST_EDWARDS25519", "EdDSA"),
    ] {
        let stack = Stack::with_key(spec).await;
        stack.register().await;
        let (status, tokens) = stack.login().await;
        assert_eq!(status, 200, "{spec}: {tokens}");
        assert_eq!(stack.operations(), ["Sign"], "{spec}");
        let token = text(&tokens, "access_token");
        assert_eq!(segment(&token, 0)["alg"], alg);
        assert_eq!(stack.profile(&token).await, (200, 200), "{spec}");
        assert_eq!(stack.refresh(&tokens).await.0, 200);
        assert_eq!(stack.operations(), ["Sign"], "{spec}");
    }
}

#[tokio::test]
async fn kms_is_not_asked_for_a_wrong_password_or_an_invalid_token() {
    let stack = Stack::with_key("ECC_NIST_P256").await;
    stack.register().await;
    let wrong = json!({"email": "ada@example.com", "password": "another password altogether"});
    assert_eq!(stack.post("login", "/login", wrong).await.0, 401);
    let guess = json!({"refresh_token": "lkr_AAAA"});
    assert_eq!(stack.post("session", "/refresh", guess).await.0, 401);
    assert_eq!(stack.operations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_fault_of_kms_is_503_and_leaves_nothing_behind() {
    let stack = Stack::with_key("ECC_NIST_P256").await;
    stack.register().await;
    for fault in [
        Fault::Broken,
        Fault::Throttled,
        Fault::Denied,
        Fault::Disabled,
        Fault::Silence,
    ] {
        // As often as the SDK tries. An error that does not pass by itself is tried once.
        let tries = if matches!(fault, Fault::Denied | Fault::Disabled) {
            1
        } else {
            3
        };
        let before = stack.app.items().await;
        stack.kms.inject(&vec![fault; tries]);
        let (status, problem) = stack.login().await;
        assert_eq!(
            (status, &problem["code"]),
            (503, &json!("unavailable")),
            "{fault:?}"
        );
        assert_eq!(stack.operations().len(), tries, "{fault:?}");
        assert_eq!(stack.app.items().await, before, "{fault:?}");

        let (status, tokens) = stack.login().await;
        assert_eq!(status, 200, "{fault:?}: a retry heals it");
        let before = stack.app.items().await;
        stack.kms.asked();
        stack.kms.inject(&vec![fault; tries]);
        assert_eq!(stack.refresh(&tokens).await.0, 503, "{fault:?}");
        assert_eq!(stack.app.items().await, before, "{fault:?}");
        assert_eq!(
            stack.refresh(&tokens).await.0,
            200,
            "{fault:?}: no session is lost"
        );
        stack.kms.asked();
    }
}

#[tokio::test]
async fn a_change_of_the_password_whose_tokens_cannot_be_signed_changes_nothing() {
    let stack = Stack::with_key("ECC_NIST_P256").await;
    stack.register().await;
    let (_, tokens) = stack.login().await;
    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let token = text(&tokens, "access_token");
    let change = || event("POST", "/password/change", &body, Some(&token));
    let before = stack.app.items().await;
    stack.kms.inject(&[Fault::Denied]);
    assert_eq!(stack.ask("password", change()).await.0, 503);
    assert_eq!(stack.app.items().await, before);
    stack.kms.asked();
    let (status, changed) = stack.ask("password", change()).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(stack.operations(), ["Sign"]);
    assert_eq!(stack.refresh(&tokens).await.0, 401);
    assert_eq!(stack.refresh(&changed).await.0, 200);
}

#[tokio::test]
async fn while_kms_fails_nobody_with_the_right_password_has_to_wait() {
    let stack = Stack::with_key("ECC_NIST_P256").await;
    stack.register().await;
    // From a source that has never logged in, and from one that has.
    for _ in 0..2 {
        for time in 1..=12 {
            stack.kms.inject(&[Fault::Denied]);
            assert_eq!(stack.login().await.0, 503, "time {time}");
        }
        assert_eq!(stack.login().await.0, 200);
    }
}

#[tokio::test]
async fn a_token_that_is_too_long_for_an_ed25519_key_in_kms_is_an_error_that_says_why() {
    let roles = |count: usize| {
        let roles = (0..count).map(|n| AttributeValue::S(format!("role-with-a-long-name-{n:03}")));
        AttributeValue::L(roles.collect())
    };
    for spec in ["ECC_NIST_EDWARDS25519", "ECC_NIST_P256"] {
        let stack = Stack::with_key(spec).await;
        let body = registration("ada@example.com");
        let (_, account) = stack.post("register", "/register", body).await;
        let id = text(&account, "id");
        // Only a little more than half of what KMS accepts passes.
        stack.app.set_attribute(&id, "roles", roles(60)).await;
        assert_eq!(stack.login().await.0, 200, "{spec}");
        assert_eq!(stack.operations(), ["Sign"]);
        stack.app.set_attribute(&id, "roles", roles(120)).await;
        let (status, _) = stack.login().await;
        if spec == "ECC_NIST_P256" {
            // KMS signs a digest.
            assert_eq!(status, 200);
            continue;
        }
        // The error is permanent: the answer is not 503, and KMS is not asked.
        assert_eq!(status, 500);
        assert_eq!(stack.operations(), Vec::<String>::new());
        let log = Value::from(logged()).to_string();
        assert!(
            log.contains(
                "KMS signs at most 4096 with an Ed25519 key: give the account fewer roles"
            ),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_token_that_another_key_signed_is_never_returned() {
    for spec in ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"] {
        let stack = Stack::with_key(spec).await;
        stack.register().await;
        let before = stack.app.items().await;
        stack.kms.inject(&[Fault::OtherSignature]);
        assert_eq!(stack.login().await.0, 500, "{spec}");
        stack.kms.inject(&[Fault::NoSignature]);
        assert!(stack.login().await.0 >= 500, "{spec}");
        assert_eq!(stack.app.items().await, before, "{spec}");
        assert_eq!(stack.login().await.0, 200, "{spec}");
    }
}

async fn sealed(spec: &str) -> (Stack, Stage) {
    let stack = Stack::start().await;
    let wrapping = stack.kms.make("SYMMETRIC_DEFAULT");
    let (public, key) = stack
        .cloudformation
        .sealed_key(&stack.kms, &wrapping, spec)
        .await;
    let stage = stack.stage(&[&public], &key).await;
    stack.deploy_all(&stage);
    stack.kms.asked();
    stack.register().await;
    (stack, stage)
}

#[tokio::test]
async fn a_sealed_key_is_unsealed_once_and_signs_without_kms() {
    for (spec, alg) in [
        ("RSA_2048", "RS256"),
        ("ECC_NIST_P256", "ES256"),
        ("ECC_NIST_EDWARDS25519", "EdDSA"),
    ] {
        let (stack, stage) = sealed(spec).await;
        for _ in 0..3 {
            let (status, tokens) = stack.login().await;
            assert_eq!(status, 200, "{spec}: {tokens}");
            let token = text(&tokens, "access_token");
            assert_eq!(segment(&token, 0)["alg"], alg);
            assert_eq!(stack.profile(&token).await, (200, 200), "{spec}");
        }
        assert_eq!(stack.operations(), ["Decrypt"], "{spec}");
        // A new process unseals the key again.
        stack.deploy("login", &stage);
        assert_eq!(stack.login().await.0, 200);
        assert_eq!(stack.operations(), ["Decrypt"], "{spec}");
    }
}

#[tokio::test]
async fn a_sealed_key_that_kms_does_not_unseal_is_503_until_it_does() {
    let (stack, _) = sealed("ECC_NIST_P256").await;
    let before = stack.app.items().await;
    stack.kms.inject(&[Fault::Denied, Fault::Disabled]);
    assert_eq!(stack.login().await.0, 503);
    assert_eq!(stack.login().await.0, 503);
    assert_eq!(stack.app.items().await, before);
    assert_eq!(stack.login().await.0, 200);
}

#[tokio::test]
async fn a_sealed_key_that_is_not_the_published_one_never_signs() {
    let (stack, stage) = sealed("ECC_NIST_P256").await;
    let wrapping = stack.kms.make("SYMMETRIC_DEFAULT");
    let (_, other) = stack
        .cloudformation
        .sealed_key(&stack.kms, &wrapping, "ECC_NIST_P256")
        .await;
    let before = stack.app.items().await;
    stack.deploy(
        "login",
        &Stage {
            key: other,
            ..stage.clone()
        },
    );
    assert_eq!(stack.login().await.0, 500);
    // A key that was sealed for something else, or not sealed at all, does not sign either.
    stack.deploy(
        "login",
        &Stage {
            key: "sealed:e30=".to_owned(),
            ..stage
        },
    );
    assert_eq!(stack.login().await.0, 503);
    assert_eq!(stack.app.items().await, before);
}
