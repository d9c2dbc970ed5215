//! `/events` at the gateway, only for local runs: what was published, and what is published from now
//! on, as a stream of server-sent events ("Server-sent events" in the HTML standard).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get};
use http_body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{BusEvent, EventBus};
use crate::mailbox::{only_private, problem};
use crate::under_way::UnderWay;

/// How often a comment says that the stream is alive, if nothing is published.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How many lines wait for a client that does not read.
const WAITING: usize = 16;

/// Returns the page by its path. The stream ends once the end of the process has begun.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>(
    bus: &Arc<EventBus>,
    under_way: &UnderWay,
) -> [(&'static str, MethodRouter<S>); 1] {
    let (bus, under_way) = (Arc::clone(bus), under_way.clone());
    let events = get(async move |headers: HeaderMap| stream(&bus, &under_way, &headers));
    [("/events", events.layer(from_fn(only_private)))]
}

/// Answers with the events after the one that `Last-Event-ID` names, or with all that are kept.
fn stream(bus: &Arc<EventBus>, under_way: &UnderWay, headers: &HeaderMap) -> Response<Body> {
    if bus.names.is_empty() {
        return problem(
            StatusCode::NOT_FOUND,
            "not-found",
            "nothing is published: PublishEvents is off, or template.yaml has no event bus",
        );
    }
    let last = headers.get("last-event-id");
    let seen = bus.seen(last.and_then(|id| id.to_str().ok()));
    let (lines, written) = mpsc::channel(WAITING);
    let (bus, under_way) = (Arc::clone(bus), under_way.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = under_way.ending() => {}
            () = lines.closed() => {}
            () = write(&bus, seen, &lines) => {}
        }
    });
    let mut response = Response::new(Body::new(Lines(written)));
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// Writes the events after the first `seen`. Ends if the client is gone. A client that reads too
/// slowly misses what is no longer kept.
async fn write(bus: &EventBus, mut seen: u64, lines: &mpsc::Sender<Bytes>) {
    // The headers alone would not reach a client that waits for the first octet.
    if lines
        .send(Bytes::from_static(b": events\n\n"))
        .await
        .is_err()
    {
        return;
    }
    loop {
        let (events, arrived) = bus.after(seen);
        seen = arrived;
        for event in events {
            if lines.send(text(&event)).await.is_err() {
                return;
            }
        }
        if timeout(KEEP_ALIVE, bus.more_than(seen)).await.is_err()
            && lines
                .send(Bytes::from_static(b": alive\n\n"))
                .await
                .is_err()
        {
            return;
        }
    }
}

/// Returns the event as the stream has it. Its JSON is one line.
fn text(event: &BusEvent) -> Bytes {
    // An identifier of somebody's own events could have a line break, and so add lines.
    let id = event.id.replace(['\r', '\n', '\0'], "");
    Bytes::from(format!("id: {id}\ndata: {}\n\n", event.json))
}

/// The body of the answer.
struct Lines(mpsc::Receiver<Bytes>);

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let line = self.0.poll_recv(context);
        line.map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
