//! Functions with an unreliable DynamoDB. A proxy between the SDK and the embedded DynamoDB records
//! the requests and injects the faults that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use local::functions::Functions;
use serde_json::{Value, json};
use shared::platform::clock::Clock;
use testkit::dynamodb::{Fault, Proxy};

use crate::support::app::{App, PASSWORD, env, event, registration};

/// Functions whose DynamoDB can be made to fail.
pub struct FaultyStore {
    pub app: App,
    pub functions: Functions,
    pub proxy: Arc<Proxy>,
}

impl FaultyStore {
    pub async fn start() -> Self {
        Self::before(App::start().await).await
    }

    /// Puts the proxy in front of the DynamoDB of `app`.
    pub async fn before(app: App) -> Self {
        let proxy = Proxy::start(&app.local.dynamodb_url).await;
        let functions = Self::functions(&app, &proxy.url);
        Self {
            app,
            functions,
            proxy,
        }
    }

    /// Returns the app's functions, with their DynamoDB at `url`.
    pub fn functions(app: &App, url: &str) -> Functions {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        // In a process, all clients of a region share the SDK's budget of retries. Each test has
        // its own region.
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

    pub fn inject(&self, operation: &'static str, faults: &[Fault]) {
        self.proxy.inject(operation, faults);
    }

    /// Returns the operations since the last call, sorted, each with the capacity units that it
    /// consumed.
    pub fn seen(&self) -> Vec<String> {
        self.proxy.seen()
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

/// Invokes a function. Also checks the form of the answer if the store is unavailable.
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

/// Invokes a function. Returns status and body; an empty body is null.
pub async fn call(functions: &Functions, function: &str, event: Value) -> (u16, Value) {
    let answer = functions.invoke(function, event).await.unwrap();
    let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
    if status == 503 {
        assert_eq!(answer["headers"]["retry-after"], "2", "{answer}");
    }
    let body = answer["body"].as_str().unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or_default())
}
