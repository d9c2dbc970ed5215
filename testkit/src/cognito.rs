//! A stand-in for Amazon Cognito's user pools: the one operation that Latchkey uses, with the checks
//! that Cognito makes, and with faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};

use crate::headers::assert_names_latchkey;
use crate::listen;

/// The id of the pool.
pub const POOL_ID: &str = "eu-west-1_AbCdEfGhI";
/// The id of its client.
pub const CLIENT_ID: &str = "1h57kf5cpq17m0eml12EXAMPLE";

/// What the pool does after the right password of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It gives tokens.
    Tokens,
    /// It asks for something.
    Challenge(&'static str),
    /// It refuses with this code.
    Refuses(&'static str),
}

/// A fault of Cognito in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It has an internal fault.
    Broken,
    /// There were too many requests.
    Throttled,
    /// It never answers.
    Silence,
    /// It answers with something that is no answer of its own.
    Nonsense,
    /// It refuses the request with this code, whatever the password.
    Code(&'static str),
}

/// A stand-in for a user pool.
pub struct Cognito {
    /// The base URL.
    pub url: String,
    users: Mutex<BTreeMap<String, (String, Then)>>,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<String>>,
}

impl Cognito {
    /// Starts a stand-in without users.
    pub async fn start() -> Arc<Self> {
        let (listener, url) = listen().await;
        let pool = Arc::new(Self {
            url,
            users: Mutex::default(),
            faults: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&pool));
        tokio::spawn(async move { axum::serve(listener, router).await });
        pool
    }

    /// Returns the variable `name` of a function whose user pool this is.
    pub fn variable(&self, name: &str) -> Option<String> {
        match name {
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER" => Some(self.url.clone()),
            "USER_POOL" => Some(format!("{POOL_ID}/{CLIENT_ID}")),
            _ => None,
        }
    }

    /// Adds a user who logs in with this address.
    pub fn add(&self, email: &str, password: &str, then: Then) {
        let user = (password.to_owned(), then);
        self.users.lock().unwrap().insert(email.to_owned(), user);
    }

    /// Injects these faults into the next requests, one each. They replace those that are left.
    pub fn inject(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.iter().copied().collect();
    }

    /// Returns whom was asked for since the last call, by the name of each request.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn judge(&self, name: &str, password: &str) -> (u16, Value) {
        let users = self.users.lock().unwrap();
        let Some((right, then)) = users.get(name) else {
            return refused(400, "UserNotFoundException");
        };
        match then {
            _ if right != password => refused(400, "NotAuthorizedException"),
            Then::Tokens => {
                let result = json!({
                    "AccessToken": "secret", "IdToken": "secret", "RefreshToken": "secret",
                    "ExpiresIn": 3600, "TokenType": "Bearer",
                });
                (
                    200,
                    json!({"AuthenticationResult": result, "ChallengeParameters": {}}),
                )
            }
            Then::Challenge(challenge) => (
                200,
                json!({"ChallengeName": challenge, "ChallengeParameters": {}, "Session": "secret"}),
            ),
            Then::Refuses(code) => refused(400, code),
        }
    }
}

fn refused(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"__type": code, "message": "refused"}))
}

async fn answer(
    State(pool): State<Arc<Cognito>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    assert_names_latchkey(&headers);
    assert_eq!(
        headers["x-amz-target"],
        "AWSCognitoIdentityProviderService.AdminInitiateAuth"
    );
    let signature = headers["authorization"].to_str().unwrap();
    let scope = "/eu-west-1/cognito-idp/aws4_request";
    assert!(signature.contains(scope), "{signature}");
    let request: Value = shared::platform::json::parse(&body).unwrap();
    let text = |name: &str| request[name].as_str().unwrap();
    assert_eq!(text("AuthFlow"), "ADMIN_USER_PASSWORD_AUTH");
    assert_eq!(text("UserPoolId"), POOL_ID);
    assert_eq!(text("ClientId"), CLIENT_ID);
    assert_eq!(request.as_object().unwrap().len(), 4, "no other member");
    let parameters = &request["AuthParameters"];
    assert_eq!(parameters.as_object().unwrap().len(), 2);
    let [name, password] = ["USERNAME", "PASSWORD"].map(|it| parameters[it].as_str().unwrap());
    assert!(!password.is_empty(), "Cognito calls it a missing parameter");
    pool.asked.lock().unwrap().push(name.to_owned());
    let fault = pool.faults.lock().unwrap().pop_front();
    let (status, answer) = match fault {
        None => pool.judge(name, password),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Broken) => refused(500, "InternalErrorException"),
        Some(Fault::Throttled) => refused(400, "TooManyRequestsException"),
        Some(Fault::Nonsense) => (200, json!([])),
        Some(Fault::Code(code)) => refused(400, code),
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(Body::from(answer.to_string()))
        .unwrap()
}
