//! A stand-in for CloudFormation with custom resources: it sends the event and waits for the
//! answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use keys::Keys;
use serde_json::{Value, json};
use shared::platform::config::Env;

use crate::kms::Kms;
use crate::listen;

/// The receiver of the answers of custom resources.
pub struct CloudFormation {
    /// The URL to which an answer goes.
    pub url: String,
    taken: Mutex<Vec<(HeaderMap, Bytes)>>,
    /// The number of answers to refuse before one is accepted.
    pub refusals: AtomicUsize,
    /// Whether the stand-in never responds to an answer.
    pub silent: AtomicBool,
}

impl CloudFormation {
    /// Starts to listen for answers.
    pub async fn start() -> Arc<Self> {
        let (listener, url) = listen().await;
        let cloudformation = Arc::new(Self {
            url: format!("{url}/answer?signature=of-no-body"),
            taken: Mutex::default(),
            refusals: AtomicUsize::new(0),
            silent: AtomicBool::new(false),
        });
        let router = Router::new()
            .fallback(take)
            .with_state(Arc::clone(&cloudformation));
        tokio::spawn(async move { axum::serve(listener, router).await });
        cloudformation
    }

    /// Returns how many answers have arrived since the last call.
    pub fn answers(&self) -> usize {
        std::mem::take(&mut *self.taken.lock().unwrap()).len()
    }

    /// Returns the one answer since the last call, as CloudFormation reads it.
    pub fn answer(&self) -> Value {
        let mut taken = std::mem::take(&mut *self.taken.lock().unwrap());
        assert_eq!(taken.len(), 1, "answers");
        let (headers, body) = taken.remove(0);
        // The URL is signed for a request without a content type, and S3 accepts no chunked bodies.
        assert!(!headers.contains_key("content-type"), "{headers:?}");
        assert_eq!(headers["content-length"], body.len().to_string());
        assert!(body.len() <= 4096);
        shared::platform::json::parse(&body).unwrap()
    }

    /// Sends the event to the handler of the custom resources and returns the answer.
    pub async fn ask(&self, kms: &Kms, asked: Value) -> Value {
        let lookup = |name: &str| kms.variable(name);
        let keys = Arc::new(Keys::from_env(&Env::new(&lookup)).with_pause(Duration::ZERO));
        keys.answer(&self.event_of(asked)).await.unwrap();
        self.answer()
    }

    /// Returns the event with the members that CloudFormation puts into each.
    pub fn event_of(&self, mut asked: Value) -> Value {
        let always = json!({
            "ResponseURL": self.url,
            "ServiceToken": "arn:aws:lambda:local:000000000000:function:latchkey-Keys",
            "StackId": "arn:aws:cloudformation:local:000000000000:stack/latchkey/1",
            "RequestId": "5678",
            "LogicalResourceId": "KeySet",
        });
        let always = always.as_object().unwrap().clone();
        asked.as_object_mut().unwrap().extend(always);
        asked
    }

    /// Returns the `JWKS` and the `SIGNING_KID` of a key set of these keys, the first of which
    /// signs.
    pub async fn key_set(&self, kms: &Kms, keys: &[&str]) -> (String, String) {
        let asked = json!({
            "RequestType": "Create", "ResourceType": "Custom::LatchkeyKeySet",
            "ResourceProperties": {"Keys": keys},
        });
        let answer = self.ask(kms, asked).await;
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        let data = &answer["Data"];
        (text(data, "Jwks"), text(data, "SigningKid"))
    }

    /// Makes a sealed key pair. Returns its public half, and the `SIGNING_KEY` of its private half.
    pub async fn sealed_key(&self, kms: &Kms, wrapping: &str, spec: &str) -> (String, String) {
        let asked = json!({
            "RequestType": "Create", "ResourceType": "Custom::LatchkeySealedKey",
            "ResourceProperties": {"WrappingKey": wrapping, "Spec": spec},
        });
        let answer = self.ask(kms, asked).await;
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        let data = &answer["Data"];
        (text(data, "PublicKey"), text(data, "SigningKey"))
    }
}

async fn take(State(waiting): State<Arc<CloudFormation>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(head.method, "PUT");
    assert_eq!(head.uri.query(), Some("signature=of-no-body"));
    if waiting.silent.load(Ordering::SeqCst) {
        waiting.taken.lock().unwrap().push((head.headers, body));
        return std::future::pending().await;
    }
    let refused = waiting
        .refusals
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
    let status = if refused.is_ok() { 503 } else { 200 };
    if refused.is_err() {
        waiting.taken.lock().unwrap().push((head.headers, body));
    }
    Response::builder()
        .status(status)
        .body(Body::empty())
        .unwrap()
}

fn text(object: &Value, name: &str) -> String {
    let text = object[name].as_str();
    text.unwrap_or_else(|| panic!("no text {name} in {object}"))
        .to_owned()
}
