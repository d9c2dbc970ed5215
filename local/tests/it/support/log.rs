//! The log of the tests: each thread reads its own.

use std::cell::RefCell;
use std::io::Write;

use local::functions;
use serde_json::Value;
use shared::observe::logging::{filter, json_layer};
use shared::observe::spanless::Spanless;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::app::PASSWORD;
use crate::support::emf;

/// The namespace of the metrics that tests log.
pub const NAMESPACE: &str = "Latchkey/tests";

thread_local! {
    /// The log of this thread.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Texts that no log line may contain: the passwords and addresses of the tests, the beginnings of
/// tokens, hashes and private keys, and the URL that answers for a stack.
const SECRET: [&str; 10] = [
    PASSWORD,
    "not the password",
    "another good password",
    "@example.com",
    "lkr_",
    "lkm_",
    "eyJ",
    "$argon2",
    "PRIVATE KEY",
    "signature=",
];

/// Stores what each thread logs, for that thread's test. Logs at the lowest level that a deployed
/// function can be set to. A line with a secret, or with metrics that CloudWatch would reject, ends
/// its test.
pub fn collect() {
    struct Collector;

    impl Write for Collector {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            let line = String::from_utf8_lossy(octets);
            for secret in SECRET {
                assert!(
                    !line.contains(secret),
                    "a log line contains a secret: {line}"
                );
            }
            emf::check(&serde_json::from_str(&line).unwrap());
            LOGGED.with_borrow_mut(|logged| logged.write(octets))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let layer = json_layer(Some(NAMESPACE.to_owned()));
    let subscriber = Spanless
        .with(filter(
            LevelFilter::TRACE,
            &[functions::NAMES, &["local"]].concat(),
        ))
        .with(layer.with_writer(|| Collector));
    // Only the first call in the process succeeds, which is enough.
    let _ = set_global_default(subscriber);
}

/// Returns what was logged on this thread since the last call, without the lines of `mailer` and of
/// `publisher`, which the stream feeds at its own time.
pub fn logged() -> Vec<Value> {
    let mut lines = everything_logged();
    lines.retain(|line| !is_of_mailer(line) && !is_of_publisher(line));
    lines
}

/// Returns what `publisher` logged on this thread since the last call.
pub fn logged_by_publisher() -> Vec<Value> {
    let mut lines = everything_logged();
    lines.retain(is_of_publisher);
    lines
}

/// Returns what `mailer` logged on this thread since the last call.
pub fn logged_by_mailer() -> Vec<Value> {
    let mut lines = everything_logged();
    lines.retain(is_of_mailer);
    lines
}

/// Returns all that was logged on this thread since the last call.
pub fn everything_logged() -> Vec<Value> {
    let logged = String::from_utf8(LOGGED.take()).unwrap();
    let lines = logged.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

fn is_of_mailer(line: &Value) -> bool {
    let is_routed = line["route"] == "stream" || line["route"] == "feedback";
    (is_routed && !is_of_publisher(line)) || is_from(line, "mailer")
}

fn is_of_publisher(line: &Value) -> bool {
    is_from(line, "publisher")
}

fn is_from(line: &Value, function: &str) -> bool {
    let target = line["target"].as_str().unwrap_or_default();
    target.starts_with(function)
}

/// Returns the security events that were logged on this thread since the last call.
pub fn logged_events() -> Vec<Value> {
    let mut lines = logged();
    lines.retain(|line| line.get("event").is_some());
    lines
}

/// Returns the log lines of functions' requests on this thread since the last call, without the
/// authorizer's.
pub fn logged_requests() -> Vec<Value> {
    let mut lines = logged();
    lines.retain(|line| line.get("status").is_some());
    lines
}
