//! A stand-in for KMS: real keys, the four operations that Latchkey asks for, and faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What KMS does instead of what it is asked.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// A fault of its own.
    Broken,
    /// The account's quota of signatures is used up.
    Throttled,
    /// The role may not, or may not yet.
    Denied,
    /// The key is not in a state to be used.
    Disabled,
    /// Never answered.
    Silence,
    /// Another key's signature.
    OtherSignature,
    /// No signature at all.
    NoSignature,
}

/// With the context, what KMS adds to a key that it seals: header, key id, IV and tag.
const PADDING: usize = 128;

pub struct StandIn {
    pub url: String,
    keys: Mutex<BTreeMap<String, Key>>,
    /// How many RSA keys it has made.
    rsa: AtomicUsize,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<Value>>,
}

enum Key {
    Rsa(Arc<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    /// Encrypts data keys.
    Symmetric,
    /// Makes MACs.
    Hmac,
    /// Encrypts, and does not sign.
    RsaForEncryption(Arc<RsaKeyPair>),
}

/// The nth RSA key of a stand-in. They have the same ones: making one takes longer than most tests.
fn rsa(size: KeySize, nth: usize) -> Arc<RsaKeyPair> {
    static MADE: Mutex<BTreeMap<(usize, usize), Arc<RsaKeyPair>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = made
        .entry((size.len(), nth))
        .or_insert_with(|| Arc::new(RsaKeyPair::generate(size).unwrap()));
    Arc::clone(key)
}

impl Key {
    fn made(spec: &str, rsa_made: &AtomicUsize) -> Self {
        let rsa = |size| rsa(size, rsa_made.fetch_add(1, Ordering::SeqCst));
        let ec = |curve: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate(curve).unwrap();
        match spec {
            "RSA_2048" => Self::Rsa(rsa(KeySize::Rsa2048)),
            "RSA_3072" => Self::Rsa(rsa(KeySize::Rsa3072)),
            "ECC_NIST_P256" => Self::Ec(ec(&ECDSA_P256_SHA256_ASN1_SIGNING)),
            "ECC_NIST_P384" => Self::Ec(ec(&ECDSA_P384_SHA384_ASN1_SIGNING)),
            "ECC_NIST_EDWARDS25519" => Self::Ed(Ed25519KeyPair::generate().unwrap()),
            "SYMMETRIC_DEFAULT" => Self::Symmetric,
            "HMAC_256" => Self::Hmac,
            "encrypting RSA_2048" => Self::RsaForEncryption(rsa(KeySize::Rsa2048)),
            other => panic!("no key of spec {other}"),
        }
    }

    fn spki(&self) -> Vec<u8> {
        let der = match self {
            Self::Rsa(key) | Self::RsaForEncryption(key) => key.public_key().as_der(),
            Self::Ec(key) => key.public_key().as_der(),
            Self::Ed(key) => key.public_key().as_der(),
            Self::Symmetric | Self::Hmac => panic!("a secret has no public half"),
        };
        let der: PublicKeyX509Der<'_> = der.unwrap();
        der.as_ref().to_vec()
    }

    fn pkcs8(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
                der.as_ref().to_vec()
            }
            Self::Ec(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            _ => panic!("no pair"),
        }
    }

    /// Signs as KMS does, which takes a digest or a message as the key's kind wants it.
    fn sign(&self, algorithm: &str, kind: &str, message: &[u8]) -> Vec<u8> {
        let digest = || Digest::import_less_safe(message, &SHA256).unwrap();
        match (self, algorithm, kind) {
            (Self::Rsa(key), "RSASSA_PKCS1_V1_5_SHA_256", "DIGEST") => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(&RSA_PKCS1_SHA256, &digest(), &mut signature)
                    .unwrap();
                signature
            }
            (Self::Ec(key), "ECDSA_SHA_256", "DIGEST") => {
                key.sign_digest(&digest()).unwrap().as_ref().to_vec()
            }
            (Self::Ed(key), "ED25519_SHA_512", "RAW") if message.len() <= 4096 => {
                key.sign(message).as_ref().to_vec()
            }
            _ => panic!("KMS would refuse {algorithm} of a {kind} message here"),
        }
    }
}

impl StandIn {
    pub async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            keys: Mutex::default(),
            rsa: AtomicUsize::new(0),
            faults: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&stand_in));
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }

    /// Makes a key, and gives its ARN.
    pub fn make(&self, spec: &str) -> String {
        let mut keys = self.keys.lock().unwrap();
        let id = format!("1234abcd-12ab-34cd-56ef-{:012}", keys.len());
        let arn = format!("arn:aws:kms:local:000000000000:key/{id}");
        keys.insert(arn.clone(), Key::made(spec, &self.rsa));
        arn
    }

    /// Lets another ARN mean the same key.
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

    /// Does these in turn, in place of what it is asked.
    pub fn will(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// The requests since the last time, each with its `Operation`.
    pub fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn carry_out(&self, operation: &str, request: &Value, fault: Option<Fault>) -> (u16, Value) {
        let octets = |name: &str| STANDARD.decode(request[name].as_str().unwrap()).unwrap();
        let text = |name: &str| request[name].as_str().unwrap();
        let keys = self.keys.lock().unwrap();
        if operation == "Decrypt" {
            // The context, a zero, the key: as much longer than the key as with KMS.
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
                let pair = Key::made(text("KeyPairSpec"), &self.rsa);
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

/// Checks that a request to AWS says who sends it, in one word, and nothing else of the SDK's own: an
/// SDK of another version might add its headers again.
pub fn assert_lean(headers: &HeaderMap) {
    let agents: Vec<_> = headers.get_all("user-agent").iter().collect();
    assert_eq!(agents, [concat!("latchkey/", env!("CARGO_PKG_VERSION"))]);
    for name in [
        "x-amz-user-agent",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
    ] {
        assert!(!headers.contains_key(name), "{name} was sent");
    }
}

async fn answer(
    State(kms): State<Arc<StandIn>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    assert_lean(&headers);
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.strip_prefix("TrentService.").unwrap();
    let mut request: Value = serde_json::from_slice(&body).unwrap();
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
