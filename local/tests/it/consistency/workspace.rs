//! Checks that template.yaml, the routes and environment of `cargo lambda watch`, the handlers and
//! the workspace agree. If one place is forgotten, a test here names it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use axum::http::Method;
use local::dynamodb;
use local::functions::{self, Functions};
use local::template::{Route, Template, document};
use serde_json::Value;
use shared::observe::logging::NAMESPACE_VARIABLE;
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use shared::platform::settings;
use testkit::cloudformation::CloudFormation;
use testkit::cognito::{CLIENT_ID, POOL_ID};
use testkit::kms::Kms;

use super::items::quoted;
use crate::support::app::{App, root, template_document, text};
use crate::support::private::{is_marked, own_routes};

/// The routes that need no token. All others must be closed.
const PUBLIC: [&str; 13] = [
    "GET /.well-known/jwks.json",
    "GET /.well-known/openid-configuration",
    "GET /pages/{file}",
    "POST /email/change/confirm",
    "POST /email/verify",
    "POST /email/verify/resend",
    "POST /login",
    "POST /logout",
    "POST /password/forgot",
    "POST /password/reset",
    "POST /refresh",
    "POST /register",
    "POST /register/confirm",
];

/// The variables that functions read only in AWS: a role's credentials have a token, there is neither
/// KMS nor a proxy nor a configuration set of SES nor a user pool of Cognito locally, and the endpoint
/// of DynamoDB is set by its own variable.
const IN_AWS: [&str; 8] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_SESSION_TOKEN",
    "CONFIGURATION_SET",
    "PROXY_SECRET_HASH",
    "SIGNING_KID",
    "USER_POOL",
];

/// Returns the template with every optional variable set.
fn template() -> Template {
    crate::support::app::template([
        ("CognitoClientId", CLIENT_ID),
        ("CognitoUserPoolId", POOL_ID),
        ("Issuer", "https://auth.example.com"),
        ("MailFrom", local::MAIL_FROM),
        ("ProxySecretHash", &"0".repeat(64)),
        ("PublishEvents", "on"),
    ])
}

/// Returns cargo's metadata of the workspace.
fn workspace() -> Value {
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    shared::platform::json::parse(&metadata.stdout).unwrap()
}

fn lambda_environment() -> BTreeMap<String, String> {
    let workspace = workspace();
    let variables = workspace["metadata"]["lambda"]["env"].as_object().unwrap();
    variables
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn cargo_lambda_watch_has_the_routes_of_the_template() {
    let of_template: BTreeSet<_> = template()
        .routes()
        .iter()
        .map(|route| {
            (
                route.path.clone(),
                route.method.clone(),
                route.function.clone(),
            )
        })
        .collect();
    let workspace = workspace();
    let router = workspace["metadata"]["lambda"]["watch"]["router"]
        .as_object()
        .unwrap();
    let mut of_watch = BTreeSet::new();
    for (path, methods) in router {
        for entry in methods.as_array().unwrap() {
            of_watch.insert((path.clone(), text(entry, "method"), text(entry, "function")));
        }
    }
    assert_eq!(of_watch, of_template);
}

#[tokio::test]
async fn every_route_of_the_template_is_one_that_its_handler_knows() {
    let app = App::with_mail().await;
    for (n, route) in own_routes(&template()).enumerate() {
        let ada = app.user(&format!("ada{n}@example.com")).await;
        let method: Method = route.method.parse().unwrap();
        let path = route.path.replace("{id}", &ada.session_id());
        let path = path.replace("{file}", "verify");
        let answer = app
            .call(method, &path)
            .bearer(&ada.access_token)
            .send()
            .await;
        assert!(
            ![404, 405, 500].contains(&answer.status.as_u16()),
            "{route:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn every_route_but_the_public_ones_is_closed() {
    let app = App::start().await;
    let name = |route: &Route| format!("{} {}", route.method, route.path);
    let template = template();
    let (closed, open): (Vec<_>, Vec<_>) = template.routes().iter().partition(|r| r.authorized);
    assert_eq!(open.into_iter().map(name).collect::<Vec<_>>(), PUBLIC);
    assert!(!closed.is_empty());
    for route in closed {
        let path = route
            .path
            .replace("{id}", "018bcfe5-687b-7000-8000-000000000002");
        let call = || app.call(route.method.parse().unwrap(), &path);
        call().send().await.expect(401);
        for value in [
            "Bearer",
            "Basic YTpi",
            "Bearer a.b.c",
            "Bearer lkr_AAAA",
            "a.b.c",
        ] {
            call()
                .header("authorization", value)
                .send()
                .await
                .expect(403);
        }
    }
}

/// Returns the variables that a function reads when it is made.
fn variables_of(function: &str) -> BTreeSet<String> {
    let mut there = lambda_environment();
    let data = crate::support::app::data_dir();
    for (name, file) in [("JWKS", "jwks.json"), ("SIGNING_KEY", "signing-key.pem")] {
        there.insert(name.to_owned(), data.join(file).display().to_string());
    }
    let asked = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        there.get(name).cloned()
    };
    let made = Functions::default().add(function, &Env::new(&lookup), &Clock::System);
    let known =
        made.unwrap_or_else(|error| panic!("{function} under cargo lambda watch: {error:#}"));
    assert!(known, "add {function} to local/src/functions.rs");
    // Optional: it is set only to trust other roots than Amazon's.
    asked.borrow_mut().remove("SSL_CERT_FILE");
    asked.into_inner()
}

/// Returns the variables that every function gets, except the metrics' namespace, which logging
/// reads.
fn global_variables() -> BTreeSet<String> {
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = document(&yaml).unwrap();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    let names = variables.as_object().unwrap().keys().cloned();
    names.filter(|name| name != NAMESPACE_VARIABLE).collect()
}

#[tokio::test]
async fn the_template_sets_what_each_function_reads_and_beyond_it_only_tuning_variables() {
    let globals = global_variables();
    let mut used = BTreeSet::new();
    for (function, variables) in template().environments() {
        let mut read = variables_of(function);
        // Set by Lambda or, the endpoint, only in local runs.
        read.retain(|name| !name.starts_with("AWS_"));
        let set: BTreeSet<_> = variables.keys().cloned().collect();
        assert!(set.is_superset(&globals), "{function}");
        assert!(set.is_superset(&read), "{function}: {:?}", &read - &set);
        let unread = &set - &read;
        assert!(
            unread.is_subset(&globals),
            "{function}: {:?}",
            &unread - &globals
        );
        used.extend(read);
    }
    assert!(globals.is_subset(&used), "{:?}", &globals - &used);
}

#[test]
fn the_template_s_numbers_are_the_settings_of_the_code() {
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = document(&yaml).unwrap();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    for setting in settings::ALL {
        let parameter = &template["Parameters"][setting.parameter];
        let number = |value: &Value| value.as_u64().unwrap();
        let range = match parameter["AllowedValues"].as_array() {
            Some(values) => number(&values[0])..=number(&values[values.len() - 1]),
            None => number(&parameter["MinValue"])..=number(&parameter["MaxValue"]),
        };
        assert_eq!(text(&variables[setting.variable], "Ref"), setting.parameter);
        assert_eq!(range, setting.range);
        assert_eq!(
            number(&parameter["Default"]),
            setting.default,
            "{}",
            setting.parameter
        );
    }
}

#[test]
fn global_variables_are_parameters_and_name_neither_keys_nor_table() {
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = document(&yaml).unwrap();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    let mut parameters = BTreeSet::new();
    for name in global_variables() {
        let value = match variables[&name]["Fn::If"].as_array() {
            Some(choice) => choice[1].clone(),
            None => variables[&name].clone(),
        };
        let parameter = text(&value, "Ref");
        assert!(template["Parameters"][&parameter].is_object(), "{name}");
        assert!(parameters.insert(parameter), "{name}");
    }
    assert!(parameters.len() > 10);
    // The other variables are set on the functions that read them. No function repeats a global
    // one, and only a private one has further variables.
    let alone = [
        "CONFIGURATION_SET",
        "EVENT_BUS",
        "EVENT_SOURCE",
        "EVENT_TABLE",
        "IMPORT_SECRETS",
        "JWKS",
        "LINK_BASE",
        "SIGNING_KEY",
        "SIGNING_KID",
        "TABLE_NAME",
        "USER_POOL",
    ];
    let alone = BTreeSet::from(alone.map(str::to_owned));
    let mut own = BTreeSet::new();
    for (id, resource) in template["Resources"].as_object().unwrap() {
        if resource["Type"] == "AWS::Serverless::Function" {
            let variables = resource["Properties"]["Environment"]["Variables"].as_object();
            let variables = variables.into_iter().flat_map(|variables| variables.keys());
            let variables: BTreeSet<_> = variables.cloned().collect();
            assert!(variables.is_disjoint(&global_variables()), "{id}");
            if !is_marked(resource) {
                own.extend(variables);
            }
        }
    }
    assert_eq!(own, alone);
}

#[tokio::test]
async fn cargo_lambda_watch_sets_what_the_functions_read_and_nothing_else() {
    let template = template();
    let mut read = BTreeSet::new();
    for function in template.environments().keys() {
        read.extend(variables_of(function));
    }
    read.retain(|name| !IN_AWS.contains(&name.as_str()));
    let set: BTreeSet<_> = lambda_environment().into_keys().collect();
    assert_eq!(set, read);
}

#[test]
fn cargo_lambda_watch_has_the_template_s_defaults() {
    let watched = lambda_environment();
    // `cargo run` has a mailbox.
    assert_eq!(watched["MAIL_FROM"], local::MAIL_FROM);
    let here = [
        "CONFIGURATION_SET",
        "EVENT_SOURCE",
        "ISSUER",
        "IMPORT_SECRETS",
        "JWKS",
        "LINK_BASE",
        "MAIL_FROM",
        "PROXY_SECRET_HASH",
        "SIGNING_KEY",
        "SIGNING_KID",
        "USER_POOL",
    ];
    let mut compared = 0;
    for (function, variables) in template().environments() {
        for (name, value) in variables
            .iter()
            .filter(|(name, _)| !here.contains(&name.as_str()))
        {
            assert_eq!(watched.get(name), Some(value), "{name} of {function}");
            compared += 1;
        }
    }
    assert!(compared > 5);
}

#[test]
fn every_function_crate_is_a_function_of_the_template() {
    let workspace = workspace();
    let packages = workspace["packages"].as_array().unwrap();
    let crates: BTreeSet<_> = packages
        .iter()
        .filter(|package| text(package, "manifest_path").contains("/functions/"))
        .map(|package| text(package, "name"))
        .collect();
    let template = template();
    assert_eq!(crates, template.environments().keys().cloned().collect());

    // The template's resource names and folders follow the crates' names.
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    for name in crates {
        assert!(
            yaml.contains(&format!("CodeUri: functions/{name}")),
            "{name}"
        );
    }
}

#[test]
fn every_function_of_the_template_runs_in_cargo_run() {
    let registered: BTreeSet<_> = functions::NAMES
        .iter()
        .copied()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        registered,
        template().environments().keys().cloned().collect(),
        "add it to the registry in local/src/functions.rs"
    );
}

#[test]
fn the_table_has_the_keys_and_the_expiry_that_the_store_uses() {
    let template = template();
    let table = &template.tables()[dynamodb::TABLE];
    let keys = table["KeySchema"].as_array().unwrap();
    let keys: Vec<_> = keys
        .iter()
        .map(|key| (text(key, "AttributeName"), text(key, "KeyType")))
        .collect();
    let expected = [("pk", "HASH"), ("sk", "RANGE")];
    assert_eq!(
        keys,
        expected.map(|(name, kind)| (name.to_owned(), kind.to_owned()))
    );
    assert_eq!(
        table["TimeToLiveSpecification"]["AttributeName"],
        "expires_at"
    );
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
    assert_eq!(indexes.len(), 1, "each index has its price");
    let off = BTreeMap::from([("Directory".to_owned(), "off".to_owned())]);
    let off = template_document().with(&off).unwrap();
    let off = &off.tables()[dynamodb::TABLE];
    assert!(off["GlobalSecondaryIndexes"].is_null());
    assert_eq!(off["AttributeDefinitions"].as_array().unwrap().len(), 2);
}

/// Lambda's limit for the names and values of a function's environment, in octets.
const MAX_ENVIRONMENT: usize = 4096;

#[tokio::test]
async fn the_environment_of_every_function_fits_at_every_stage_of_a_rotation() {
    let kms = Kms::start().await;
    let cloudformation = CloudFormation::start().await;
    let wrapping = kms.make("SYMMETRIC_DEFAULT");
    // The longest values that a stack can have at once: two RSA keys, the signing one sealed.
    let large = kms.make("RSA_3072");
    let (public, key) = cloudformation.sealed_key(&kms, &wrapping, "RSA_2048").await;
    let (jwks, kid) = cloudformation.key_set(&kms, &[&public, &large]).await;
    let issuer = format!("https://{}.example.com", "a".repeat(63));
    let given = BTreeMap::from([
        ("Issuer".to_owned(), issuer),
        ("Audience".to_owned(), "a".repeat(255)),
    ]);
    let template = template_document().with(&given).unwrap();
    // Every function has it, with the stack's name of at most 128 characters.
    let metrics = NAMESPACE_VARIABLE.len() + "Latchkey/".len() + 128;
    for (function, variables) in template.environments() {
        let octets: usize = variables
            .iter()
            .map(|(name, value)| {
                let value = match name.as_str() {
                    "JWKS" => &jwks,
                    "SIGNING_KID" => &kid,
                    "SIGNING_KEY" => &key,
                    // A table's name can have 255 characters, but this one is derived from its
                    // stack's.
                    _ => value,
                };
                name.len() + value.len()
            })
            .sum();
        let octets = octets + metrics;
        assert!(octets < MAX_ENVIRONMENT - 64, "{function}: {octets}");
    }
}

#[test]
fn the_pages_on_security_and_architecture_name_tests_that_exist() {
    let files = files_in(&["functions", "local", "shared"]);
    let mut tests: BTreeSet<String> = BTreeSet::new();
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let mut parts = path.trim_end_matches(".rs").rsplit('/');
        let file = match parts.next() {
            Some("lib") => parts.nth(1),
            Some("mod" | "tests") => parts.next(),
            other => other,
        };
        let file = file.unwrap_or_default();
        let names = text.split("fn ").skip(1);
        tests.extend(names.map(|rest| {
            let name = rest.split('(').next().unwrap_or_default();
            format!("{file}::{name}")
        }));
    }
    for (page, least) in [("docs/security.md", 80), ("docs/architecture.md", 15)] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let mut cited = 0;
        for quoted in quoted(&text) {
            if quoted.contains("::") && quoted != "file::name" {
                assert!(tests.contains(quoted), "{page}: no test {quoted}");
                cited += 1;
            }
        }
        assert!(cited > least, "{page}: only {cited} tests are cited");
    }
}

/// Returns the paths of all files in these folders of the repository, except what cargo builds.
fn files_in(folders: &[&str]) -> Vec<String> {
    let mut folders: Vec<_> = folders.iter().map(|&name| name.to_owned()).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{folder}/{name}");
            match entry.file_type().unwrap().is_dir() {
                true if name == "target" => {}
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    /// A client to copy is one file (docs/decisions/0015-a-client-to-copy.md).
    const EXEMPT: &str = "examples/client/latchkey.mjs";
    let folders = [
        ".ci",
        "bench",
        "examples",
        "functions",
        "fuzz/fuzz_targets",
        "fuzz/src",
        "local",
        "shared",
        "testkit",
        "xtask",
    ];
    let extension = |path: &String| {
        let (_, name) = path.rsplit_once('/').unwrap_or_default();
        name.rsplit_once('.')
            .map_or("", |(_, extension)| extension)
            .to_owned()
    };
    let mut files = files_in(&folders);
    // Scripts have no extension.
    files.retain(|path| ["rs", "mjs", "py", "sh", ""].contains(&extension(path).as_str()));
    assert!(files.iter().any(|path| path == EXEMPT));
    assert!(files.len() > 200, "{}", files.len());
    for path in files.iter().filter(|path| *path != EXEMPT) {
        let is_test =
            path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with(".test.mjs");
        let most = if is_test { 600 } else { 400 };
        let octets = std::fs::read(root().join(path)).unwrap();
        let lines = octets.iter().filter(|&&octet| octet == b'\n').count();
        assert!(lines <= most, "{path} has {lines} lines, more than {most}");
    }
}
