//! Keys in KMS: the one place that knows it.

use std::error::Error;

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::sign::builders::SignFluentBuilder;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeyPairSpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use jsonwebtoken::Algorithm;

use crate::aws::{self, Lean, Stopwatch};
use crate::config::{ConfigError, Env};
use crate::tally::{longest, note, one_more};

/// KMS, as signing keys need it.
pub struct Kms {
    client: Client,
}

/// KMS did not do what was asked of it.
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

    /// Whether KMS says that the role may not: so it also says for some seconds after the role has
    /// been allowed.
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
    /// What a sealed key is bound to: KMS unseals it for this purpose only, and a policy can ask
    /// for it (`kms:EncryptionContext:purpose`).
    const PURPOSE: (&'static str, &'static str) = ("purpose", "latchkey-signing-key");

    /// Reads `AWS_ENDPOINT_URL_KMS`, where KMS is not AWS's own, and what [`aws::config`] reads.
    ///
    /// # Errors
    ///
    /// Where one of them is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let config = aws::config(env, "AWS_ENDPOINT_URL_KMS")?;
        let stopwatch = Stopwatch::adding(|tally, took| longest(&mut tally.kms_ms, took));
        let config = Builder::from(&config)
            .interceptor(stopwatch)
            .interceptor(Lean)
            .build();
        Ok(Self {
            client: Client::from_conf(config),
        })
    }

    /// The signature over `message` by the key `arn`, in the form of RFC 7518 section 3.
    ///
    /// # Errors
    ///
    /// Where KMS does not answer, or with what is no such signature.
    pub(super) async fn sign(
        &self,
        arn: &str,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, KmsError> {
        const OPERATION: &str = "sign";
        let request = self.signature(arn, algorithm, message);
        let answer = request.send().await.map_err(failed(OPERATION))?;
        let signature = answer.signature.map(Blob::into_inner).unwrap_or_default();
        if algorithm != Algorithm::ES256 {
            return Ok(signature);
        }
        fixed(&signature)
            .ok_or_else(|| KmsError::new(OPERATION, "its answer is no ECDSA signature"))
    }

    /// Whether the key `arn` would sign; it makes no signature, but opens the connection to KMS.
    ///
    /// # Errors
    ///
    /// Where it would not, or KMS does not answer.
    pub(super) async fn rehearse(&self, arn: &str, algorithm: Algorithm) -> Result<(), KmsError> {
        let request = self.signature(arn, algorithm, b"rehearsal").dry_run(true);
        match request.send().await {
            // This is how KMS says yes.
            Err(SdkError::ServiceError(fault)) if fault.err().is_dry_run_operation_exception() => {
                Ok(())
            }
            answer => answer.map(drop).map_err(failed("rehearse a signature")),
        }
    }

    fn signature(&self, arn: &str, algorithm: Algorithm, message: &[u8]) -> SignFluentBuilder {
        let request = self.client.sign().key_id(arn);
        let hashed = || Blob::new(digest(&SHA256, message).as_ref());
        match algorithm {
            // Ed25519 hashes by itself; the signer sees to it that KMS takes as much.
            Algorithm::EdDSA => request
                .signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512)
                .message_type(MessageType::Raw)
                .message(Blob::new(message)),
            Algorithm::ES256 => request
                .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
                .message_type(MessageType::Digest)
                .message(hashed()),
            _ => request
                .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
                .message_type(MessageType::Digest)
                .message(hashed()),
        }
    }

    /// The private half of a sealed pair, in DER (PKCS#8).
    ///
    /// # Errors
    ///
    /// Where KMS does not answer, or `sealed` is not what it sealed for this purpose.
    pub(super) async fn unseal(&self, sealed: &[u8]) -> Result<Vec<u8>, KmsError> {
        let (name, value) = Self::PURPOSE;
        let request = self.client.decrypt().encryption_context(name, value);
        let request = request.ciphertext_blob(Blob::new(sealed));
        let answer = request.send().await.map_err(failed("unseal the key"))?;
        Ok(answer.plaintext.map(Blob::into_inner).unwrap_or_default())
    }

    /// The public half of the key `arn`, in DER (SubjectPublicKeyInfo).
    ///
    /// # Errors
    ///
    /// Where KMS does not answer, or the key is not one that signs.
    pub async fn public_key(&self, arn: &str) -> Result<Vec<u8>, KmsError> {
        const OPERATION: &str = "give the public half of the key";
        let request = self.client.get_public_key().key_id(arn);
        let answer = request.send().await.map_err(failed(OPERATION))?;
        if answer.key_usage != Some(KeyUsageType::SignVerify) {
            let usage = answer
                .key_usage
                .map_or_else(String::new, |usage| usage.to_string());
            return Err(KmsError::new(
                OPERATION,
                format!("its usage is {usage}, not SIGN_VERIFY"),
            ));
        }
        Ok(answer.public_key.map(Blob::into_inner).unwrap_or_default())
    }

    /// Makes a key pair of `spec` (a `KeyPairSpec` of KMS) whose private half nobody has seen,
    /// sealed under the symmetric key `arn`.
    ///
    /// # Errors
    ///
    /// Where KMS does not answer.
    pub async fn sealed_pair(&self, arn: &str, spec: &str) -> Result<SealedPair, KmsError> {
        let (name, value) = Self::PURPOSE;
        let request = self.client.generate_data_key_pair_without_plaintext();
        let request = request
            .key_id(arn)
            .key_pair_spec(DataKeyPairSpec::from(spec));
        let request = request.encryption_context(name, value);
        let answer = request
            .send()
            .await
            .map_err(failed("make a sealed key pair"))?;
        let octets = |blob: Option<Blob>| blob.map(Blob::into_inner).unwrap_or_default();
        Ok(SealedPair {
            public: octets(answer.public_key),
            private: octets(answer.private_key_ciphertext_blob),
        })
    }
}

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> KmsError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |fault| {
        note(|tally| one_more(&mut tally.kms_faults));
        KmsError {
            operation,
            denied: fault.code() == Some("AccessDeniedException"),
            source: aws::cause(fault),
        }
    }
}

/// An ECDSA signature of P-256 in the form that JWS wants, r and s of 32 octets each (RFC 7518
/// section 3.4), from the one that KMS gives, DER (RFC 3279 section 2.2.3).
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

/// The content of the DER element of that tag at the start of `der`, and what follows it. Lengths
/// of one octet are enough for P-256.
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
