//! A stand-in for EventBridge: the one operation that Latchkey uses, with the checks that EventBridge
//! makes, and with faults.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};

use crate::headers::assert_names_latchkey;
use crate::listen;

/// A fault of EventBridge in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EventBridge takes the events; the fault is for a later request.
    Passes,
    /// It has an internal fault.
    Broken,
    /// There were too many requests.
    Throttled,
    /// It never answers.
    Silence,
    /// It takes the events and answers with a fault.
    AnswerLost,
    /// It answers with something that is no answer of its own.
    Nonsense,
    /// The role may not put events.
    Denied,
    /// There is no such bus.
    NoBus,
    /// It does not understand the request.
    Invalid,
    /// It takes the events for which there is no code, and refuses the others with their codes.
    Entries(&'static [Option<&'static str>]),
}

/// A stand-in for EventBridge.
pub struct EventBridge {
    /// The base URL.
    pub url: String,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<Value>>,
    taken: Mutex<Vec<Value>>,
}

impl EventBridge {
    /// Starts a stand-in that takes every event.
    pub async fn start() -> Arc<Self> {
        let (listener, url) = listen().await;
        let bridge = Arc::new(Self {
            url,
            faults: Mutex::default(),
            asked: Mutex::default(),
            taken: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&bridge));
        tokio::spawn(async move { axum::serve(listener, router).await });
        bridge
    }

    /// Injects these faults into the next requests, one each. They replace those that are left.
    pub fn inject(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.iter().copied().collect();
    }

    /// Returns the requests since the last call, each as the ids of its events, whatever became of
    /// them.
    pub fn asked(&self) -> Vec<Vec<String>> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let ids = |request: &Value| {
            let entries = request["Entries"].as_array().unwrap().iter();
            entries.map(|entry| id(&detail(entry))).collect()
        };
        asked.iter().map(ids).collect()
    }

    /// Returns the events that were taken since the last call: entries whose `Detail` is JSON.
    pub fn taken(&self) -> Vec<Value> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    fn take(&self, entry: &Value) -> Value {
        let mut taken = self.taken.lock().unwrap();
        let mut kept = entry.clone();
        kept["Detail"] = detail(entry);
        taken.push(kept);
        json!({ "EventId": format!("11710aed-b79e-4468-a20b-{:012}", taken.len()) })
    }
}

fn detail(entry: &Value) -> Value {
    shared::platform::json::parse(entry["Detail"].as_str().unwrap().as_bytes()).unwrap()
}

fn id(detail: &Value) -> String {
    detail["id"].as_str().unwrap().to_owned()
}

/// Checks a request as EventBridge does.
fn check(request: &Value) {
    let entries = request["Entries"].as_array().unwrap();
    assert!((1..=10).contains(&entries.len()), "{request}");
    for entry in entries {
        let text = |name: &str| entry[name].as_str().unwrap();
        assert_eq!(text("Source"), "latchkey");
        assert_eq!(text("DetailType"), detail(entry)["type"]);
        assert!(!text("EventBusName").is_empty());
        assert!(entry["Time"].is_f64(), "{entry}");
        // Ten of them are far below the limit of a request.
        assert!(entry.to_string().len() < 2048, "{entry}");
    }
}

async fn answer(
    State(bridge): State<Arc<EventBridge>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    assert_names_latchkey(&headers);
    assert_eq!(headers["x-amz-target"], "AWSEvents.PutEvents");
    let signature = headers["authorization"].to_str().unwrap();
    assert!(signature.contains("/events/aws4_request"), "{signature}");
    let request: Value = shared::platform::json::parse(&body).unwrap();
    check(&request);
    bridge.asked.lock().unwrap().push(request.clone());
    let fault = bridge.faults.lock().unwrap().pop_front();
    let entries = request["Entries"].as_array().unwrap();
    let refused = |status, code| (status, json!({"__type": code, "message": "refused"}));
    let take_all = || {
        let answers: Vec<_> = entries.iter().map(|entry| bridge.take(entry)).collect();
        (200, json!({"FailedEntryCount": 0, "Entries": answers}))
    };
    let (status, answer) = match fault {
        None | Some(Fault::Passes) => take_all(),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::AnswerLost) => {
            take_all();
            refused(500, "InternalException")
        }
        Some(Fault::Broken) => refused(500, "InternalException"),
        Some(Fault::Throttled) => refused(400, "ThrottlingException"),
        Some(Fault::Denied) => refused(400, "AccessDeniedException"),
        Some(Fault::NoBus) => refused(400, "ResourceNotFoundException"),
        Some(Fault::Invalid) => refused(400, "ValidationException"),
        Some(Fault::Nonsense) => (200, json!({"Entries": []})),
        Some(Fault::Entries(codes)) => {
            assert_eq!(codes.len(), entries.len());
            let answers = entries.iter().zip(codes).map(|(entry, code)| match code {
                None => bridge.take(entry),
                Some(code) => json!({"ErrorCode": code, "ErrorMessage": "refused"}),
            });
            let failed = codes.iter().flatten().count();
            let answers: Vec<_> = answers.collect();
            (200, json!({"FailedEntryCount": failed, "Entries": answers}))
        }
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(Body::from(answer.to_string()))
        .unwrap()
}
