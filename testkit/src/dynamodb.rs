//! A proxy in front of DynamoDB: it counts the connections, records the requests, and injects
//! faults.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use axum::serve::ListenerExt as _;
use http_body::{Body as HttpBody, Frame};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::headers::assert_names_latchkey;
use crate::listen;

/// A fault that the proxy injects into one request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Cancels the transaction, since another transaction holds an item.
    Conflict,
    /// Cancels the transaction, since an item has had too many requests.
    ThrottledTransaction,
    /// Refuses a single write that conflicts with a transaction.
    WriteConflict,
    /// Refuses the request, because there were too many.
    Throttled,
    /// Fails with an internal error of DynamoDB.
    Broken,
    /// Carries the request out, but returns an error.
    AnswerLost,
    /// Never answers.
    Silence,
    /// Removes the item, and then carries the request out.
    ItemGone,
    /// Processes nothing of a batch.
    Unprocessed,
    /// Looks up only the first key of a batch.
    OnlyFirst,
    /// Ends the connection in the middle of the answer.
    Cut,
    /// Carries the request out; the fault is for a later request.
    Passes,
    /// Carries the request out once [`Proxy::release`] is called.
    Held,
}

/// A fault, and the requests that it is for.
struct Planned {
    fault: Fault,
    /// The sort key that a request must have; `None` for any request.
    sort_key: Option<&'static str>,
    /// The table that a request must be for; `None` for any table.
    table: Option<&'static str>,
}

/// A recorded request.
#[derive(Debug)]
pub struct Recorded {
    /// The operation, such as `GetItem`.
    pub operation: String,
    /// The body.
    pub body: Value,
}

/// A proxy between functions and DynamoDB.
#[derive(Default)]
pub struct Proxy {
    /// The base URL.
    pub url: String,
    upstream: String,
    connections: AtomicUsize,
    /// The planned faults of each operation, in order.
    faults: Mutex<BTreeMap<&'static str, VecDeque<Planned>>>,
    requests: Mutex<Vec<Recorded>>,
    done: Mutex<Vec<String>>,
    held: Notify,
    released: Notify,
}

impl Proxy {
    /// Starts a proxy in front of the DynamoDB at `upstream`.
    pub async fn start(upstream: &str) -> Arc<Self> {
        let (listener, url) = listen().await;
        let proxy = Arc::new(Self {
            url,
            upstream: upstream.to_owned(),
            ..Self::default()
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&proxy));
        let counting = Arc::clone(&proxy);
        let listener = listener.tap_io(move |_| {
            counting.connections.fetch_add(1, Ordering::SeqCst);
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    /// Injects these faults into the next requests for `operation`, one each. They replace the
    /// faults that are left from the last call.
    pub fn inject(&self, operation: &'static str, faults: &[Fault]) {
        let planned = faults.iter().map(|&fault| Planned {
            fault,
            sort_key: None,
            table: None,
        });
        self.plan(operation, planned.collect());
    }

    /// As [`Proxy::inject`], into requests for an item of `table` only.
    pub fn inject_in(&self, table: &'static str, operation: &'static str, faults: &[Fault]) {
        let planned = faults.iter().map(|&fault| Planned {
            fault,
            sort_key: None,
            table: Some(table),
        });
        self.plan(operation, planned.collect());
    }

    /// Injects this fault into the next request for `operation` on an item with this sort key.
    pub fn inject_at(&self, operation: &'static str, sort_key: &'static str, fault: Fault) {
        let planned = Planned {
            fault,
            sort_key: Some(sort_key),
            table: None,
        };
        self.plan(operation, [planned].into());
    }

    fn plan(&self, operation: &'static str, planned: VecDeque<Planned>) {
        self.faults.lock().unwrap().insert(operation, planned);
    }

    /// Waits until a request is held.
    pub async fn held(&self) {
        self.held.notified().await;
    }

    /// Lets the request that is held go on.
    pub fn release(&self) {
        self.released.notify_one();
    }

    /// Returns how many connections were opened.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests since the last call.
    pub fn requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// Returns the operations that were done or refused since the last call, sorted, each with the
    /// capacity units that it consumed.
    pub fn seen(&self) -> Vec<String> {
        let mut done = std::mem::take(&mut *self.done.lock().unwrap());
        done.sort();
        done
    }

    fn fault(&self, operation: &str, body: &Value) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let planned = faults.get_mut(operation)?.pop_front_if(|planned| {
            let of_item = |key| body["Key"]["sk"]["S"] == key;
            let of_table = |table| body["TableName"] == table;
            planned.sort_key.is_none_or(of_item) && planned.table.is_none_or(of_table)
        });
        planned.map(|planned| planned.fault)
    }

    /// Forwards the request to DynamoDB, and records the capacity units that it consumed.
    async fn forward(&self, mut head: Parts, mut body: Value, operation: &str) -> Response<Body> {
        body["ReturnConsumedCapacity"] = json!("TOTAL");
        let body = body.to_string();
        head.uri = format!("{}/", self.upstream).parse().unwrap();
        head.headers.insert("content-length", body.len().into());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::from_parts(head, Body::from(body));
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
        let answer: Value = shared::platform::json::parse(&body).unwrap();
        // One object, or one per table.
        let consumed = &answer["ConsumedCapacity"];
        let tables = consumed
            .as_array()
            .map_or(std::slice::from_ref(consumed), Vec::as_slice);
        let units = tables
            .iter()
            .filter_map(|table| table["CapacityUnits"].as_f64());
        let seen = match units.sum() {
            0.0 => operation.to_owned(),
            units => format!("{operation} {units}"),
        };
        self.done.lock().unwrap().push(seen);
        Response::from_parts(head, Body::from(body))
    }

    /// Removes the item that the request is about, or the first of a transaction.
    async fn remove(&self, mut head: Parts, body: &Value) {
        let first = body["TransactItems"][0].as_object();
        let first = first.and_then(|part| part.values().next()).unwrap_or(body);
        let remove = json!({"TableName": first["TableName"], "Key": first["Key"]});
        let target = "DynamoDB_20120810.DeleteItem".parse().unwrap();
        head.headers.insert("x-amz-target", target);
        self.forward(head, remove, "removed").await;
    }
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    assert_names_latchkey(&head.headers);
    let target = head.headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut body: Value = shared::platform::json::parse(&body).unwrap();
    proxy.requests.lock().unwrap().push(Recorded {
        operation: operation.clone(),
        body: body.clone(),
    });
    let fault = proxy.fault(&operation, &body);
    if !matches!(
        fault,
        None | Some(Fault::AnswerLost | Fault::ItemGone | Fault::Passes | Fault::Held)
    ) {
        proxy.done.lock().unwrap().push(operation.clone());
    }
    match fault {
        None | Some(Fault::Passes) => proxy.forward(head, body, &operation).await,
        Some(Fault::Held) => {
            proxy.held.notify_one();
            proxy.released.notified().await;
            proxy.forward(head, body, &operation).await
        }
        Some(Fault::AnswerLost) => {
            proxy.forward(head, body, &operation).await;
            answer(
                500,
                json!({"__type": "InternalServerError", "message": "lost"}),
            )
        }
        Some(Fault::ItemGone) => {
            proxy.remove(head.clone(), &body).await;
            proxy.forward(head, body, &operation).await
        }
        Some(Fault::Unprocessed) => {
            let items = &body["RequestItems"];
            let left =
                json!({"Responses": {}, "UnprocessedKeys": items, "UnprocessedItems": items});
            answer(200, left)
        }
        Some(Fault::OnlyFirst) => {
            let mut left = body["RequestItems"].clone();
            for (table, wanted) in left.as_object_mut().unwrap() {
                let keys = wanted["Keys"].as_array_mut().unwrap();
                body["RequestItems"][table]["Keys"] = json!([keys.remove(0)]);
            }
            let first = proxy.forward(head, body, &operation).await.into_body();
            let first = to_bytes(first, usize::MAX).await.unwrap();
            let mut first: Value = shared::platform::json::parse(&first).unwrap();
            first["UnprocessedKeys"] = left;
            answer(200, first)
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Conflict) => {
            cancelled("TransactionConflict", "Transaction is ongoing for the item")
        }
        Some(Fault::ThrottledTransaction) => cancelled(
            "ThrottlingError",
            "Throughput exceeds the current capacity of your table",
        ),
        Some(Fault::WriteConflict) => answer(
            400,
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
                "message": "Transaction is ongoing for the item",
            }),
        ),
        Some(Fault::Throttled) => answer(
            400,
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "message": "The level of configured provisioned throughput was exceeded",
            }),
        ),
        Some(Fault::Cut) => {
            let response = Response::builder().header("content-length", 100);
            response.body(Body::new(Cut)).unwrap()
        }
        Some(Fault::Broken) => answer(
            500,
            json!({"__type": "InternalServerError", "message": "broken"}),
        ),
    }
}

/// Returns the answer to a transaction that is cancelled because of its first item.
fn cancelled(code: &str, message: &str) -> Response<Body> {
    answer(
        400,
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": format!("Transaction cancelled [{code}, None]"),
            "CancellationReasons": [{"Code": code, "Message": message}, {"Code": "None"}],
        }),
    )
}

fn answer(status: u16, body: Value) -> Response<Body> {
    let response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/x-amz-json-1.0");
    response.body(Body::from(body.to_string())).unwrap()
}

/// A body that ends with an error.
struct Cut;

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
