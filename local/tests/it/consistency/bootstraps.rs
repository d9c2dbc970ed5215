//! The real binaries, as processes under a Lambda runtime API.
//!
//! They are those of this build or, if `BOOTSTRAPS` names a folder such as `.aws-sam/build` or
//! `target/lambda`, those in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use local::Local;
use serde_json::{Value, json};
use shared::domain::{Email, EventId};
use shared::observe::logging::NAMESPACE_VARIABLE;
use shared::platform::Clock;
use testkit::cloudformation::CloudFormation;
use testkit::kms::Kms;
use testkit::runtime_api::Bootstrap;
use testkit::ses::{Fault, Ses};

use crate::support::app::{PASSWORD, options_of_processes, registration, root, segment, text};
use crate::support::emf;
use crate::support::log::NAMESPACE;

/// Returns the path of a function's binary.
fn binary(function: &str) -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test's own choice, not Latchkey's"
    )]
    let folder = std::env::var("BOOTSTRAPS");
    let Ok(folder) = folder else {
        return built().folder.join(function);
    };
    // cargo-lambda names the folder after the binary, SAM after the resource.
    let capitalised = function[..1].to_uppercase() + &function[1..];
    let bootstrap = |name: &str| Path::new(&folder).join(name).join("bootstrap");
    let found = [bootstrap(function), bootstrap(&capitalised)]
        .into_iter()
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{folder} has no {function}/bootstrap"))
}

/// The binaries of this build.
struct Built {
    folder: PathBuf,
    /// The libraries that had to be compiled for them.
    compiled: Vec<String>,
}

/// Builds the binaries as a plain `cargo build` does, so that no library is compiled twice. `cargo
/// test` builds only the binaries of a test's own package.
fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let this = std::env::current_exe().unwrap();
        let profile = this.parent().unwrap().parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--bins", "--message-format", "json"])
            .current_dir(root());
        build.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let output = build.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success());
        let output = String::from_utf8(output.stdout).unwrap();
        let messages = output.lines();
        let messages = messages.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let compiled = messages.filter(|message| {
            message["fresh"] == false && message["target"]["kind"] != json!(["bin"])
        });
        Built {
            folder: profile.to_path_buf(),
            compiled: compiled
                .map(|message| text(&message, "package_id"))
                .collect(),
        }
    })
}

#[test]
fn a_plain_build_compiles_no_library_that_the_tests_have() {
    let compiled = &built().compiled;
    assert!(
        compiled.is_empty(),
        "{compiled:?}: a dependency of the tests switches on a feature that `cargo run` has off, \
         so both compile what is above it. Switch it on in local/Cargo.toml."
    );
}

/// Returns the log lines of requests, as soon as there are `count`. The last one may arrive after
/// the answer.
async fn requests_printed(process: &Bootstrap, count: usize) -> Vec<Value> {
    printed(process, count, |line| line.get("status").is_some()).await
}

/// Returns the log lines for which `is` holds, in the same way.
async fn printed(process: &Bootstrap, count: usize, is: impl Fn(&Value) -> bool) -> Vec<Value> {
    for _ in 0..500 {
        let output = process.output();
        let lines = output
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let found: Vec<Value> = lines.filter(&is).collect();
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", process.output())
}

async fn start(function: &str, environment: &BTreeMap<String, String>) -> Bootstrap {
    Bootstrap::start(&binary(function), environment)
        .await
        .unwrap()
}

fn event(method: &str, path: &str, body: Value, lambda: Option<Value>) -> Value {
    let mut event = json!({
        "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path,
        "rawQueryString": "", "headers": {"content-type": "application/json"},
        "requestContext": {
            "domainName": "127.0.0.1", "requestId": "r-1", "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
        },
        "body": body.to_string(), "isBase64Encoded": false,
    });
    if let Some(context) = lambda {
        event["requestContext"]["authorizer"] = json!({ "lambda": context });
    }
    event
}

/// Returns the body of an answer, after checking its status.
#[track_caller]
fn body(answer: &Value, status: u16) -> Value {
    assert_eq!(answer["statusCode"], status, "{answer}");
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_request_is_written_once_its_answer_is_out() {
    let local = Local::start(options_of_processes()).await.unwrap();
    for (function, asked) in [
        (
            "authorizer",
            json!({"identitySource": ["Bearer of-nothing"]}),
        ),
        ("login", event("POST", "/login", json!({}), None)),
    ] {
        let mut process = start(function, &local.environment[function]).await;
        let held = process.hold_acknowledgement().await;
        process.invoke(asked).await.unwrap();
        // By now, earlier output would have arrived.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let output = process.output();
        assert!(!output.contains("\"message\":\"request\""), "{output}");
        drop(held);
        process.idle().await.unwrap();
        printed(&process, 1, |line| line["message"] == "request").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_logged_into_and_read_by_the_real_binaries() {
    let local = Local::start(options_of_processes()).await.unwrap();
    let mut environment = local.environment.clone();
    for variables in environment.values_mut() {
        // The most detailed level that can be set. Not even at this level is a secret logged.
        variables.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), "TRACE".to_owned());
        variables.insert("RUST_LOG".to_owned(), "trace".to_owned());
        variables.insert(NAMESPACE_VARIABLE.to_owned(), NAMESPACE.to_owned());
    }

    let mut register = start("register", &environment["register"]).await;
    let asked = event("POST", "/register", registration("ada@example.com"), None);
    let account = body(&register.invoke(asked).await.unwrap(), 201);

    let mut login = start("login", &environment["login"]).await;
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let asked = event("POST", "/login", credentials, None);
    let tokens = body(&login.invoke(asked.clone()).await.unwrap(), 200);
    let access_token = text(&tokens, "access_token");
    // The same process is warm and makes another session.
    let again = body(&login.invoke(asked).await.unwrap(), 200);
    assert_ne!(again["refresh_token"], tokens["refresh_token"]);
    let wrong = json!({"email": "ada@example.com", "password": "not the password"});
    body(
        &login
            .invoke(event("POST", "/login", wrong, None))
            .await
            .unwrap(),
        401,
    );

    // Metrics are in the lines of requests, and only the first request of a process is a cold
    // start.
    let requests = requests_printed(&login, 3).await;
    let [cold, warm, refused] = &requests[..] else {
        panic!("{}", login.output())
    };
    requests.iter().for_each(emf::check);
    let is_stored = |line, name: &str| emf::stored(line).contains(&(name.to_owned(), vec![]));
    assert!(
        is_stored(cold, "cold_starts") && is_stored(cold, "logins"),
        "{cold}"
    );
    assert!(
        !is_stored(warm, "cold_starts") && is_stored(warm, "logins"),
        "{warm}"
    );
    assert!(is_stored(refused, "logins_refused"), "{refused}");

    let mut authorizer = start("authorizer", &environment["authorizer"]).await;
    let ask =
        |header: String| json!({"version": "2.0", "type": "REQUEST", "identitySource": [header]});
    let verdict = authorizer
        .invoke(ask(format!("Bearer {access_token}")))
        .await
        .unwrap();
    assert_eq!(verdict["isAuthorized"], true, "{verdict}");
    assert_eq!(verdict["context"]["sub"], account["id"]);
    let refused = authorizer
        .invoke(ask("Bearer a.b.c".to_owned()))
        .await
        .unwrap();
    assert_eq!(refused, json!({"isAuthorized": false}));

    let mut profile = start("profile", &environment["profile"]).await;
    let context = Some(verdict["context"].clone());
    let shown = profile
        .invoke(event("GET", "/profile", Value::Null, context))
        .await
        .unwrap();
    assert_eq!(body(&shown, 200)["email"], "ada@example.com");
    let bare = profile
        .invoke(event("GET", "/profile", Value::Null, None))
        .await
        .unwrap();
    let challenge = &bare["headers"]["www-authenticate"];
    assert_eq!(challenge, "Bearer realm=\"latchkey\"");
    body(&bare, 401);

    let mut session = start("session", &environment["session"]).await;
    let presented = json!({ "refresh_token": tokens["refresh_token"] });
    let asked = event("POST", "/refresh", presented, None);
    let refreshed = body(&session.invoke(asked).await.unwrap(), 200);

    let mut password = start("password", &environment["password"]).await;
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let asked = event(
        "POST",
        "/password/change",
        change,
        Some(verdict["context"].clone()),
    );
    let changed = password.invoke(asked).await.unwrap();
    let changed = body(&changed, 200);
    let presented = json!({ "refresh_token": changed["refresh_token"] });
    let asked = event("POST", "/refresh", presented, None);
    body(&session.invoke(asked).await.unwrap(), 200);

    let output = [
        &register,
        &login,
        &authorizer,
        &profile,
        &session,
        &password,
    ]
    .map(Bootstrap::output)
    .join("\n");
    assert!(
        output.contains("\"status\":201"),
        "one line a request, in JSON: {output}"
    );
    let secrets = [
        PASSWORD,
        &access_token,
        &text(&tokens, "refresh_token"),
        &text(&refreshed, "refresh_token"),
        &text(&changed, "refresh_token"),
        "another good password",
        "$argon2id$",
    ];
    for secret in secrets {
        assert!(!output.contains(secret), "{secret} in {output}");
    }
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_sent_by_the_real_binary_and_no_level_of_its_log_shows_whom_to_or_its_link() {
    let mut options = options_of_processes();
    let from = ("MailFrom".to_owned(), "no-reply@example.com".to_owned());
    options.parameters.extend([from]);
    let local = Local::start(options).await.unwrap();
    let mut register = start("register", &local.environment["register"]).await;
    let asked = event("POST", "/register", registration("ada@example.com"), None);
    let account = body(&register.invoke(asked).await.unwrap(), 201);

    let ses = Ses::start().await;
    let mut environment = local.environment["mailer"].clone();
    for (name, value) in [
        ("AWS_ENDPOINT_URL_SESV2", ses.url.as_str()),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
        ("RUST_LOG", "trace"),
        (NAMESPACE_VARIABLE, NAMESPACE),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    let mut mailer = start("mailer", &environment).await;
    let event = EventId::new(Clock::System.millis()).to_string();
    let of_ada = Email::parse("ada@example.com").unwrap().fingerprint();
    let asked = json!({"Records": [{"eventName": "INSERT", "dynamodb": {
        "SequenceNumber": "1",
        "NewImage": {
            "pk": {"S": format!("EMAIL#{of_ada}")}, "sk": {"S": event}, "ip": {"S": "::1"},
            "user_agent": {"S": ""}, "mail": {"S": "password_reset"},
        },
    }}]});
    for faults in [&[][..], &[Fault::NotVerified], &[Fault::BadRequest]] {
        ses.inject(faults);
        let answer = mailer.invoke(asked.clone()).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    let mail = ses.sent().remove(0);
    let link = mail.to_string();
    let link = link.split("#lkm_").nth(1).unwrap();
    let tags = mail["EmailTags"].as_array().unwrap();
    assert!(tags.contains(&json!({"Name": "user", "Value": account["id"]})));
    let lines = printed(&mailer, 3, |line| line["message"] == "request").await;
    lines.iter().for_each(emf::check);
    let sent = ("mails_sent".to_owned(), vec![]);
    assert!(emf::stored(&lines[0]).contains(&sent), "{}", lines[0]);
    let output = mailer.output();
    for secret in [
        "@example.com",
        "lkm_",
        "lkm",
        &link[..20],
        "Set a new password",
    ] {
        assert!(!output.contains(secret), "{secret} in {output}");
    }
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_stack_are_read_by_the_real_binary_and_published_by_another() {
    let local = Local::start(options_of_processes()).await.unwrap();
    let kms = Kms::start().await;
    let cloudformation = CloudFormation::start().await;
    let key = kms.make("RSA_2048");
    let mut environment = local.environment["keys"].clone();
    environment.insert("AWS_ENDPOINT_URL_KMS".to_owned(), kms.url.clone());
    let mut keys = start("keys", &environment).await;
    let asked = json!({
        "RequestType": "Create", "ResourceType": "Custom::LatchkeyKeySet",
        "ResourceProperties": {"Keys": [key]},
    });
    keys.invoke(cloudformation.event_of(asked)).await.unwrap();
    let made = cloudformation.answer();
    assert_eq!(made["Status"], "SUCCESS", "{made}");
    assert!(!keys.output().contains("signature=of-no-body"));
    // An event that is not a request is answered as well.
    let odd = cloudformation.event_of(json!({"RequestType": 7}));
    keys.invoke(odd).await.unwrap();
    let told = cloudformation.answer();
    assert_eq!(told["Reason"], "there is no request type \"\"", "{told}");

    let mut environment = local.environment["discovery"].clone();
    environment.insert("JWKS".to_owned(), text(&made["Data"], "Jwks"));
    let mut discovery = start("discovery", &environment).await;
    let asked = event("GET", "/.well-known/jwks.json", json!({}), None);
    let published = body(&discovery.invoke(asked).await.unwrap(), 200);
    assert_eq!(published["keys"][0]["kid"], made["Data"]["SigningKid"]);

    // KMS signs for the real login, independently of the local key.
    let mut register = start("register", &local.environment["register"]).await;
    let asked = event("POST", "/register", registration("ada@example.com"), None);
    body(&register.invoke(asked).await.unwrap(), 201);
    let mut environment = local.environment["login"].clone();
    environment.extend(kms.signing_environment(&text(&made["Data"], "Jwks"), &key));
    let mut login = start("login", &environment).await;
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let asked = event("POST", "/login", credentials, None);
    let tokens = body(&login.invoke(asked).await.unwrap(), 200);
    let header = segment(&text(&tokens, "access_token"), 0);
    assert_eq!(header["kid"], made["Data"]["SigningKid"]);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_key_is_unsealed_before_the_first_event() {
    let local = Local::start(options_of_processes()).await.unwrap();
    let kms = Kms::start().await;
    let cloudformation = CloudFormation::start().await;
    let wrapping = kms.make("SYMMETRIC_DEFAULT");
    let (public, key) = cloudformation
        .sealed_key(&kms, &wrapping, "ECC_NIST_P256")
        .await;
    let (jwks, _) = cloudformation.key_set(&kms, &[&public]).await;
    kms.asked();
    for (function, path) in [("login", "/login"), ("session", "/refresh")] {
        let mut environment = local.environment[function].clone();
        environment.extend(kms.signing_environment(&jwks, &key));
        let mut signer = start(function, &environment).await;
        // The request is refused before a key is needed, so only the start can have asked for it.
        let asked = event("POST", path, json!({}), None);
        body(&signer.invoke(asked).await.unwrap(), 422);
        let asked = kms.asked();
        let unsealed = asked.iter().filter(|asked| asked["Operation"] == "Decrypt");
        assert_eq!(unsealed.count(), 1, "{function}: {asked:?}");
    }
    local.stop().await;
}

#[tokio::test]
async fn a_binary_without_its_configuration_ends_with_one_sentence() {
    let local = Local::start(options_of_processes()).await.unwrap();
    for (function, missing, sentence) in [
        (
            "register",
            "TABLE_NAME",
            "TABLE_NAME is not set; set it to the name of the DynamoDB table",
        ),
        (
            "login",
            "SIGNING_KEY",
            "SIGNING_KEY is not set; set it to the ARN of a KMS key, or the path",
        ),
        (
            "session",
            "SIGNING_KEY",
            "SIGNING_KEY is not set; set it to the ARN of a KMS key, or the path",
        ),
        (
            "password",
            "JWKS",
            "JWKS is not set; set it to a JSON Web Key Set",
        ),
        (
            "profile",
            "JWKS",
            "JWKS is not set; set it to a JSON Web Key Set",
        ),
        (
            "discovery",
            "JWKS",
            "JWKS is not set; set it to a JSON Web Key Set",
        ),
        (
            "authorizer",
            "JWKS",
            "JWKS is not set; set it to a JSON Web Key Set",
        ),
        (
            "publisher",
            "EVENT_SOURCE",
            "EVENT_SOURCE is not set; set it to the source of events",
        ),
    ] {
        let mut environment = local.environment[function].clone();
        environment.remove(missing);
        ends_with(function, &environment, sentence).await;
    }
    // A key set that hides a mistake is refused as well.
    let public = r#""kty":"EC","crv":"P-256","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","y":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    for function in ["authorizer", "discovery", "login"] {
        for (keys, sentence) in [
            (
                format!(r#"{{{public},"d":"AA"}}"#),
                "JWKS has the private half of the key \"a\"; publish public keys only; set it to",
            ),
            (
                r#"{"kty":"oct","kid":"b","k":"AA"}"#.to_owned(),
                "JWKS has the symmetric key \"b\"; only RSA, P-256 and Ed25519 keys verify tokens; set it",
            ),
        ] {
            let mut environment = local.environment[function].clone();
            environment.insert("JWKS".to_owned(), format!(r#"{{"keys":[{keys}]}}"#));
            ends_with(function, &environment, sentence).await;
        }
    }
    local.stop().await;
}

/// Starts a binary that cannot run. It must end, and say why in one line.
async fn ends_with(function: &str, environment: &BTreeMap<String, String>, sentence: &str) {
    let ended = start(function, environment).await.end().await.unwrap();
    assert!(ended.contains(sentence), "{function}: {ended}");
    assert!(ended.contains("exit status: 1"), "{function}: {ended}");
    assert_eq!(ended.lines().count(), 1, "{function}: {ended}");
}

#[test]
fn the_authorizer_links_neither_the_aws_sdk_nor_a_password_hash_nor_tls() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "-p",
            "authorizer",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("jsonwebtoken"), "{tree}");
    for heavy in [
        "aws-sdk",
        "aws-smithy",
        "rustls",
        "argon2",
        "rusqlite",
        "lambda_http",
    ] {
        assert!(!tree.contains(heavy), "{heavy} in\n{tree}");
    }
}
