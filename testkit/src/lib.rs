//! Stand-ins for the AWS services that the functions use, for tests and benchmarks.
//!
//! # Layout
//!
//! - [`cloudformation`]: CloudFormation, as a custom resource sees it.
//! - [`cognito`]: a user pool of Cognito, with its checks and with faults.
//! - [`dynamodb`]: a proxy in front of DynamoDB that counts, records and injects faults.
//! - [`event_bridge`]: EventBridge, with its checks and with faults.
//! - [`kms`]: KMS, with real keys and with faults.
//! - [`runtime_api`]: Lambda's runtime API, which runs a function's binary as a process.
//! - [`ses`]: SES, with its checks and with faults.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends if something is not as it should be"
)]

pub mod cloudformation;
pub mod cognito;
pub mod dynamodb;
pub mod event_bridge;
mod headers;
pub mod kms;
pub mod runtime_api;
pub mod ses;

use tokio::net::TcpListener;

/// Returns a listener on a free port of this machine, and its URL.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}
