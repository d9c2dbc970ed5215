//! DynamoDB at its worst: a proxy between the SDK and the embedded DynamoDB counts the requests, and
//! does to them what a test asks for.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::functions::Functions;
use serde_json::{Value, json};
use shared::platform::clock::Clock;

use crate::support::app::bare_event;
use crate::support::app::{App, PASSWORD, env, registration};
use testkit::headers::assert_lean;

/// What is done to one request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Cancelled, since another transaction holds an item.
    Conflict,
    /// A single write collides with a transaction.
    WriteConflict,
    /// Too many requests.
    Throttled,
    /// A fault of DynamoDB's own.
    Broken,
    /// Carried out, and the answer never arrives.
    AnswerLost,
    /// Never answered.
    Silence,
    /// Carried out just after somebody has removed the item.
    ItemGone,
    /// A batch of which nothing was done.
    Unprocessed,
    /// A batch of which only the first key was looked up.
    OnlyFirst,
    /// The connection ends in the middle of the answer.
    Cut,
    /// None: the fault is for a later request.
    Passes,
}

/// What stands between the functions and DynamoDB.
#[derive(Default)]
pub struct Proxy {
    pub upstream: String,
    /// By operation, in turn.
    pub faults: Mutex<BTreeMap<&'static str, VecDeque<Fault>>>,
    pub seen: Mutex<Vec<String>>,
}

/// Functions whose DynamoDB can be made to fail.
pub struct FaultyStore {
    pub app: App,
    pub functions: Functions,
    pub proxy: Arc<Proxy>,
    /// Where the proxy is.
    pub url: String,
}

impl FaultyStore {
    pub async fn start() -> Self {
        Self::before(App::start().await).await
    }

    /// Puts the proxy before the DynamoDB of `app`.
    pub async fn before(app: App) -> Self {
        let proxy = Arc::new(Proxy {
            upstream: app.local.dynamodb_url.clone(),
            ..Proxy::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(Arc::clone(&proxy));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let functions = Self::functions(&app, &url);
        Self {
            app,
            functions,
            proxy,
            url,
        }
    }

    /// The app's functions, with their DynamoDB at `url`.
    pub fn functions(app: &App, url: &str) -> Functions {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        // Clients of one region share what the SDK may spend on retries, in all of a process: each test
        // has its own.
        let region = format!("local-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let mut functions = Functions::default();
        for (name, variables) in &app.local.environment {
            let lookup = |variable: &str| match variable {
                "AWS_ENDPOINT_URL_DYNAMODB" => Some(url.to_owned()),
                "AWS_REGION" => Some(region.clone()),
                other => variables.get(other).cloned(),
            };
            let clock = Clock::Manual(app.clock.clone());
            assert!(functions.add(name, &env(&lookup), &clock).unwrap());
        }
        functions
    }

    pub fn will(&self, operation: &'static str, faults: &[Fault]) {
        self.proxy
            .faults
            .lock()
            .unwrap()
            .insert(operation, faults.iter().copied().collect());
    }

    /// The operations asked for since the last time, each with the capacity units that it
    /// consumed, sorted.
    pub fn seen(&self) -> Vec<String> {
        let mut seen = std::mem::take(&mut *self.proxy.seen.lock().unwrap());
        seen.sort();
        seen
    }

    pub async fn register(&self) -> (u16, Value) {
        ask(
            &self.functions,
            "register",
            "POST",
            &registration("ada@example.com"),
            None,
        )
        .await
    }

    pub async fn login(&self) -> (u16, Value) {
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        ask(&self.functions, "login", "POST", &body, None).await
    }
}

/// Asks a function; what an unavailable store must look like is checked on the way.
pub async fn ask(
    functions: &Functions,
    function: &str,
    method: &str,
    body: &Value,
    token: Option<&str>,
) -> (u16, Value) {
    let mut headers = json!({"content-type": "application/json", "host": "127.0.0.1"});
    if let Some(token) = token {
        headers["authorization"] = json!(format!("Bearer {token}"));
    }
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": format!("/{function}"),
        "rawQueryString": "", "headers": headers,
        "requestContext": {
            "domainName": "127.0.0.1", "requestId": "r-1", "stage": "$default",
            "http": {"method": method, "path": format!("/{function}"), "sourceIp": "203.0.113.7"},
        },
        "body": body.to_string(), "isBase64Encoded": false,
    });
    let answer = functions.invoke(function, event).await.unwrap();
    let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    if status == 503 {
        assert_eq!(answer["headers"]["retry-after"], "2", "{answer}");
        assert_eq!(body["code"], "unavailable", "{answer}");
        assert!(!body.to_string().contains("Dynamo"), "{answer}");
    }
    (status, body)
}

/// An event for a route with a body, and with a token where it needs one.
pub fn event(method: &str, path: &str, body: &Value, token: Option<&str>) -> Value {
    let mut event = bare_event(token.map(|token| format!("Bearer {token}")).as_deref());
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["requestContext"]["http"]["path"] = json!(path);
    event["headers"]["content-type"] = json!("application/json");
    event["body"] = json!(body.to_string());
    event
}

/// A body that never comes.
pub struct Cut;

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

pub async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    assert_lean(&head.headers);
    let target = head.headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let fault = {
        let mut faults = proxy.faults.lock().unwrap();
        faults
            .get_mut(operation.as_str())
            .and_then(VecDeque::pop_front)
    };
    let body = to_bytes(body, usize::MAX).await.unwrap();
    if !matches!(
        fault,
        None | Some(Fault::AnswerLost | Fault::ItemGone | Fault::Passes)
    ) {
        proxy.seen.lock().unwrap().push(operation.clone());
    }
    match fault {
        None | Some(Fault::Passes) => forward(&proxy, head, body, &operation).await,
        Some(Fault::AnswerLost) => {
            forward(&proxy, head, body, &operation).await;
            refusal(
                500,
                json!({"__type": "InternalServerError", "message": "lost"}),
            )
        }
        Some(Fault::ItemGone) => {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let remove = json!({"TableName": request["TableName"], "Key": request["Key"]});
            let mut remover = head.clone();
            remover.headers.insert(
                "x-amz-target",
                "DynamoDB_20120810.DeleteItem".parse().unwrap(),
            );
            forward(&proxy, remover, Bytes::from(remove.to_string()), "removed").await;
            forward(&proxy, head, body, &operation).await
        }
        Some(Fault::Unprocessed) => {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let items = &request["RequestItems"];
            let left =
                json!({"Responses": {}, "UnprocessedKeys": items, "UnprocessedItems": items});
            refusal(200, left)
        }
        Some(Fault::OnlyFirst) => {
            let mut request: Value = serde_json::from_slice(&body).unwrap();
            let mut left = request["RequestItems"].clone();
            for (table, wanted) in left.as_object_mut().unwrap() {
                let keys = wanted["Keys"].as_array_mut().unwrap();
                request["RequestItems"][table]["Keys"] = json!([keys.remove(0)]);
            }
            let body = Bytes::from(request.to_string());
            let answer = forward(&proxy, head, body, &operation).await.into_body();
            let answer = to_bytes(answer, usize::MAX).await.unwrap();
            let mut answer: Value = serde_json::from_slice(&answer).unwrap();
            answer["UnprocessedKeys"] = left;
            refusal(200, answer)
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Conflict) => refusal(
            400,
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "message": "Transaction cancelled [TransactionConflict, None]",
                "CancellationReasons": [
                    {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"},
                    {"Code": "None"},
                ],
            }),
        ),
        Some(Fault::WriteConflict) => refusal(
            400,
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
                "message": "Transaction is ongoing for the item",
            }),
        ),
        Some(Fault::Throttled) => refusal(
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
        Some(Fault::Broken) => refusal(
            500,
            json!({"__type": "InternalServerError", "message": "broken"}),
        ),
    }
}

pub async fn forward(
    proxy: &Proxy,
    mut head: axum::http::request::Parts,
    body: Bytes,
    operation: &str,
) -> Response<Body> {
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    let body = body.to_string();
    head.uri = format!("{}/", proxy.upstream).parse().unwrap();
    head.headers.insert("content-length", body.len().into());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client
        .request(Request::from_parts(head, Body::from(body)))
        .await
        .unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    // One object, or one a table.
    let consumed = &answer["ConsumedCapacity"];
    let units = consumed.get(0).unwrap_or(consumed)["CapacityUnits"].as_f64();
    let seen = match units {
        Some(units) => format!("{operation} {units}"),
        None => operation.to_owned(),
    };
    proxy.seen.lock().unwrap().push(seen);
    Response::from_parts(head, Body::from(body))
}

pub fn refusal(status: u16, body: Value) -> Response<Body> {
    let response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/x-amz-json-1.0");
    response.body(Body::from(body.to_string())).unwrap()
}

/// A call with its status and body; an empty body is null.
pub async fn call(functions: &Functions, function: &str, event: Value) -> (u16, Value) {
    let answer = functions.invoke(function, event).await.unwrap();
    let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
    if status == 503 {
        assert_eq!(answer["headers"]["retry-after"], "2", "{answer}");
    }
    let body = answer["body"].as_str().unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or_default())
}

impl FaultyStore {
    pub async fn refresh(&self, token: &str) -> (u16, Value) {
        let body = json!({ "refresh_token": token });
        call(
            &self.functions,
            "session",
            event("POST", "/refresh", &body, None),
        )
        .await
    }
}
