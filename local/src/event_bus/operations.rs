//! The stand-in for EventBridge: its operation `PutEvents`, with answers in its own form
//! (awsJson1.1).

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::platform::json;

use super::{Entry, EventBus};

/// The most events of one request, and the most octets of all together.
const MOST_ENTRIES: usize = 10;
const MOST_OCTETS: usize = 256 * 1024;

/// A refusal of EventBridge: type and message.
struct Refusal(&'static str, String);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Given>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    time: Option<f64>,
    #[serde(default)]
    resources: Vec<String>,
}

/// Returns the operations of the stand-in.
pub(crate) fn operations(bus: Arc<EventBus>) -> Router {
    Router::new().route("/", post(carry_out)).with_state(bus)
}

async fn carry_out(
    State(bus): State<Arc<EventBus>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    match put(&bus, &headers, &body) {
        Ok(answer) => to_response(StatusCode::OK, &answer),
        Err(Refusal(kind, message)) => {
            tracing::warn!(kind, message, "EventBridge would refuse these events");
            let refused = json!({ "__type": kind, "message": message });
            to_response(StatusCode::BAD_REQUEST, &refused)
        }
    }
}

fn put(bus: &EventBus, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let refused = |kind, message: &str| Refusal(kind, message.to_owned());
    if header("x-amz-target") != Some("AWSEvents.PutEvents") {
        let message = "only PutEvents is here";
        return Err(refused("UnknownOperationException", message));
    }
    let signature = header(AUTHORIZATION.as_str()).unwrap_or_default();
    if !signature.starts_with("AWS4-HMAC-SHA256 ") || !signature.contains("/events/aws4_request") {
        let message = "the request is not signed for the service events";
        return Err(refused("MissingAuthenticationTokenException", message));
    }
    let invalid = |message: String| Refusal("ValidationException", message);
    let request: PutEvents = json::parse(body).map_err(|error| invalid(error.to_string()))?;
    let count = request.entries.len();
    if !(1..=MOST_ENTRIES).contains(&count) {
        return Err(invalid(format!("there are {count} entries, not 1 to 10")));
    }
    let octets = request.entries.iter().map(Given::octets).sum::<usize>();
    if octets > MOST_OCTETS {
        return Err(invalid("the entries have more than 256 KB".to_owned()));
    }
    let named = request.entries.iter();
    let mut named = named.filter_map(|entry| entry.event_bus_name.as_deref());
    if let Some(name) = named.find(|name| *name != "default" && !bus.names.contains(*name)) {
        let message = format!("Event bus {name} does not exist.");
        return Err(Refusal("ResourceNotFoundException", message));
    }
    let entries = request.entries.into_iter();
    let answers: Vec<_> = entries
        .map(|given| match given.read() {
            Ok(entry) => json!({ "EventId": bus.publish(entry) }),
            Err((code, message)) => {
                tracing::warn!(code, message, "EventBridge would refuse this event");
                json!({ "ErrorCode": code, "ErrorMessage": message })
            }
        })
        .collect();
    let failed = answers.iter().filter(|it| it["EventId"].is_null()).count();
    Ok(json!({ "FailedEntryCount": failed, "Entries": answers }))
}

impl Given {
    /// Returns the size, as "Calculating PutEvents event entry size" in EventBridge's user guide has
    /// it.
    fn octets(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let texts = texts.into_iter().flatten().chain(&self.resources);
        texts.map(String::len).sum::<usize>() + 14
    }

    /// Checks the entry.
    fn read(self) -> Result<Entry, (&'static str, &'static str)> {
        let given = |text: Option<String>, message| {
            let text = text.filter(|text| !text.is_empty());
            text.ok_or(("InvalidArgument", message))
        };
        let source = given(self.source, "Parameter Source is not valid.")?;
        if source.starts_with("aws.") {
            let message = "Not authorized for the source.";
            return Err(("NotAuthorizedForSourceException", message));
        }
        let detail_type = given(self.detail_type, "Parameter DetailType is not valid.")?;
        let detail = given(self.detail, "Parameter Detail is not valid.")?;
        let detail: Value = json::parse(detail.as_bytes()).unwrap_or_default();
        if !detail.is_object() {
            return Err(("MalformedDetail", "Detail is malformed."));
        }
        Ok(Entry {
            bus: self.event_bus_name.filter(|name| name != "default"),
            source,
            detail_type,
            detail,
            time: self.time.map(|seconds| seconds as u64),
            resources: self.resources,
        })
    }
}

fn to_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
