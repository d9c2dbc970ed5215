//! The functions to measure: their environments, their events, and their limits.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, ensure};
use local::Local;
use serde_json::{Value, json};
use shared::domain::{Email, EventId};
use shared::platform::Clock;
use testkit::cloudformation::CloudFormation;
use testkit::kms::Kms;

use crate::report::Most;
use crate::{PASSWORD, log_in};

/// Calls of functions that sign in memory, as with a sealed key. The others ask KMS.
pub(super) const REFRESH_IN_MEMORY: &str = "refresh, the key in memory";

pub(super) const LOGIN_IN_MEMORY: &str = "login, the key in memory";

/// A function's binary, and the call to measure.
pub(super) struct Function {
    /// The name of the call in the table.
    pub(super) call: &'static str,
    pub(super) package: &'static str,
    pub(super) environment: BTreeMap<String, String>,
    /// Returns the next event, given the last answer.
    pub(super) event: Event,
    /// The last answer. At first it is null.
    pub(super) answer: Value,
    /// The number of passwords that a call hashes. Their time and memory are counted separately.
    pub(super) hashes: u32,
    pub(super) most: Limits,
}

/// The limits for a call.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) first: Most,
    pub(super) warm: Most,
    /// The limit for the handler compared with its hash.
    pub(super) handled: Most,
    pub(super) work: Most,
    pub(super) memory: Most,
}

/// Returns the event that follows an answer.
pub(super) type Event = Box<dyn FnMut(&Value) -> anyhow::Result<Value>>;

/// Returns the variables that a function needs to sign with a key in KMS, the default in AWS.
pub(super) async fn signing_with_kms() -> [(String, String); 3] {
    let kms = Kms::start().await;
    let key = kms.make("RSA_2048");
    let cloudformation = CloudFormation::start().await;
    let (jwks, _) = cloudformation.key_set(&kms, &[&key]).await;
    kms.signing_environment(&jwks, &key)
}

/// Returns the functions of a running Latchkey, each with a request that succeeds. `signing` is the
/// environment of those that ask KMS to sign.
pub(super) async fn functions(
    local: &Local,
    signing: &[(String, String); 3],
) -> anyhow::Result<Vec<Function>> {
    // Four users: one with a short list of sessions, one who logs in again and again, one who stays
    // in one session, and one who changes the password.
    let stays = log_in(local, "ada@example.com").await?;
    log_in(local, "grace@example.com").await?;
    log_in(local, "edith@example.com").await?;
    let refreshes = log_in(local, "joan@example.com").await?;
    let others = log_in(local, "hedy@example.com").await?;
    let changes = log_in(local, "mary@example.com").await?;

    let verify = include_str!("../../../events/authorizer/allow.json");
    let verify: Value = serde_json::from_str(&verify.replace("ACCESS_TOKEN", text(&stays)?))?;
    let [shown, changed] = [
        granted(local, &stays).await?,
        granted(local, &changes).await?,
    ];

    let always = |event: Value| -> Event { Box::new(move |_| Ok(event.clone())) };
    let get = |path| always(event("GET", path, &Value::Null, &shown));
    let login = |email| {
        let body = json!({"email": email, "password": PASSWORD});
        always(event("POST", "/login", &body, &Value::Null))
    };
    let refresh = |mut tokens: Value| -> Event {
        Box::new(move |answer| {
            if let Some(body) = answer["body"].as_str() {
                tokens = serde_json::from_str(body)?;
            }
            let body = json!({"refresh_token": tokens["refresh_token"]});
            Ok(event("POST", "/refresh", &body, &Value::Null))
        })
    };
    let mut registered = 0;
    let register: Event = Box::new(move |_| {
        registered += 1;
        let body = json!({
            "email": format!("user{registered}@example.com"), "password": PASSWORD,
            "first_name": "Ada", "last_name": "Lovelace",
        });
        Ok(event("POST", "/register", &body, &Value::Null))
    });
    let mut passwords = [PASSWORD, "another good password of mine"];
    let change: Event = Box::new(move |_| {
        let body = json!({"current_password": passwords[0], "new_password": passwords[1]});
        passwords.reverse();
        Ok(event("POST", "/password/change", &body, &changed))
    });
    let mut asked = 0;
    let forgotten: Event = Box::new(move |_| {
        asked += 1;
        let body = json!({"email": format!("user{asked}@example.com")});
        Ok(event("POST", "/password/forgot", &body, &Value::Null))
    });
    let address = Email::parse("ada@example.com").map_err(|_| anyhow!("an address"))?;
    let mail: Event = Box::new(move |answer| {
        let failed = answer["batchItemFailures"].as_array();
        ensure!(
            failed.is_none_or(Vec::is_empty),
            "no mail was sent: {answer}"
        );
        let id = EventId::new(Clock::System.millis());
        let record = include_str!("../../../events/mailer/sent-password-reset.json");
        let record = record.replace("ADDRESS_HASH", &address.fingerprint());
        Ok(serde_json::from_str(
            &record.replace("EVENT_ID", &id.to_string()),
        )?)
    });
    let published = include_str!("../../../events/publisher/published-login.json");
    let published: Value = serde_json::from_str(published)?;
    let any = Limits {
        first: Most::Any,
        warm: Most::Any,
        handled: Most::Any,
        work: Most::Any,
        memory: Most::Any,
    };
    let authorizer = Limits {
        first: Most::Ratio(1.2),
        warm: Most::Ratio(1.6),
        memory: Most::Megabytes(6.0),
        ..any
    };
    let hashing = Limits {
        first: Most::Ratio(4.0),
        memory: Most::Megabytes(12.0),
        ..any
    };
    let of_login = Limits {
        handled: Most::Ratio(1.15),
        ..hashing
    };
    let storing = Limits {
        work: Most::Millis(1.0),
        ..hashing
    };
    let functions = [
        ("empty", "empty", always(json!({})), 0, any),
        ("authorizer", "authorizer", always(verify), 0, authorizer),
        (
            "discovery",
            "discovery",
            get("/.well-known/jwks.json"),
            0,
            any,
        ),
        ("profile", "profile", get("/profile"), 0, storing),
        ("sessions", "session", get("/sessions"), 0, storing),
        ("refresh", "session", refresh(refreshes), 0, storing),
        (REFRESH_IN_MEMORY, "session", refresh(others), 0, storing),
        ("login", "login", login("grace@example.com"), 1, of_login),
        (
            LOGIN_IN_MEMORY,
            "login",
            login("edith@example.com"),
            1,
            of_login,
        ),
        ("register", "register", register, 1, storing),
        ("password change", "password", change, 2, hashing),
        ("forgotten password", "forgot", forgotten, 0, storing),
        ("a mail, beside SES", "mailer", mail, 0, hashing),
        ("a published event", "publisher", always(published), 0, any),
    ];
    Ok(functions
        .into_iter()
        .map(|(call, package, event, hashes, most)| {
            let environment = local.environment.get(package).cloned();
            let mut environment = environment.unwrap_or_default();
            let signs = ["login", "password", "session"].contains(&package);
            if signs && ![REFRESH_IN_MEMORY, LOGIN_IN_MEMORY].contains(&call) {
                environment.extend(signing.iter().cloned());
            }
            Function {
                call,
                package,
                environment,
                event,
                answer: Value::Null,
                hashes,
                most,
            }
        })
        .collect())
}

pub(super) fn text(tokens: &Value) -> anyhow::Result<&str> {
    tokens["access_token"].as_str().context("no token")
}

/// Returns the authorizer's context for these tokens.
async fn granted(local: &Local, tokens: &Value) -> anyhow::Result<Value> {
    let event = include_str!("../../../events/authorizer/allow.json");
    let event = serde_json::from_str(&event.replace("ACCESS_TOKEN", text(tokens)?))?;
    let verdict = local.functions.invoke("authorizer", event).await?;
    ensure!(verdict["context"].is_object(), "{verdict}");
    Ok(verdict["context"].clone())
}

/// Returns a request as API Gateway passes it, with the authorizer's context.
pub(super) fn event(method: &str, path: &str, body: &Value, granted: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path,
        "rawQueryString": "", "headers": {"content-type": "application/json"},
        "requestContext": {
            "domainName": "127.0.0.1", "requestId": "r-1", "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "authorizer": {"lambda": granted},
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}
