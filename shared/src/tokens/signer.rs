//! The private key that signs tokens.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};

use super::claims::{Claims, Header};
use super::keys::{KeySet, name};
use crate::config::{ConfigError, Env};

/// A private key that signs tokens. Its algorithm is the key's own: RS256 for RSA, ES256 for
/// P-256, EdDSA for Ed25519.
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    public: Jwk,
    kid: String,
}

/// The key did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims could not be written.
    #[error("the claims were not written")]
    Claims(#[from] serde_json::Error),
    /// The key failed.
    #[error("the key failed")]
    Key(#[from] jsonwebtoken::errors::Error),
}

impl Signer {
    /// Reads `SIGNING_KEY`: the path of a private key in PEM (PKCS#8).
    ///
    /// # Errors
    ///
    /// Where it is missing, unreadable or of another kind.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let path = env.required("SIGNING_KEY", "the path of a private key in PEM (PKCS#8)")?;
        let pem = fs::read_to_string(&path).map_err(|error| {
            ConfigError::new(format!(
                "SIGNING_KEY names the file \"{path}\", which cannot be read ({error}); on a \
                 laptop `cargo run` makes it"
            ))
        })?;
        Self::from_pem(&pem).ok_or_else(|| {
            ConfigError::new(format!(
                "SIGNING_KEY names the file \"{path}\", which is not an RSA (2048 bits or more), \
                 P-256 or Ed25519 private key in PEM (PKCS#8)"
            ))
        })
    }

    /// Takes a private key in PEM (PKCS#8); `None` where it is not one that we sign with.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let pem = pem.as_bytes();
        let (key, algorithm, published) = if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
            (key, Algorithm::RS256, KeyAlgorithm::RS256)
        } else if let Ok(key) = EncodingKey::from_ec_pem(pem) {
            (key, Algorithm::ES256, KeyAlgorithm::ES256)
        } else {
            (
                EncodingKey::from_ed_pem(pem).ok()?,
                Algorithm::EdDSA,
                KeyAlgorithm::EdDSA,
            )
        };
        let mut public = Jwk::from_encoding_key(&key, algorithm).ok()?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_algorithm = Some(published);
        let signer = Self {
            key,
            algorithm,
            public,
            kid,
        };
        // A key whose tokens nobody would accept must not sign: the set's rules are the rules.
        KeySet::parse(&signer.jwks()).ok()?;
        Some(signer)
    }

    /// The key set that verifies this key's tokens: its public half, named by its thumbprint
    /// (RFC 7638).
    pub fn jwks(&self) -> String {
        serde_json::json!({ "keys": [self.public] }).to_string()
    }

    /// Signs `claims` as an access token. Asynchronous, since a key may live behind a network.
    ///
    /// # Errors
    ///
    /// Where the key does not sign.
    pub async fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        let header = Header {
            alg: name(self.algorithm).to_owned(),
            typ: Header::TYP.to_owned(),
            kid: self.kid.clone(),
        };
        let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
        let signature = jsonwebtoken::crypto::sign(token.as_bytes(), &self.key, self.algorithm)?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}
