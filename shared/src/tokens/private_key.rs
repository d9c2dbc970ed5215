//! A private key in this process's memory.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

use super::public_key::PublicKey;

/// A private key that signs tokens. Its algorithm is the key's own: RS256 for RSA, ES256 for
/// P-256, EdDSA for Ed25519.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

/// The key as AWS-LC parsed it. jsonwebtoken would parse it for each signature, which for RSA takes
/// as long as the signature itself.
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Parses a private key in PEM (PKCS#8, RFC 7468 section 10). Returns `None` if it is not a key
    /// of a supported kind.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let pem = pem::parse(pem).ok();
        let pem = pem.filter(|pem| pem.tag() == "PRIVATE KEY")?;
        Self::from_pkcs8(pem.contents())
    }

    /// Parses a private key in DER (PKCS#8, RFC 5958), the format of KMS. Returns `None` as
    /// [`PrivateKey::from_pem`] does.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            Pair::Rsa(pair)
        } else if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            Pair::P256(pair)
        } else {
            Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der).ok()?)
        };
        let public = PublicKey::from_spki(pair.spki().ok()?.as_ref())?;
        Some(Self { pair, public })
    }

    /// Returns the public half of the key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the algorithm of the key.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.pair.algorithm()
    }

    /// Returns the signature of `message` in the form of RFC 7518 section 3, in base64url.
    pub(super) fn sign(&self, message: &str) -> Result<String, Unspecified> {
        let (message, random) = (message.as_bytes(), SystemRandom::new());
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        };
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Pair {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::RS256,
            Self::P256(_) => Algorithm::ES256,
            Self::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// Returns the public half in DER.
    fn spki(&self) -> Result<PublicKeyX509Der<'static>, Unspecified> {
        match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::P256(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
        }
    }
}
