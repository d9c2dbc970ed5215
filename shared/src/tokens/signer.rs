//! Issues access tokens.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};

use super::claims::{Audience, Claims, Header};
use super::issuer::{CLIENT_ID, Parties};
use super::keys::name;
use super::verifier::Verifier;
use crate::config::{ConfigError, Env};
use crate::people::account::Account;
use crate::people::id::SessionId;
use crate::random;

/// Issues access tokens, and signs them with one key.
pub struct Issuer {
    signer: Signer,
    parties: Parties,
    lifetime: u64,
}

/// A signed access token, for the one answer that carries it.
pub struct AccessToken {
    /// The compact serialisation (RFC 7515 section 7.1).
    pub text: String,
    /// How long it is valid, in seconds.
    pub expires_in: u64,
}

/// A token could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Neither `ISSUER` nor the request says who the issuer is.
    #[error("the issuer is unknown: set ISSUER")]
    NoIssuer,
    /// The key did not sign.
    #[error("the access token was not signed")]
    Sign(#[from] SignError),
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

impl Issuer {
    /// Reads `SIGNING_KEY`, `ISSUER`, `AUDIENCE` and `ACCESS_TOKEN_SECONDS` (60 to 3600, 900
    /// without it).
    ///
    /// # Errors
    ///
    /// Where one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let lifetime = env.number("ACCESS_TOKEN_SECONDS", 60..=Verifier::MAX_LIFETIME, 900)?;
        Ok(Self {
            signer: Signer::from_env(env)?,
            parties: Parties::from_env(env)?,
            lifetime,
        })
    }

    /// Issues a token for `account` and `session` at `now` (seconds since the epoch), over a
    /// request that reached `domain_name`.
    ///
    /// Its lifetime is shortened by a random 0 to 5%, so that clients which logged in together do
    /// not refresh together.
    ///
    /// # Errors
    ///
    /// Where the key does not sign.
    pub async fn issue(
        &self,
        account: &Account,
        session: SessionId,
        domain_name: Option<&str>,
        now: u64,
    ) -> Result<AccessToken, IssueError> {
        let issuer = self
            .parties
            .issuer(domain_name)
            .ok_or(IssueError::NoIssuer)?;
        let draw = u64::from(u16::from_be_bytes(random::octets()));
        let expires_in = self.lifetime - self.lifetime * draw / u64::from(u16::MAX) / 20;
        let claims = Claims {
            iss: issuer.into_owned(),
            sub: account.id,
            aud: Audience::One(self.parties.audience.clone()),
            client_id: CLIENT_ID.to_owned(),
            exp: now + expires_in,
            nbf: None,
            iat: now,
            jti: URL_SAFE_NO_PAD.encode(random::octets::<16>()),
            sid: session,
            roles: account.roles.clone(),
        };
        let text = self.signer.sign(&claims).await?;
        Ok(AccessToken { text, expires_in })
    }
}

/// A private key that signs tokens. Its algorithm is the key's own: RS256 for RSA, ES256 for
/// P-256, EdDSA for Ed25519.
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    public: Jwk,
    kid: String,
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
        crate::tokens::keys::KeySet::parse(&signer.jwks()).ok()?;
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
