//! A stand-in for KMS with one key, for functions that sign as they do by default in AWS.

use std::sync::Arc;

use anyhow::Context as _;
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::tokens::public_key::{PublicKey, jwks};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The stand-in, for as long as it is kept.
pub struct Kms {
    url: String,
    jwks: String,
    server: JoinHandle<()>,
}

impl Kms {
    /// Starts it, with an RSA key of 2048 bits.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub async fn start() -> anyhow::Result<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der()?;
        let public = PublicKey::from_spki(spki.as_ref()).context("no key")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answer).with_state(Arc::new(key));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            url,
            jwks: jwks([&public]),
            server,
        })
    }

    /// What a function reads that signs with this key.
    pub fn environment(&self) -> [(String, String); 3] {
        let arn = "arn:aws:kms:local:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        [
            ("AWS_ENDPOINT_URL_KMS", self.url.as_str()),
            ("JWKS", &self.jwks),
            ("SIGNING_KEY", arn),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Signs; what else KMS does nobody asks for here.
async fn answer(State(key): State<Arc<KeyPair>>, body: Bytes) -> (StatusCode, String) {
    match signed(&key, &body) {
        Ok(Some(answer)) => (StatusCode::OK, answer.to_string()),
        Ok(None) => (
            StatusCode::BAD_REQUEST,
            json!({"__type": "DryRunOperationException"}).to_string(),
        ),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}")),
    }
}

/// `None` where no signature was wanted, but to know whether there would be one.
fn signed(key: &KeyPair, request: &[u8]) -> anyhow::Result<Option<Value>> {
    let request: Value = serde_json::from_slice(request)?;
    if request["DryRun"] == true {
        return Ok(None);
    }
    let digest = STANDARD.decode(request["Message"].as_str().context("no message")?)?;
    let digest = Digest::import_less_safe(&digest, &SHA256)?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature)?;
    Ok(Some(json!({
        "KeyId": request["KeyId"],
        "Signature": STANDARD.encode(signature),
        "SigningAlgorithm": request["SigningAlgorithm"],
    })))
}
