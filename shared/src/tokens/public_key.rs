//! The public half of a signing key, in the form in which it is published.

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use pem::Pem;

use super::jwks::KeySet;

/// A public key that verifies tokens, named by its thumbprint (RFC 7638).
pub struct PublicKey {
    jwk: Jwk,
    kid: String,
}

impl PublicKey {
    /// Parses a public key in DER (SubjectPublicKeyInfo, RFC 5280 section 4.1), the format of KMS.
    /// Returns `None` if it is not a key of a supported kind.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let pem = pem::encode(&Pem::new("PUBLIC KEY", der));
        let pem = pem.as_bytes();
        let (key, algorithm) = if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            (key, Algorithm::RS256)
        } else if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            (key, Algorithm::ES256)
        } else {
            (DecodingKey::from_ed_pem(pem).ok()?, Algorithm::EdDSA)
        };
        let jwk = Jwk::from_decoding_key(&key, Some(algorithm)).ok()?;
        Self::new(jwk, algorithm)
    }

    fn new(mut jwk: Jwk, algorithm: Algorithm) -> Option<Self> {
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_algorithm = Some(match algorithm {
            Algorithm::ES256 => KeyAlgorithm::ES256,
            Algorithm::EdDSA => KeyAlgorithm::EdDSA,
            _ => KeyAlgorithm::RS256,
        });
        let key = Self { jwk, kid };
        // A key that verifiers refuse must not sign, so the key set's rules apply.
        KeySet::parse(&jwks([&key])).ok()?;
        Some(key)
    }

    /// Returns the name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// Returns the key set (RFC 7517 section 5) of `keys`, in their order.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> String {
    let keys: Vec<_> = keys.into_iter().map(|key| &key.jwk).collect();
    serde_json::json!({ "keys": keys }).to_string()
}
