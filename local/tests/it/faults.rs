//! DynamoDB at its worst: a proxy between the SDK and the embedded DynamoDB counts the requests,
//! and does to them what a test asks for.

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
use shared::domain::session::{Presented, RefreshToken, Session, SessionPolicy};
use shared::platform::clock::Clock;
use shared::store::Store;
use shared::store::sessions::Rotated;

use crate::app::{App, BEGINNING, PASSWORD, env, logged_requests, registration, text};
use crate::authorizer::bare_event;
use crate::emf;
use crate::kms::assert_lean;

/// What is done to one request.
#[derive(Debug, Clone, Copy)]
enum Fault {
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
struct Proxy {
    upstream: String,
    /// By operation, in turn.
    faults: Mutex<BTreeMap<&'static str, VecDeque<Fault>>>,
    seen: Mutex<Vec<String>>,
}

/// Functions whose DynamoDB can be made to fail.
struct FaultyStore {
    app: App,
    functions: Functions,
    proxy: Arc<Proxy>,
    /// Where the proxy is.
    url: String,
}

impl FaultyStore {
    async fn start() -> Self {
        Self::before(App::start().await).await
    }

    /// Puts the proxy before the DynamoDB of `app`.
    async fn before(app: App) -> Self {
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
    fn functions(app: &App, url: &str) -> Functions {
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

    fn will(&self, operation: &'static str, faults: &[Fault]) {
        self.proxy
            .faults
            .lock()
            .unwrap()
            .insert(operation, faults.iter().copied().collect());
    }

    /// The operations asked for since the last time, each with the capacity units that it
    /// consumed, sorted.
    fn seen(&self) -> Vec<String> {
        let mut seen = std::mem::take(&mut *self.proxy.seen.lock().unwrap());
        seen.sort();
        seen
    }

    async fn register(&self) -> (u16, Value) {
        ask(
            &self.functions,
            "register",
            "POST",
            &registration("ada@example.com"),
            None,
        )
        .await
    }

    async fn login(&self) -> (u16, Value) {
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        ask(&self.functions, "login", "POST", &body, None).await
    }
}

/// Asks a function; what an unavailable store must look like is checked on the way.
async fn ask(
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
fn event(method: &str, path: &str, body: &Value, token: Option<&str>) -> Value {
    let mut event = bare_event(token.map(|token| format!("Bearer {token}")).as_deref());
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["requestContext"]["http"]["path"] = json!(path);
    event["headers"]["content-type"] = json!("application/json");
    event["body"] = json!(body.to_string());
    event
}

/// A body that never comes.
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

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
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

async fn forward(
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

fn refusal(status: u16, body: Value) -> Response<Body> {
    let response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/x-amz-json-1.0");
    response.body(Body::from(body.to_string())).unwrap()
}

#[tokio::test]
async fn each_call_costs_the_requests_of_the_design() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.seen(), ["TransactWriteItems 4"]);
    assert_eq!(faulty.register().await.0, 409);
    assert_eq!(faulty.seen(), ["TransactWriteItems"]);

    // From a source that is new: its own count, and that it is known from here on.
    let (_, tokens) = faulty.login().await;
    assert_eq!(
        faulty.seen(),
        [
            "BatchGetItem 3", // credential, attempts at the address, attempts of the source
            "GetItem 1",      // account
            "PutItem 1",      // the attempt
            "PutItem 1",      // the source is known
            "PutItem 1",      // session
            "UpdateItem 1",
            "UpdateItem 1",
        ]
    );
    // From then on: one write for the attempt, and none for its success.
    for _ in 0..3 {
        assert_eq!(faulty.login().await.0, 200);
        assert_eq!(
            faulty.seen(),
            [
                "BatchGetItem 3",
                "GetItem 1",
                "PutItem 1", // the attempt
                "PutItem 1", // session
                "UpdateItem 1",
            ]
        );
    }
    let unknown = json!({"email": "nobody@example.com", "password": PASSWORD});
    assert_eq!(
        ask(&faulty.functions, "login", "POST", &unknown, None)
            .await
            .0,
        401
    );
    let refused = ["BatchGetItem 3", "GetItem 1", "PutItem 1", "UpdateItem 1"];
    assert_eq!(faulty.seen(), refused);
    let wrong = json!({"email": "ada@example.com", "password": "not the password"});
    assert_eq!(
        ask(&faulty.functions, "login", "POST", &wrong, None)
            .await
            .0,
        401
    );
    assert_eq!(faulty.seen(), refused[..3], "its source is known");

    let token = text(&tokens, "access_token");
    let profile = async |method, body: Value| {
        ask(&faulty.functions, "profile", method, &body, Some(&token))
            .await
            .0
    };
    assert_eq!(profile("GET", json!({})).await, 200);
    assert_eq!(faulty.seen(), ["GetItem 1"]);
    assert_eq!(profile("PATCH", json!({"first_name": "A"})).await, 200);
    assert_eq!(faulty.seen(), ["UpdateItem 1"]);

    // The authorizer asks nobody.
    let asked = json!({"identitySource": [format!("Bearer {token}")]});
    faulty.functions.invoke("authorizer", asked).await.unwrap();
    assert!(faulty.seen().is_empty());
    // Nor does what is refused before the store is needed.
    assert_eq!(profile("PUT", json!({"first_name": ""})).await, 422);
    assert_eq!(
        ask(&faulty.functions, "register", "POST", &json!({}), None)
            .await
            .0,
        422
    );
    assert!(faulty.seen().is_empty());
}

#[tokio::test]
async fn a_registration_that_collides_is_tried_again() {
    let faulty = FaultyStore::start().await;
    faulty.will("TransactWriteItems", &[Fault::Conflict; 3]);
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.seen().len(), 4);
    assert_eq!(faulty.app.items().await.len(), 2);
}

#[tokio::test]
async fn a_registration_that_collides_without_end_is_a_503_and_leaves_nothing() {
    let faulty = FaultyStore::start().await;
    faulty.will("TransactWriteItems", &[Fault::Conflict; 100]);
    assert_eq!(faulty.register().await.0, 503);
    assert_eq!(faulty.seen().len(), 5);
    assert!(faulty.app.items().await.is_empty());
    faulty.will("TransactWriteItems", &[]);
    assert_eq!(faulty.register().await.0, 201);
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_still_a_201() {
    let faulty = FaultyStore::start().await;
    faulty.will("TransactWriteItems", &[Fault::AnswerLost]);
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.app.items().await.len(), 2);
    // Also where it is tried again as another transaction, which finds its own account.
    let other = FaultyStore::start().await;
    other.will("TransactWriteItems", &[Fault::AnswerLost, Fault::Conflict]);
    assert_eq!(other.register().await.0, 201);
    assert_eq!(other.app.items().await.len(), 2);
}

#[tokio::test]
async fn a_registration_whose_every_answer_was_lost_is_a_503_and_then_a_whole_account() {
    let faulty = FaultyStore::start().await;
    faulty.will("TransactWriteItems", &[Fault::AnswerLost; 3]);
    assert_eq!(faulty.register().await.0, 503);
    assert_eq!(faulty.app.items().await.len(), 2);
    assert_eq!(faulty.register().await.0, 409);
    assert_eq!(faulty.login().await.0, 200);
}

#[tokio::test]
async fn a_fault_of_dynamodb_is_counted_and_its_time_measured_with_all_tries() {
    let faulty = FaultyStore::start().await;
    for (fault, least_ms) in [(Fault::Broken, 0.0), (Fault::Silence, 2400.0)] {
        faulty.will("TransactWriteItems", &[fault; 3]);
        logged_requests();
        assert_eq!(faulty.register().await.0, 503);
        let lines = logged_requests();
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(line["store_faults"], 1, "{line}");
        assert_eq!(line["store_requests"], 1, "{line}");
        assert!(line["store_ms"].as_f64().unwrap() > least_ms, "{line}");
        assert!(emf::kept(line).contains(&("store_faults".to_owned(), vec![])));
    }
    // A refusal that the rules foresee is no fault.
    faulty.will("TransactWriteItems", &[]);
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.register().await.0, 409);
    assert!(
        logged_requests()
            .iter()
            .all(|line| line.get("store_faults").is_none())
    );
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    let faulty = FaultyStore::start().await;
    faulty.will("TransactWriteItems", &[Fault::Throttled]);
    assert_eq!(faulty.register().await.0, 201);
    // The attempt, and then the session: each is tried again.
    for faults in [
        [Fault::Broken, Fault::AnswerLost],
        [Fault::AnswerLost, Fault::Broken],
    ] {
        faulty.will("BatchGetItem", &[Fault::Broken, Fault::Throttled]);
        faulty.will("GetItem", &[Fault::Broken, Fault::Throttled]);
        faulty.will("PutItem", &faults);
        faulty.will("UpdateItem", &[Fault::Broken]);
        assert_eq!(faulty.login().await.0, 200);
    }
    faulty.will("UpdateItem", &[Fault::WriteConflict, Fault::WriteConflict]);
    assert_eq!(faulty.login().await.0, 200);
    assert_eq!(faulty.app.items_of("SESSION#").await.len(), 3);
}

#[tokio::test]
async fn a_login_whose_session_is_not_kept_gives_no_token() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    // First the attempt is not counted, then it is and the session is not written.
    for faults in [
        [Fault::Broken; 3].as_slice(),
        &[
            Fault::Passes,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
            Fault::Broken,
        ],
    ] {
        faulty.will("PutItem", faults);
        let (status, body) = faulty.login().await;
        assert_eq!(status, 503);
        assert!(!body.to_string().contains("token"), "{body}");
        assert!(faulty.app.items_of("SESSION#").await.is_empty());
        faulty.will("PutItem", &[]);
    }
    assert_eq!(faulty.login().await.0, 200);
}

#[tokio::test]
async fn a_login_that_fails_late_is_no_guess() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.login().await.0, 200);
    // The session is not kept, or the login not noted in the account; or neither.
    let session = [Fault::Passes, Fault::Broken, Fault::Broken, Fault::Broken];
    for (put, update) in [
        (session.as_slice(), [].as_slice()),
        (&[], &[Fault::Broken; 3]),
        (&session, &[Fault::Broken; 3]),
    ] {
        for time in 1..=12 {
            faulty.will("PutItem", put);
            faulty.will("UpdateItem", update);
            assert_eq!(faulty.login().await.0, 503, "time {time}");
        }
        faulty.will("PutItem", &[]);
        faulty.will("UpdateItem", &[]);
        assert_eq!(faulty.login().await.0, 200);
    }
}

#[tokio::test]
async fn a_login_whose_hash_cannot_be_made_anew_is_no_guess() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    assert_eq!(faulty.login().await.0, 200);
    let variables = &faulty.app.local.environment["login"];
    let lookup = |variable: &str| match variable {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(faulty.url.clone()),
        "AWS_REGION" => Some("local-with-another-hash".to_owned()),
        "ARGON2_MEMORY_KIB" => Some("16".to_owned()),
        other => variables.get(other).cloned(),
    };
    let mut functions = Functions::default();
    let clock = Clock::Manual(faulty.app.clock.clone());
    let made = functions.add("login", &env(&lookup), &clock);
    assert!(made.unwrap());
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    for time in 1..=12 {
        faulty.will("UpdateItem", &[Fault::Broken; 3]);
        let (status, _) = ask(&functions, "login", "POST", &body, None).await;
        assert_eq!(status, 503, "time {time}");
    }
    assert_eq!(ask(&functions, "login", "POST", &body, None).await.0, 200);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_still_a_200() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let patch = async |tag: &str, name: &str| {
        let mut event = bare_event(Some(&format!("Bearer {}", ada.access_token)));
        event["requestContext"]["http"]["method"] = json!("PATCH");
        event["headers"]["content-type"] = json!("application/json");
        event["headers"]["if-match"] = json!(tag);
        event["body"] = json!(json!({ "first_name": name }).to_string());
        let answer = faulty.functions.invoke("profile", event).await.unwrap();
        (
            answer["statusCode"].clone(),
            answer["headers"]["etag"].clone(),
        )
    };
    faulty.will("UpdateItem", &[Fault::AnswerLost]);
    assert_eq!(
        patch("\"1\"", "Augusta").await,
        (json!(200), json!("\"2\""))
    );
    // Another change at the same version is none of ours.
    assert_eq!(patch("\"1\"", "Byron").await.0, json!(412));
    assert_eq!(patch("\"2\"", "Byron").await, (json!(200), json!("\"3\"")));
}

#[tokio::test]
async fn a_fault_while_a_credential_is_read_is_not_a_wrong_password() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    faulty.will("BatchGetItem", &[Fault::Broken; 3]);
    assert_eq!(faulty.login().await.0, 503);
    assert_eq!(faulty.login().await.0, 200);
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    // Nothing listens at the discard port.
    let functions = FaultyStore::functions(&app, "http://127.0.0.1:9");
    let token = Some(ada.access_token.as_str());
    let body = registration("eve@example.com");
    assert_eq!(
        ask(&functions, "register", "POST", &body, None).await.0,
        503
    );
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    assert_eq!(ask(&functions, "login", "POST", &body, None).await.0, 503);
    assert_eq!(
        ask(&functions, "profile", "GET", &json!({}), token).await.0,
        503
    );
    let body = json!({"first_name": "A"});
    assert_eq!(
        ask(&functions, "profile", "PATCH", &body, token).await.0,
        503
    );
}

#[tokio::test]
async fn a_store_that_keeps_silent_is_a_503_before_the_function_s_own_time_is_up() {
    let faulty = FaultyStore::start().await;
    faulty.will("TransactWriteItems", &[Fault::Silence; 3]);
    // Well below the ten seconds that template.yaml gives the function; the SDK's clock is real.
    let answer = tokio::time::timeout(std::time::Duration::from_secs(9), faulty.register());
    assert_eq!(answer.await.unwrap().0, 503);
}

/// A call with its status and body; an empty body is null.
async fn call(functions: &Functions, function: &str, event: Value) -> (u16, Value) {
    let answer = functions.invoke(function, event).await.unwrap();
    let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
    if status == 503 {
        assert_eq!(answer["headers"]["retry-after"], "2", "{answer}");
    }
    let body = answer["body"].as_str().unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or_default())
}

impl FaultyStore {
    async fn refresh(&self, token: &str) -> (u16, Value) {
        let body = json!({ "refresh_token": token });
        call(
            &self.functions,
            "session",
            event("POST", "/refresh", &body, None),
        )
        .await
    }
}

#[tokio::test]
async fn sessions_cost_the_requests_of_the_design() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let token = Some(ada.access_token.as_str());
    let session = |event| call(&faulty.functions, "session", event);

    let (status, tokens) = faulty.refresh(&ada.refresh_token).await;
    assert_eq!(
        (status, faulty.seen()),
        (200, vec!["BatchGetItem 2".into(), "UpdateItem 1".into()])
    );
    // The repeat writes nothing.
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 200);
    assert_eq!(faulty.seen(), ["BatchGetItem 2"]);
    // What is not even shaped like a token asks nobody.
    assert_eq!(faulty.refresh("lkr_x").await.0, 401);
    assert!(faulty.seen().is_empty());

    assert_eq!(
        session(event("GET", "/sessions", &Value::Null, token))
            .await
            .0,
        200
    );
    assert_eq!(faulty.seen(), ["Query 1"]);
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(session(event("POST", "/logout", &body, None)).await.0, 204);
    assert_eq!(faulty.seen(), ["DeleteItem 1"]);
}

#[tokio::test]
async fn what_needs_the_password_again_costs_what_it_must() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let token = Some(ada.access_token.as_str());
    let new = "another good password";
    let body = json!({"current_password": PASSWORD, "new_password": new});
    let change = event("POST", "/password/change", &body, token);
    assert_eq!(call(&faulty.functions, "password", change).await.0, 204);
    assert_eq!(
        faulty.seen(),
        [
            "BatchGetItem 3", // credential, attempts at the address, attempts of the source
            "GetItem 1",      // account
            "PutItem 1",      // the attempt
            "Query 1",
            "TransactWriteItems 6",
        ]
    );

    let delete = event("DELETE", "/profile", &json!({ "password": new }), token);
    assert_eq!(call(&faulty.functions, "profile", delete).await.0, 204);
    let expected = [
        "BatchGetItem 3",
        "BatchWriteItem 1",
        "DeleteItem 1",
        "GetItem 1",
        "PutItem 1", // the attempt
        "PutItem 1", // its success: the change of the password was no login
        "Query 1",
        "TransactWriteItems 4",
    ];
    assert_eq!(faulty.seen(), expected);
}

#[tokio::test]
async fn a_fault_during_a_refresh_never_loses_the_session() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    for (operation, fault) in [
        ("BatchGetItem", Fault::Broken),
        ("BatchGetItem", Fault::Throttled),
        ("UpdateItem", Fault::Broken),
        ("UpdateItem", Fault::WriteConflict),
    ] {
        faulty.will(operation, &[fault; 20]);
        assert_eq!(
            faulty.refresh(&ada.refresh_token).await.0,
            503,
            "{operation} {fault:?}"
        );
        faulty.will(operation, &[]);
    }
    let (status, tokens) = faulty.refresh(&ada.refresh_token).await;
    assert_eq!(status, 200);
    let next = text(&tokens, "refresh_token");

    // The write is carried out, and its answer is lost: the SDK's next try finds it done.
    faulty.will("UpdateItem", &[Fault::AnswerLost]);
    let (status, tokens) = faulty.refresh(&next).await;
    assert_eq!(status, 200);
    let next = text(&tokens, "refresh_token");
    // Every answer is lost: the client presents its token again.
    faulty.will(
        "UpdateItem",
        &[Fault::AnswerLost, Fault::Broken, Fault::Broken],
    );
    assert_eq!(faulty.refresh(&next).await.0, 503);
    let (status, tokens) = faulty.refresh(&next).await;
    assert_eq!(status, 200);
    assert_eq!(faulty.refresh(&text(&tokens, "refresh_token")).await.0, 200);
}

#[tokio::test]
async fn credential_and_account_never_disagree() {
    for faults in [
        &[Fault::Broken; 3][..],
        &[Fault::AnswerLost; 3],
        &[Fault::Conflict, Fault::Broken, Fault::Broken, Fault::Broken],
        &[Fault::AnswerLost, Fault::Conflict],
    ] {
        let faulty = FaultyStore::start().await;
        let ada = faulty.app.user("ada@example.com").await;
        let new = "another good password";
        let body = json!({"current_password": PASSWORD, "new_password": new});
        let change = || event("POST", "/password/change", &body, Some(&ada.access_token));
        faulty.will("TransactWriteItems", faults);
        let (status, _) = call(&faulty.functions, "password", change()).await;
        assert!([204, 503].contains(&status), "{faults:?}: {status}");
        // One of the two passwords is it, and with it everything works.
        let with_new = faulty.app.login(&ada.email, new).await.status == 200;
        let with_old = faulty.app.login(&ada.email, PASSWORD).await.status == 200;
        assert_ne!(with_new, with_old, "{faults:?}");
        assert!(with_new || status == 503, "{faults:?}");
        faulty.app.refresh(&ada.refresh_token).await.expect(200);
        if with_old {
            assert_eq!(call(&faulty.functions, "password", change()).await.0, 204);
        }
        let credential = &faulty.app.items_of("CREDENTIAL").await[0];
        let account = &faulty.app.items_of("ACCOUNT").await[0];
        assert_eq!(credential["password_epoch"], account["password_epoch"]);
    }
}

#[tokio::test]
async fn sessions_whose_removal_fails_have_ended_all_the_same() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let other = faulty.app.login(&ada.email, PASSWORD).await.json();
    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    faulty.will("Query", &[Fault::Broken; 3]);
    let change = event("POST", "/password/change", &body, Some(&ada.access_token));
    assert_eq!(call(&faulty.functions, "password", change).await.0, 204);
    assert_eq!(faulty.app.items_of("SESSION#").await.len(), 2);
    let refreshed = faulty.app.refresh(&text(&other, "refresh_token")).await;
    refreshed.problem(401, "invalid-refresh-token");
}

#[tokio::test]
async fn a_deletion_that_fails_half_way_is_finished_by_the_next_call() {
    for (operation, faults) in [
        ("TransactWriteItems", &[Fault::Broken; 3][..]),
        ("TransactWriteItems", &[Fault::AnswerLost; 3]),
        ("Query", &[Fault::Broken; 3]),
        ("BatchWriteItem", &[Fault::Broken; 3]),
        ("BatchWriteItem", &[Fault::AnswerLost; 3]),
        ("DeleteItem", &[Fault::Broken; 3]),
    ] {
        let faulty = FaultyStore::start().await;
        let ada = faulty.app.user("ada@example.com").await;
        let body = json!({ "password": PASSWORD });
        let delete = || event("DELETE", "/profile", &body, Some(&ada.access_token));
        faulty.will(operation, faults);
        assert_eq!(
            call(&faulty.functions, "profile", delete()).await.0,
            503,
            "{operation}"
        );
        let begun = faulty.app.items_of("CREDENTIAL").await.is_empty();
        let login = faulty.app.login(&ada.email, PASSWORD).await.status;
        assert_eq!(login == 401, begun, "{operation}: no login in between");
        assert_eq!(
            call(&faulty.functions, "profile", delete()).await.0,
            204,
            "{operation}"
        );
        assert!(faulty.app.items().await.is_empty(), "{operation}");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_signed_costs_neither_login_nor_refresh_anything() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    // Without an issuer nothing can be signed: none is set, and the event names no domain.
    let mut functions = Functions::default();
    for name in ["login", "session"] {
        let variables = &app.local.environment[name];
        let lookup = |variable: &str| match variable {
            "ISSUER" => None,
            other => variables.get(other).cloned(),
        };
        let clock = Clock::Manual(app.clock.clone());
        assert!(functions.add(name, &env(&lookup), &clock).unwrap());
    }
    let before = app.items().await;
    let body = json!({ "refresh_token": ada.refresh_token });
    let mut refresh = event("POST", "/refresh", &body, None);
    refresh["requestContext"]["domainName"] = Value::Null;
    assert_eq!(call(&functions, "session", refresh).await.0, 500);
    let body = json!({"email": ada.email, "password": PASSWORD});
    let mut login = event("POST", "/login", &body, None);
    login["requestContext"]["domainName"] = Value::Null;
    assert_eq!(call(&functions, "login", login).await.0, 500);
    assert_eq!(app.items().await, before);
    app.refresh(&ada.refresh_token).await.expect(200);
}

#[tokio::test]
async fn the_store_itself_rotates_no_session_that_is_over() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let variables = &app.local.environment["session"];
    let lookup = |variable: &str| variables.get(variable).cloned();
    let store = Store::from_env(&env(&lookup)).unwrap();
    let policy = SessionPolicy::from_env(&env(&lookup)).unwrap();
    let token = RefreshToken::parse(&ada.refresh_token).unwrap();
    let (session, account) = store.session_and_account(&token).await.unwrap();
    let session = session.unwrap();
    assert_eq!(account.unwrap().id, session.user_id);
    let next = |now: u64| match session.present(&token, &policy, 10, BEGINNING) {
        Presented::Current { next, .. } => Session {
            rotated_at: now,
            ..next
        },
        other => panic!("{other:?}"),
    };
    let rotate = async |now: u64, began_after: u64| {
        let rotated = store
            .rotate_session(&session, &next(now), began_after)
            .await
            .unwrap();
        matches!(rotated, Rotated::Done)
    };
    // Neither after its idle time nor after its whole time, whatever the caller believes.
    assert!(!rotate(session.expires_at, 0).await);
    assert!(!rotate(BEGINNING, session.created_at).await);
    assert!(rotate(BEGINNING, session.created_at - 1).await);
    assert!(!rotate(BEGINNING, 0).await, "it has been rotated");
}

#[tokio::test]
async fn a_login_that_an_account_s_deletion_overtakes_leaves_no_session() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    // The account goes between the login's reads and its writes.
    // A known source counts in one place only, so the first update is that of the account.
    assert_eq!(faulty.login().await.0, 200);
    faulty.app.remove_sessions().await;
    faulty.will("UpdateItem", &[Fault::ItemGone]);
    assert_eq!(faulty.login().await.0, 401);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
    assert!(
        faulty.app.items_of("ACCOUNT").await.is_empty(),
        "nor an account"
    );
}

#[tokio::test]
async fn a_session_that_ends_during_its_refresh_stays_ended() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    faulty.will("UpdateItem", &[Fault::ItemGone]);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 401);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
}

#[tokio::test]
async fn without_a_grace_time_too_a_lost_answer_costs_nothing() {
    let app = App::with(&[("RefreshGraceSeconds", "0")]).await;
    let faulty = FaultyStore::before(app).await;
    let token = faulty.app.user("ada@example.com").await.refresh_token;
    faulty.will("UpdateItem", &[Fault::AnswerLost]);
    let (status, tokens) = faulty.refresh(&token).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(faulty.refresh(&text(&tokens, "refresh_token")).await.0, 200);
}

#[tokio::test]
async fn what_a_batch_left_undone_is_asked_for_again() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    faulty.will("BatchGetItem", &[Fault::Unprocessed; 2]);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 200);
    faulty.will("BatchGetItem", &[Fault::Unprocessed; 20]);
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 503);
    faulty.will("BatchGetItem", &[]);

    // What was looked up before is not forgotten, and nothing is taken for missing.
    faulty.will("BatchGetItem", &[Fault::OnlyFirst]);
    assert_eq!(faulty.login().await.0, 200);
    faulty.will("BatchGetItem", &[Fault::OnlyFirst, Fault::OnlyFirst]);
    assert_eq!(faulty.login().await.0, 200);
    faulty.will("BatchGetItem", &[Fault::Unprocessed; 20]);
    assert_eq!(faulty.login().await.0, 503);
    let wrong = json!({"email": "ada@example.com", "password": "not the password"});
    for status in [401, 401, 401, 401, 401, 429] {
        faulty.will("BatchGetItem", &[Fault::OnlyFirst, Fault::OnlyFirst]);
        let answer = ask(&faulty.functions, "login", "POST", &wrong, None).await;
        assert_eq!(answer.0, status);
    }
    faulty.will("BatchGetItem", &[]);

    faulty.app.copy_session(30).await;
    faulty.will("BatchWriteItem", &[Fault::Unprocessed; 2]);
    let end = event("DELETE", "/sessions", &Value::Null, Some(&ada.access_token));
    assert_eq!(call(&faulty.functions, "session", end).await.0, 204);
    assert!(faulty.app.items_of("SESSION#").await.is_empty());
}

/// A request that changes something, or shows something, and what it asks of DynamoDB.
struct Operation {
    name: &'static str,
    function: &'static str,
    event: Value,
    /// Its status where nothing is wrong.
    status: u16,
    /// What it asks for, in turn.
    requests: &'static [&'static str],
}

/// One of everything, for an account that is there with two sessions.
fn operations(token: &str, refresh_token: &str, other: &str) -> Vec<Operation> {
    let token = Some(token);
    let login = json!({"email": "ada@example.com", "password": PASSWORD});
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let refresh = json!({ "refresh_token": refresh_token });
    let mut end_one = event("DELETE", &format!("/sessions/{other}"), &Value::Null, token);
    end_one["pathParameters"] = json!({ "id": other });
    let operation = |name, function, event, status, requests| Operation {
        name,
        function,
        event,
        status,
        requests,
    };
    vec![
        operation(
            "register",
            "register",
            event("POST", "/register", &registration("eve@example.com"), None),
            201,
            &["TransactWriteItems"],
        ),
        operation(
            "login",
            "login",
            event("POST", "/login", &login, None),
            200,
            &["BatchGetItem", "GetItem", "PutItem", "UpdateItem"],
        ),
        operation(
            "refresh",
            "session",
            event("POST", "/refresh", &refresh, None),
            200,
            &["BatchGetItem", "UpdateItem"],
        ),
        operation(
            "list",
            "session",
            event("GET", "/sessions", &Value::Null, token),
            200,
            &["Query"],
        ),
        operation("end one", "session", end_one, 204, &["DeleteItem"]),
        operation(
            "profile",
            "profile",
            event("GET", "/profile", &Value::Null, token),
            200,
            &["GetItem"],
        ),
        operation(
            "patch",
            "profile",
            event(
                "PATCH",
                "/profile",
                &json!({"first_name": "Augusta"}),
                token,
            ),
            200,
            &["UpdateItem"],
        ),
        operation(
            "logout",
            "session",
            event("POST", "/logout", &refresh, None),
            204,
            &["DeleteItem"],
        ),
        operation(
            "change the password",
            "password",
            event("POST", "/password/change", &change, token),
            204,
            &["GetItem", "BatchGetItem", "PutItem", "TransactWriteItems"],
        ),
        operation(
            "end all",
            "session",
            event("DELETE", "/sessions", &Value::Null, token),
            204,
            &["Query", "BatchWriteItem"],
        ),
        operation(
            "delete the account",
            "profile",
            event(
                "DELETE",
                "/profile",
                &json!({ "password": PASSWORD }),
                token,
            ),
            204,
            &[
                "GetItem",
                "BatchGetItem",
                "PutItem",
                "TransactWriteItems",
                "Query",
                "BatchWriteItem",
                "DeleteItem",
            ],
        ),
    ]
}

/// What people have in the table, without the marks of when something was last tried.
async fn kept(app: &App) -> Vec<String> {
    let mut items: Vec<_> = app
        .items()
        .await
        .iter()
        .map(|item| format!("{item:?}"))
        .collect();
    items.sort();
    items
}

#[tokio::test]
async fn whatever_dynamodb_does_to_whichever_request_a_call_is_whole_or_is_not_and_a_retry_heals() {
    for place in 0.. {
        let mut more = false;
        for fault in [
            Fault::Broken,
            Fault::Throttled,
            Fault::Cut,
            Fault::WriteConflict,
        ] {
            let faulty = FaultyStore::start().await;
            let ada = faulty.app.user("ada@example.com").await;
            let other = faulty
                .app
                .login(&ada.email, PASSWORD)
                .await
                .expect(200)
                .json();
            let other = text(&crate::app::claims(&text(&other, "access_token")), "sid");
            let operations = operations(&ada.access_token, &ada.refresh_token, &other);
            let Some(operation) = operations.into_iter().nth(place) else {
                continue;
            };
            more = true;
            let named = |request| format!("{}, {request}: {fault:?}", operation.name);
            for request in operation.requests {
                if matches!(fault, Fault::WriteConflict)
                    && !["PutItem", "UpdateItem", "DeleteItem"].contains(request)
                {
                    continue;
                }
                let before = kept(&faulty.app).await;
                faulty.will(request, &[fault; 40]);
                let failed = call(
                    &faulty.functions,
                    operation.function,
                    operation.event.clone(),
                );
                let (status, _) = failed.await;
                faulty.will(request, &[]);
                let after = kept(&faulty.app).await;
                // What was begun and can only go forward may be told before all of it is done.
                let goes_on = ["Query", "BatchWriteItem", "DeleteItem"].contains(request)
                    && ["end all", "delete the account"].contains(&operation.name);
                assert_eq!(status, 503, "{}", named(request));
                assert!(
                    goes_on || before == after,
                    "{}: half of it is done",
                    named(request)
                );
            }
            let healed = call(
                &faulty.functions,
                operation.function,
                operation.event.clone(),
            );
            assert_eq!(
                healed.await.0,
                operation.status,
                "{}: a retry",
                operation.name
            );
        }
        if !more {
            assert!(place > 8, "only {place} operations were tried");
            return;
        }
    }
}
