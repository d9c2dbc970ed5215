//! A stand-in for KMS: real keys, the four operations that Latchkey uses, and faults.

mod key;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::Ed25519KeyPair;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::headers::assert_names_latchkey;
use crate::listen;
use key::Key;

/// A fault of KMS in one request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// KMS fails with an internal error.
    Broken,
    /// The account's quota of signatures is used up.
    Throttled,
    /// The role has no permission, or none yet.
    Denied,
    /// The key is disabled.
    Disabled,
    /// KMS never answers.
    Silence,
    /// KMS signs something else.
    OtherSignature,
    /// KMS returns something that is not a signature.
    NoSignature,
}

/// The octets that KMS adds to a sealed key besides the context: header, key id, IV and tag.
const PADDING: usize = 128;

/// A stand-in for KMS with its own keys.
pub struct Kms {
    /// The base URL.
    pub url: String,
    keys: Mutex<BTreeMap<String, Key>>,
    /// The number of RSA keys that have been made.
    rsa_keys: AtomicUsize,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<Value>>,
}

impl Kms {
    /// Starts a stand-in without keys.
    pub async fn start() -> Arc<Self> {
        let (listener, url) = listen().await;
        let kms = Arc::new(Self {
            url,
            keys: Mutex::default(),
            rsa_keys: AtomicUsize::new(0),
            faults: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kms));
        tokio::spawn(async move { axum::serve(listener, router).await });
        kms
    }

    /// Returns the AWS variable `name` of a function whose KMS this is.
    pub fn variable(&self, name: &str) -> Option<String> {
        match name {
            "AWS_ENDPOINT_URL_KMS" => Some(self.url.clone()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_REGION" => {
                Some("local".to_owned())
            }
            _ => None,
        }
    }

    /// Returns the variables for a function that signs with a key of this KMS. `jwks` is the
    /// published key set, `signing_key` the ARN of the key or the sealed key.
    pub fn signing_environment(&self, jwks: &str, signing_key: &str) -> [(String, String); 3] {
        [
            ("AWS_ENDPOINT_URL_KMS", &*self.url),
            ("JWKS", jwks),
            ("SIGNING_KEY", signing_key),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    /// Makes a key of this KMS spec and returns its ARN. `encrypting RSA_2048` is an RSA key that
    /// does not sign.
    pub fn make(&self, spec: &str) -> String {
        let mut keys = self.keys.lock().unwrap();
        let id = format!("1234abcd-12ab-34cd-56ef-{:012}", keys.len());
        let arn = format!("arn:aws:kms:local:000000000000:key/{id}");
        keys.insert(arn.clone(), Key::generate(spec, &self.rsa_keys));
        arn
    }

    /// Returns a second ARN of the same key.
    pub fn copy(&self, arn: &str) -> String {
        let mut keys = self.keys.lock().unwrap();
        let Key::Ed(key) = &keys[arn] else {
            panic!("copies are made of Ed25519 keys");
        };
        let key = Ed25519KeyPair::from_pkcs8(key.to_pkcs8v1().unwrap().as_ref()).unwrap();
        let copy = format!("{arn}-copy");
        keys.insert(copy.clone(), Key::Ed(key));
        copy
    }

    /// Injects these faults into the next requests, one each.
    pub fn inject(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// Returns the requests since the last call, each with its `Operation`.
    pub fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn carry_out(&self, operation: &str, request: &Value, fault: Option<Fault>) -> (u16, Value) {
        let octets = |name: &str| STANDARD.decode(request[name].as_str().unwrap()).unwrap();
        let text = |name: &str| request[name].as_str().unwrap();
        let keys = self.keys.lock().unwrap();
        if operation == "Decrypt" {
            // The context, a zero, the key: longer than the key by as much as with KMS.
            let sealed = octets("CiphertextBlob");
            let bound = [request["EncryptionContext"].to_string().as_bytes(), &[0]].concat();
            return match sealed.strip_prefix(&*bound) {
                Some(key) => (200, json!({"Plaintext": STANDARD.encode(&key[PADDING..])})),
                None => refusal("InvalidCiphertextException", ""),
            };
        }
        let arn = text("KeyId");
        let Some(key) = keys.get(arn) else {
            return refusal("NotFoundException", &format!("Key '{arn}' does not exist"));
        };
        match (operation, key) {
            ("GetPublicKey", Key::Hmac | Key::Symmetric) => refusal(
                "UnsupportedOperationException",
                "HMAC and symmetric keys have no public half",
            ),
            ("GetPublicKey", key) => {
                let usage = match key {
                    Key::RsaForEncryption(_) => "ENCRYPT_DECRYPT",
                    _ => "SIGN_VERIFY",
                };
                let spki = STANDARD.encode(key.spki());
                (
                    200,
                    json!({"KeyId": arn, "PublicKey": spki, "KeyUsage": usage}),
                )
            }
            ("Sign", _) if request["DryRun"] == true => {
                refusal("DryRunOperationException", "it would succeed")
            }
            ("Sign", key) => {
                let signature = match fault {
                    Some(Fault::NoSignature) => b"no signature".to_vec(),
                    _ => {
                        let mut message = octets("Message");
                        if matches!(fault, Some(Fault::OtherSignature)) {
                            message[0] ^= 1;
                        }
                        key.sign(text("SigningAlgorithm"), text("MessageType"), &message)
                    }
                };
                (
                    200,
                    json!({"KeyId": arn, "Signature": STANDARD.encode(signature)}),
                )
            }
            ("GenerateDataKeyPairWithoutPlaintext", Key::Symmetric) => {
                let pair = Key::generate(text("KeyPairSpec"), &self.rsa_keys);
                let context = request["EncryptionContext"].to_string();
                let sealed = [context.as_bytes(), &[0; 1 + PADDING], &pair.pkcs8()].concat();
                (
                    200,
                    json!({
                        "KeyId": arn,
                        "PublicKey": STANDARD.encode(pair.spki()),
                        "PrivateKeyCiphertextBlob": STANDARD.encode(sealed),
                    }),
                )
            }
            _ => refusal("InvalidKeyUsageException", "the key is for something else"),
        }
    }
}

fn refusal(code: &str, message: &str) -> (u16, Value) {
    (400, json!({"__type": code, "message": message}))
}

async fn answer(State(kms): State<Arc<Kms>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    assert_names_latchkey(&headers);
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.strip_prefix("TrentService.").unwrap();
    let mut request: Value = shared::platform::json::parse(&body).unwrap();
    request["Operation"] = json!(operation);
    kms.asked.lock().unwrap().push(request.clone());
    let fault = kms.faults.lock().unwrap().pop_front();
    let (status, answer) = match fault {
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Broken) => (
            500,
            json!({"__type": "KMSInternalException", "message": "broken"}),
        ),
        Some(Fault::Throttled) => refusal("ThrottlingException", "Rate exceeded"),
        Some(Fault::Denied) => refusal("AccessDeniedException", "not authorized to perform this"),
        Some(Fault::Disabled) => refusal("DisabledException", "the key is disabled"),
        other => kms.carry_out(operation, &request, other),
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(Body::from(answer.to_string()))
        .unwrap()
}
