//! The keys of the stand-in for KMS, one kind for each way in which Latchkey uses a key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};

/// A key in KMS, or a pair that KMS has made.
pub(super) enum Key {
    Rsa(Arc<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    /// Encrypts data keys.
    Symmetric,
    /// Makes MACs.
    Hmac,
    /// Encrypts and does not sign.
    RsaForEncryption(Arc<RsaKeyPair>),
}

/// Returns the nth RSA key of every stand-in. All stand-ins share these keys, since generating one
/// takes longer than most tests.
fn rsa(size: KeySize, nth: usize) -> Arc<RsaKeyPair> {
    static MADE: Mutex<BTreeMap<(usize, usize), Arc<RsaKeyPair>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = made
        .entry((size.len(), nth))
        .or_insert_with(|| Arc::new(RsaKeyPair::generate(size).unwrap()));
    Arc::clone(key)
}

impl Key {
    /// Generates a key of this KMS spec. `rsa_keys` counts the RSA keys of a stand-in.
    pub(super) fn generate(spec: &str, rsa_keys: &AtomicUsize) -> Self {
        let rsa = |size| rsa(size, rsa_keys.fetch_add(1, Ordering::SeqCst));
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

    /// Returns the public half as a SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> Vec<u8> {
        let der = match self {
            Self::Rsa(key) | Self::RsaForEncryption(key) => key.public_key().as_der(),
            Self::Ec(key) => key.public_key().as_der(),
            Self::Ed(key) => key.public_key().as_der(),
            Self::Symmetric | Self::Hmac => panic!("a secret has no public half"),
        };
        let der: PublicKeyX509Der<'_> = der.unwrap();
        der.as_ref().to_vec()
    }

    /// Returns the private half in PKCS #8.
    pub(super) fn pkcs8(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
                der.as_ref().to_vec()
            }
            Self::Ec(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            _ => panic!("KMS makes no such pair"),
        }
    }

    /// Signs as KMS does. The kind of the key decides whether `message` is a digest or a message.
    pub(super) fn sign(&self, algorithm: &str, kind: &str, message: &[u8]) -> Vec<u8> {
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
