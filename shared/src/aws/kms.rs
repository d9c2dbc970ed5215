//! Keys in KMS. No other module knows KMS.

use std::error::Error;

use aws_lc_rs::digest::{SHA256, digest};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::aws::json_service::{CallError, JsonService, ServiceNames};
use crate::aws::{self, Stopwatch};
use crate::observe::request_log::{longest, one_more, record};
use crate::platform::config::{ConfigError, Env};

/// The operations of KMS that signing keys need.
pub struct Kms {
    service: JsonService,
}

/// A failed operation of KMS.
#[derive(Debug, thiserror::Error)]
#[error("KMS did not {operation}")]
pub struct KmsError {
    operation: &'static str,
    denied: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl KmsError {
    fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            operation,
            denied: false,
            source: source.into(),
        }
    }

    /// Returns whether KMS denied access to the role. It also does so for some seconds after access
    /// has been granted.
    pub fn is_denied(&self) -> bool {
        self.denied
    }
}

/// A key pair whose private half is encrypted under a key that never leaves KMS.
pub struct SealedPair {
    /// The public half in DER (SubjectPublicKeyInfo).
    pub public: Vec<u8>,
    /// The private half, encrypted.
    pub private: Vec<u8>,
}

impl Kms {
    /// The encryption context of a sealed key. KMS unseals the key only for this purpose, and a
    /// policy can require it (`kms:EncryptionContext:purpose`).
    const PURPOSE: (&'static str, &'static str) = ("purpose", "latchkey-signing-key");
    const NAMES: ServiceNames = ServiceNames {
        signing: "kms",
        target: "TrentService",
    };

    /// Reads the settings of [`aws::config`], with `AWS_ENDPOINT_URL_KMS`.
    ///
    /// # Errors
    ///
    /// Returns an error if a required setting is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let config = aws::config(env, "AWS_ENDPOINT_URL_KMS")?;
        let stopwatch = Stopwatch::adding(|log, took| longest(&mut log.kms_ms, took));
        Ok(Self {
            service: JsonService::new(&config, Self::NAMES, stopwatch)?,
        })
    }

    /// Returns the signature of `message` with the key `arn`, in the form of RFC 7518 section 3.
    ///
    /// # Errors
    ///
    /// Returns an error if KMS does not answer, or if its answer is not such a signature.
    pub(crate) async fn sign(
        &self,
        arn: &str,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, KmsError> {
        const OPERATION: &str = "sign";
        let request = SignRequest::new(arn, algorithm, message);
        let answer: SignAnswer = self.ask(OPERATION, SIGN, &request).await?;
        let signature = octets(OPERATION, &answer.signature)?;
        if algorithm != Algorithm::ES256 {
            return Ok(signature);
        }
        fixed(&signature)
            .ok_or_else(|| KmsError::new(OPERATION, "its answer is not an ECDSA signature"))
    }

    /// Checks that the key `arn` can sign. This makes no signature, but opens the connection to
    /// KMS.
    ///
    /// # Errors
    ///
    /// Returns an error if the key cannot sign or KMS does not answer.
    pub(crate) async fn warm_up(&self, arn: &str, algorithm: Algorithm) -> Result<(), KmsError> {
        let mut request = SignRequest::new(arn, algorithm, b"warm-up");
        request.dry_run = Some(true);
        match self.service.call::<SignAnswer>(SIGN, &request).await {
            // This error means that the request would have succeeded.
            Err(fault) if fault.code() == Some("DryRunOperationException") => Ok(()),
            answer => answer.map(drop).map_err(failed("dry-run a signature")),
        }
    }

    /// Returns the private half of a sealed pair, in DER (PKCS#8).
    ///
    /// # Errors
    ///
    /// Returns an error if KMS does not answer, or if KMS did not seal `sealed` for this purpose.
    pub(crate) async fn unseal(&self, sealed: &[u8]) -> Result<Vec<u8>, KmsError> {
        const OPERATION: &str = "unseal the key";
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct DecryptAnswer {
            plaintext: String,
        }
        let (purpose, value) = Self::PURPOSE;
        let request = json!({
            "CiphertextBlob": STANDARD.encode(sealed),
            "EncryptionContext": { purpose: value },
        });
        let name = "Decrypt";
        let answer: DecryptAnswer = self.ask(OPERATION, name, &request).await?;
        octets(OPERATION, &answer.plaintext)
    }

    /// Returns the public half of the key `arn`, in DER (SubjectPublicKeyInfo).
    ///
    /// # Errors
    ///
    /// Returns an error if KMS does not answer or the key is not for signing.
    pub async fn public_key(&self, arn: &str) -> Result<Vec<u8>, KmsError> {
        const OPERATION: &str = "give the public half of the key";
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct PublicKeyAnswer {
            public_key: String,
            key_usage: String,
        }
        let request = json!({ "KeyId": arn });
        let name = "GetPublicKey";
        let answer: PublicKeyAnswer = self.ask(OPERATION, name, &request).await?;
        if answer.key_usage != "SIGN_VERIFY" {
            let usage = answer.key_usage;
            let reason = format!("its usage is {usage}, not SIGN_VERIFY");
            return Err(KmsError::new(OPERATION, reason));
        }
        octets(OPERATION, &answer.public_key)
    }

    /// Generates a key pair of `spec` (a `KeyPairSpec` of KMS), sealed under the symmetric key
    /// `arn`. The private half never leaves KMS unencrypted.
    ///
    /// # Errors
    ///
    /// Returns an error if KMS does not answer.
    pub async fn sealed_pair(&self, arn: &str, spec: &str) -> Result<SealedPair, KmsError> {
        const OPERATION: &str = "make a sealed key pair";
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct PairAnswer {
            public_key: String,
            private_key_ciphertext_blob: String,
        }
        let (purpose, value) = Self::PURPOSE;
        let request = json!({
            "KeyId": arn,
            "KeyPairSpec": spec,
            "EncryptionContext": { purpose: value },
        });
        let name = "GenerateDataKeyPairWithoutPlaintext";
        let answer: PairAnswer = self.ask(OPERATION, name, &request).await?;
        Ok(SealedPair {
            public: octets(OPERATION, &answer.public_key)?,
            private: octets(OPERATION, &answer.private_key_ciphertext_blob)?,
        })
    }

    async fn ask<O: DeserializeOwned>(
        &self,
        operation: &'static str,
        name: &str,
        request: &impl Serialize,
    ) -> Result<O, KmsError> {
        let answer = self.service.call(name, request).await;
        answer.map_err(failed(operation))
    }
}

/// The name of the operation that signs.
const SIGN: &str = "Sign";

/// The request to sign a message (AWS KMS API reference, "Sign").
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SignRequest<'a> {
    key_id: &'a str,
    /// In base64, the form of octets in JSON.
    message: String,
    message_type: &'static str,
    signing_algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

impl<'a> SignRequest<'a> {
    fn new(arn: &'a str, algorithm: Algorithm, message: &[u8]) -> Self {
        let hashed = || STANDARD.encode(digest(&SHA256, message));
        let (signing_algorithm, message_type, message) = match algorithm {
            // Ed25519 hashes the message itself. The signer checks that the message is short enough
            // for KMS.
            Algorithm::EdDSA => ("ED25519_SHA_512", "RAW", STANDARD.encode(message)),
            Algorithm::ES256 => ("ECDSA_SHA_256", "DIGEST", hashed()),
            _ => ("RSASSA_PKCS1_V1_5_SHA_256", "DIGEST", hashed()),
        };
        Self {
            key_id: arn,
            message,
            message_type,
            signing_algorithm,
            dry_run: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignAnswer {
    signature: String,
}

/// Decodes the octets of a member of an answer.
fn octets(operation: &'static str, member: &str) -> Result<Vec<u8>, KmsError> {
    let decoded = STANDARD.decode(member);
    decoded.map_err(|_| KmsError::new(operation, "its answer is not base64"))
}

fn failed(operation: &'static str) -> impl FnOnce(CallError) -> KmsError {
    move |fault| {
        record(|log| one_more(&mut log.kms_faults));
        KmsError {
            operation,
            denied: fault.code() == Some("AccessDeniedException"),
            source: aws::cause(fault),
        }
    }
}

/// Converts an ECDSA signature of P-256 from DER (RFC 3279 section 2.2.3), the form of KMS, to the
/// form of JWS, r and s of 32 octets each (RFC 7518 section 3.4).
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let (sequence, rest) = element(0x30, der)?;
    let (r, s) = element(0x02, sequence)?;
    let (s, end) = element(0x02, s)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let mut signature = vec![0; 64];
    for (number, place) in [r, s].into_iter().zip(signature.chunks_exact_mut(32)) {
        // A leading zero keeps the number positive.
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        let start = place.len().checked_sub(number.len())?;
        place[start..].copy_from_slice(number);
    }
    Some(signature)
}

/// Returns the content of the DER element with this tag at the start of `der`, and the octets after
/// it. Lengths of one octet are enough for P-256.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk()?;
    if found != tag || length >= 0x80 {
        return None;
    }
    rest.split_at_checked(length.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let length = |octets: &[u8]| u8::try_from(octets.len()).unwrap();
        let numbers = [&[2, length(r)], r, &[2, length(s)], s].concat();
        [&[0x30, length(&numbers)], &numbers[..]].concat()
    }

    #[test]
    fn der_signatures_become_two_numbers_of_32_octets() {
        let high = [[0].as_slice(), &[0xff; 32]].concat();
        let expected = [&[0xff; 32][..], &[0; 30], &[1, 2]].concat();
        assert_eq!(fixed(&der(&high, &[1, 2])), Some(expected));
        assert_eq!(fixed(&der(&[0x7f; 32], &[0x7f; 32])), Some(vec![0x7f; 64]));
    }

    #[test]
    fn what_is_no_such_signature_is_refused() {
        let good = der(&[1; 32], &[2; 32]);
        let long = der(&[1; 33], &[2; 32]);
        let followed = [&good[..], &[0]].concat();
        let inner = [&[0x30, 71], &good[2..], &[0]].concat();
        let other_tag = [&[0x31], &good[1..]].concat();
        for der in [
            &[],
            &good[..40],
            &good[..1],
            &long,
            &followed,
            &inner,
            &other_tag,
        ] {
            assert_eq!(fixed(der), None, "{der:x?}");
        }
    }
}
