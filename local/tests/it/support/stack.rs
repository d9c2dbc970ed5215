//! A stack as CloudFormation deploys it: the keys are in KMS, the custom resource reads their
//! public halves, and the functions get its results.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use local::functions::Functions;
use local::template::Template;
use serde_json::{Value, json};
use shared::platform::clock::Clock;
use shared::platform::config::{ConfigError, Env};
use testkit::cloudformation::CloudFormation;
use testkit::kms::Kms;

use crate::support::app::{App, bare_event, env, event, template_document};

/// A stack whose functions can be deployed one by one.
pub struct Stack {
    pub app: App,
    pub kms: Arc<Kms>,
    pub cloudformation: Arc<CloudFormation>,
    functions: RwLock<BTreeMap<String, Arc<Functions>>>,
    /// The stage that was deployed last.
    deployed: Mutex<Option<Stage>>,
}

/// The variables that functions get in one stage of the stack's keys.
#[derive(Clone)]
pub struct Stage {
    pub jwks: String,
    pub kid: String,
    pub key: String,
}

impl Stack {
    pub const FUNCTIONS: [&'static str; 7] = [
        "authorizer",
        "discovery",
        "login",
        "password",
        "profile",
        "register",
        "session",
    ];

    /// Returns a stack without deployed functions.
    pub async fn start() -> Self {
        Self {
            app: App::start().await,
            kms: Kms::start().await,
            cloudformation: CloudFormation::start().await,
            functions: RwLock::default(),
            deployed: Mutex::default(),
        }
    }

    /// Returns a stack with one signing key in KMS, of the spec `spec`.
    pub async fn with_key(spec: &str) -> Self {
        let stack = Self::start().await;
        let arn = stack.kms.make(spec);
        let stage = stack.stage(&[&arn], &arn).await;
        stack.deploy_all(&stage);
        stack.kms.asked();
        stack
    }

    /// Returns the variables for functions if the keys `published` are published and `key` signs.
    pub async fn stage(&self, published: &[&str], key: &str) -> Stage {
        let (jwks, kid) = self.cloudformation.key_set(&self.kms, published).await;
        let key = key.to_owned();
        Stage { jwks, kid, key }
    }

    pub fn deploy_all(&self, stage: &Stage) {
        for function in Self::FUNCTIONS {
            self.deploy(function, stage);
        }
    }

    /// Returns a function's handler, configured as in the last deployment.
    pub fn handler<T>(
        &self,
        function: &str,
        from_env: impl FnOnce(&Env<'_>, Clock) -> Result<T, ConfigError>,
    ) -> T {
        let stage = self.deployed.lock().unwrap().clone().unwrap();
        let lookup = |name: &str| self.variable(function, &stage, name);
        from_env(&env(&lookup), Clock::Manual(self.app.clock.clone())).unwrap()
    }

    fn variable(&self, function: &str, stage: &Stage, name: &str) -> Option<String> {
        match name {
            "JWKS" => Some(stage.jwks.clone()),
            "SIGNING_KID" => Some(stage.kid.clone()),
            "SIGNING_KEY" => Some(stage.key.clone()),
            _ => {
                let variables = &self.app.local.environment[function];
                self.kms
                    .variable(name)
                    .or_else(|| variables.get(name).cloned())
            }
        }
    }

    /// Deploys one function: replaces its process by one with this configuration.
    pub fn deploy(&self, function: &str, stage: &Stage) {
        *self.deployed.lock().unwrap() = Some(stage.clone());
        let lookup = |name: &str| self.variable(function, stage, name);
        let clock = Clock::Manual(self.app.clock.clone());
        let mut functions = Functions::default();
        assert!(functions.add(function, &env(&lookup), &clock).unwrap());
        let mut deployed = self.functions.write().unwrap();
        deployed.insert(function.to_owned(), Arc::new(functions));
    }

    pub async fn invoke(&self, function: &str, event: Value) -> Value {
        let functions = Arc::clone(&self.functions.read().unwrap()[function]);
        functions.invoke(function, event).await.unwrap()
    }

    /// Sends a request to a route without the authorizer. Returns status and body.
    pub async fn post(&self, function: &str, path: &str, body: Value) -> (u64, Value) {
        self.ask(function, event("POST", path, &body, None)).await
    }

    /// Sends `GET /profile` through the authorizer, and through the function's own check of the
    /// token. Returns both statuses.
    pub async fn profile(&self, token: &str) -> (u64, u64) {
        let header = format!("Bearer {token}");
        let mut event = bare_event(Some(&header));
        let mut asked = event.clone();
        asked["identitySource"] = json!([header]);
        let verdict = self.invoke("authorizer", asked).await;
        let (own, _) = self.ask("profile", event.clone()).await;
        if verdict["isAuthorized"] != true {
            return (403, own);
        }
        event["requestContext"]["authorizer"] = json!({"lambda": verdict["context"]});
        (self.ask("profile", event).await.0, own)
    }

    /// Invokes a function. Returns status and body.
    pub async fn ask(&self, function: &str, event: Value) -> (u64, Value) {
        let answer = self.invoke(function, event).await;
        let body = answer["body"].as_str().unwrap_or_default();
        let status = answer["statusCode"].as_u64().unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if status == 503 {
            assert_eq!(answer["headers"]["retry-after"], "2", "{answer}");
            assert!(!body.to_string().contains("KMS"), "{answer}");
        }
        (status, body)
    }
}

/// Returns the template with these parameters.
pub fn stack(signing_keys: &str, key_a: &str, key_b: &str) -> Template {
    let parameters = [
        ("SigningKeys", signing_keys),
        ("KeyA", key_a),
        ("KeyB", key_b),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // Reading fails if anything refers to a resource that is not in the stack.
    template_document()
        .with(&parameters.into())
        .unwrap_or_else(|error| panic!("{signing_keys} {key_a} {key_b}: {error:#}"))
}

/// Returns the attributes of resources that the key set reads, and the one of the key that signs.
pub fn keys_of(template: &Template) -> (Vec<String>, String) {
    let attribute = |value: &Value| value["Fn::GetAtt"].as_str().unwrap().to_owned();
    let properties = |name: &str| &template.resources()[name]["Properties"];
    let published = properties("KeySet")["Keys"].as_array().unwrap();
    let signers = ["Login", "Password", "Session"]
        .map(|name| attribute(&properties(name)["Environment"]["Variables"]["SIGNING_KEY"]));
    assert!(signers.iter().all(|signer| *signer == signers[0]));
    (
        published.iter().map(attribute).collect(),
        signers[0].clone(),
    )
}
