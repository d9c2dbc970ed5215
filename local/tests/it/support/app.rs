//! A whole Latchkey for one test, with its own DynamoDB in memory, its own clock, and a gateway
//! that is called without a socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};
use std::task::Poll;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use local::template::{Document, Template};
use local::{Local, Options, dynamodb, signing_key};
use serde_json::{Value, json};
use shared::platform::clock::{Clock, ManualClock};
use shared::platform::config::Env;

use crate::support::log;
pub use crate::support::log::{logged, logged_events, logged_requests};
use crate::support::openapi::described;

/// The time at which every test begins, in seconds since the epoch: 2027-01-15T08:00:00Z.
pub const BEGINNING: u64 = 1_800_000_000;
/// The name of the event table in local runs.
pub const EVENT_TABLE: &str = "EventTable";
/// A password that the policy accepts.
pub const PASSWORD: &str = "correct horse battery staple";
/// The address that requests come from, unless a test sets another.
pub const SOURCE_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

pub struct App {
    pub local: Local,
    pub clock: ManualClock,
    /// Whether new passwords must be as long as docs/openapi.yaml says.
    pub has_default_policy: bool,
}

/// A user with an account.
pub struct User<'a> {
    app: &'a App,
    pub email: String,
    /// The account, as register answered.
    pub account: Value,
    pub access_token: String,
    pub refresh_token: String,
}

impl App {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts with these parameters of the template.
    pub async fn with(parameters: &[(&str, &str)]) -> Self {
        log::collect();
        let clock = ManualClock::at(BEGINNING);
        let mut options = options();
        options.clock = Clock::Manual(clock.clone());
        for (name, value) in parameters {
            options
                .parameters
                .insert((*name).to_owned(), (*value).to_owned());
        }
        let has_default_policy = !options.parameters.contains_key("PasswordMinLength");
        Self {
            local: Local::start(options).await.unwrap(),
            clock,
            has_default_policy,
        }
    }

    /// Checks that an access token whose session has ended opens none of the calls that ask for no
    /// password; `session` is one of the account that has not ended, if any.
    pub async fn owners_calls_are_refused(&self, token: &str, session: &str) {
        let names = json!({"first_name": "Mallory", "last_name": ""});
        for call in [
            self.get("/profile"),
            self.put("/profile", names.clone()),
            self.patch("/profile", names),
            self.get("/profile/export"),
            self.get("/activity"),
            self.get("/sessions"),
            self.call(Method::DELETE, &format!("/sessions/{session}")),
            self.call(Method::DELETE, "/sessions?others=true"),
            self.call(Method::DELETE, "/sessions"),
        ] {
            let refused = call.bearer(token).send().await;
            refused.problem(401, "invalid-token");
        }
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        Call {
            app: self,
            request,
            ip: SOURCE_IP,
        }
        .header("host", "127.0.0.1:3000")
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: Value) -> Call<'_> {
        self.call(Method::POST, path).json(body)
    }

    pub fn put(&self, path: &str, body: Value) -> Call<'_> {
        self.call(Method::PUT, path).json(body)
    }

    pub fn patch(&self, path: &str, body: Value) -> Call<'_> {
        self.call(Method::PATCH, path).json(body)
    }

    pub async fn register(&self, email: &str) -> Answer {
        self.post("/register", registration(email)).send().await
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/login", json!({"email": email, "password": password}))
            .send()
            .await
    }

    /// Returns a user who has registered and logged in.
    pub async fn user(&self, email: &str) -> User<'_> {
        let account = self.register(email).await.expect(201).json();
        let tokens = self.login(email, PASSWORD).await.expect(200).json();
        User {
            app: self,
            email: email.to_owned(),
            account,
            access_token: text(&tokens, "access_token"),
            refresh_token: text(&tokens, "refresh_token"),
        }
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/refresh", json!({ "refresh_token": token }))
            .send()
            .await
    }

    /// Returns all items of the table except the counters of attempts.
    pub async fn items(&self) -> Vec<BTreeMap<String, AttributeValue>> {
        let mut items = self.all_items().await;
        let starts = |item: &BTreeMap<String, AttributeValue>, key: &str, with: &str| {
            item[key].as_s().unwrap().starts_with(with)
        };
        items.retain(|item| !starts(item, "pk", "LIMIT#") && !starts(item, "sk", "THROTTLE#"));
        items
    }

    /// Returns all items of the table.
    pub async fn all_items(&self) -> Vec<BTreeMap<String, AttributeValue>> {
        let scan = self.dynamodb().scan().table_name(dynamodb::TABLE);
        let items = scan.send().await.unwrap().items.unwrap_or_default();
        items
            .into_iter()
            .map(|item| item.into_iter().collect())
            .collect()
    }

    /// Returns all rows of the event table, the earliest first.
    pub async fn events(&self) -> Vec<BTreeMap<String, AttributeValue>> {
        let scan = self.dynamodb().scan().table_name(EVENT_TABLE);
        let rows = scan.send().await.unwrap().items.unwrap_or_default();
        let mut rows: Vec<BTreeMap<_, _>> = rows
            .into_iter()
            .map(|row| row.into_iter().collect())
            .collect();
        rows.sort_by_key(|row| row["sk"].as_s().unwrap().clone());
        rows
    }

    /// Returns the items whose sort key begins with `sort_key`.
    pub async fn items_of(&self, sort_key: &str) -> Vec<BTreeMap<String, AttributeValue>> {
        let mut items = self.items().await;
        items.retain(|item| item["sk"].as_s().unwrap().starts_with(sort_key));
        items
    }

    /// Removes all sessions, as if their time to live had ended.
    pub async fn remove_sessions(&self) {
        for item in self.items_of("SESSION#").await {
            let delete = self.dynamodb().delete_item().table_name(dynamodb::TABLE);
            let delete = delete.key("pk", item["pk"].clone());
            delete.key("sk", item["sk"].clone()).send().await.unwrap();
        }
    }

    /// Puts copies of the one session into the table, under other identifiers.
    pub async fn copy_session(&self, count: u32) {
        let session = self.items_of("SESSION#").await.remove(0);
        for n in 0..count {
            let mut copy = session.clone();
            let id = format!("SESSION#018bcfe5-687b-7000-8000-{n:012}");
            copy.insert("sk".to_owned(), AttributeValue::S(id));
            let put = self.dynamodb().put_item().table_name(dynamodb::TABLE);
            put.set_item(Some(copy.into_iter().collect()))
                .send()
                .await
                .unwrap();
        }
    }

    pub fn dynamodb(&self) -> Client {
        dynamodb::client(&self.local.dynamodb_url).unwrap()
    }

    /// Sets an attribute of an account, as an operator would.
    pub async fn set_attribute(&self, user_id: &str, name: &str, value: AttributeValue) {
        let update = self
            .dynamodb()
            .update_item()
            .table_name(dynamodb::TABLE)
            .key("pk", AttributeValue::S(format!("USER#{user_id}")))
            .key("sk", AttributeValue::S("ACCOUNT".to_owned()))
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value);
        update.send().await.unwrap();
    }
}

impl User<'_> {
    pub fn id(&self) -> String {
        text(&self.account, "id")
    }

    /// Returns the id of the access token's session.
    pub fn session_id(&self) -> String {
        text(&claims(&self.access_token), "sid")
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.app.get(path).bearer(&self.access_token)
    }

    pub fn post(&self, path: &str, body: Value) -> Call<'_> {
        self.app.post(path, body).bearer(&self.access_token)
    }

    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        self.app.call(method, path).bearer(&self.access_token)
    }

    pub fn put(&self, path: &str, body: Value) -> Call<'_> {
        self.app.put(path, body).bearer(&self.access_token)
    }

    pub fn patch(&self, path: &str, body: Value) -> Call<'_> {
        self.app.patch(path, body).bearer(&self.access_token)
    }
}

/// A request that is not sent yet.
pub struct Call<'a> {
    app: &'a App,
    request: Request<Body>,
    ip: IpAddr,
}

impl Call<'_> {
    /// Adds a header with any value.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.request.headers_mut().append(name, value);
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request
            .headers_mut()
            .append(name, value.parse().unwrap());
        self
    }

    /// Sets the address that the request comes from.
    pub fn from(mut self, ip: &str) -> Self {
        self.ip = ip.parse().unwrap();
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends the request. Panics if docs/openapi.yaml does not describe the answer.
    pub async fn send(self) -> Answer {
        let (head, body) = self.request.into_parts();
        let sent = to_bytes(body, usize::MAX).await.unwrap();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let request = Request::from_parts(head, Body::from(sent.clone()));
        let response = self.app.local.gateway.answer(request, self.ip).await;
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        let fault = described().fault(&method, &path, &answer);
        let fault = fault.or_else(|| {
            let taken = answer.status.is_success() && self.app.has_default_policy;
            taken.then(|| described().fault_of_taken(&method, &path, &sent))?
        });
        assert!(
            fault.is_none(),
            "docs/openapi.yaml, {method} {path}: {}: {answer:?}",
            fault.unwrap_or_default()
        );
        answer
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// Returns the problem in the body, after checks of status, code and media type.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body.header("content-type"), "application/problem+json");
        let problem = body.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(
            problem["type"],
            format!("urn:latchkey:problem:{code}"),
            "{problem}"
        );
        assert_ne!(problem["request_id"], "", "{problem}");
        problem
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().unwrap()
    }
}

/// Returns the claims of a token.
pub fn claims(token: &str) -> Value {
    segment(token, 1)
}

/// Returns a segment of a JWT.
pub fn segment(token: &str, place: usize) -> Value {
    let segment = token.split('.').nth(place).unwrap();
    shared::platform::json::parse(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
}

/// Polls all futures at once: the gateway runs each function as a task of its own.
pub async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        let done = pending.iter().all(|(_, output)| output.is_some());
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    pending
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

/// Returns the pointers and codes of a 422.
#[track_caller]
pub fn faults(problem: &Value) -> Vec<(String, String)> {
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|fault| (text(fault, "pointer"), text(fault, "code")))
        .collect()
}

#[track_caller]
pub fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text {name} in {value}"))
        .to_owned()
}

pub fn registration(email: &str) -> Value {
    json!({
        "email": email,
        "password": PASSWORD,
        "first_name": "Ada",
        "last_name": "Lovelace",
    })
}

/// Returns the options of tests: nothing stored, free ports, hashes that cost nothing.
pub fn options() -> Options {
    Options {
        template: template_document(),
        parameters: BTreeMap::new(),
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        dynamodb_port: 0,
        mail_port: 0,
        mail_fault: None,
        data_dir: data_dir(),
        ephemeral: true,
        functions: None,
        issuer: None,
        clock: Clock::System,
        weak_hashes: true,
    }
}

/// Returns the same with hashes of the lowest cost that a deployment may have, for separate
/// processes.
pub fn options_of_processes() -> Options {
    let hashes = [("Argon2MemoryKib", "7168"), ("Argon2Iterations", "5")];
    let hashes = hashes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Options {
        parameters: hashes.into(),
        weak_hashes: false,
        ..options()
    }
}

/// Returns the environment of a function that is made outside [`App`], with hashes as weak as
/// there.
#[expect(clippy::disallowed_methods, reason = "these are the tests")]
pub fn env<'a>(lookup: &'a dyn Fn(&str) -> Option<String>) -> Env<'a> {
    Env::new(lookup).with_weak_hashes()
}

/// Returns template.yaml. Parsing takes as long as a test, so it is done once.
pub fn template_document() -> Document {
    static DOCUMENT: LazyLock<Document> =
        LazyLock::new(|| Document::read(&root().join("template.yaml")).unwrap());
    DOCUMENT.clone()
}

/// Returns the template with these parameters.
pub fn template<const N: usize>(parameters: [(&str, &str); N]) -> Template {
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    template_document().with(&parameters.into()).unwrap()
}

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Returns the folder `name` of the tests.
pub fn folder(name: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Returns the folder with the signing key that all tests share. Generating one takes longer than a
/// test.
pub fn data_dir() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let made = || {
        let folder = folder("data");
        signing_key::ensure(&folder.join("signing-key.pem"), &folder.join("jwks.json")).unwrap();
        folder
    };
    FOLDER.get_or_init(made).clone()
}

/// Returns an event for the profile as it is without an authorizer.
pub fn bare_event(authorization: Option<&str>) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "GET /profile",
        "rawPath": "/profile",
        "rawQueryString": "",
        "headers": {"host": "127.0.0.1:3000"},
        "requestContext": {
            "domainName": "127.0.0.1",
            "http": {"method": "GET", "path": "/profile", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "requestId": "r-1",
            "routeKey": "GET /profile",
            "stage": "$default",
            "timeEpoch": 0,
        },
        "isBase64Encoded": false,
    });
    if let Some(value) = authorization {
        event["headers"]["authorization"] = json!(value);
    }
    event
}

/// Returns an event for a route with a body, and with a token if it needs one.
pub fn event(method: &str, path: &str, body: &Value, token: Option<&str>) -> Value {
    let mut event = bare_event(token.map(|token| format!("Bearer {token}")).as_deref());
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["requestContext"]["http"]["path"] = json!(path);
    event["headers"]["content-type"] = json!("application/json");
    event["body"] = json!(body.to_string());
    event
}
