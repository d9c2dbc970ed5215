//! A private key in this process's memory.

use jsonwebtoken::errors::Error;
use jsonwebtoken::{Algorithm, EncodingKey};
use pem::Pem;

use super::public_key::PublicKey;

/// A private key that signs tokens. Its algorithm is the key's own: RS256 for RSA, ES256 for
/// P-256, EdDSA for Ed25519.
pub struct PrivateKey {
    key: EncodingKey,
    algorithm: Algorithm,
    public: PublicKey,
}

impl PrivateKey {
    /// Takes a private key in PEM (PKCS#8, RFC 7468 section 10); `None` where it is not one that
    /// we sign with.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let pem = pem.as_bytes();
        let (key, algorithm) = if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
            (key, Algorithm::RS256)
        } else if let Ok(key) = EncodingKey::from_ec_pem(pem) {
            (key, Algorithm::ES256)
        } else {
            (EncodingKey::from_ed_pem(pem).ok()?, Algorithm::EdDSA)
        };
        let public = PublicKey::of(&key, algorithm)?;
        Some(Self {
            key,
            algorithm,
            public,
        })
    }

    /// Takes a private key in DER (PKCS#8, RFC 5958), as KMS gives it; `None` as above.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        Self::from_pem(&pem::encode(&Pem::new("PRIVATE KEY", der)))
    }

    /// The key's public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The algorithm that it signs with.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature over `message`, in base64url.
    pub(super) fn sign(&self, message: &str) -> Result<String, Error> {
        jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm)
    }
}
