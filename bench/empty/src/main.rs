//! A Lambda function that does nothing: the lower bound for any Rust function.

use std::convert::Infallible;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let answer = |_: LambdaEvent<Value>| async { Ok::<_, Infallible>(json!({})) };
    lambda_runtime::run(service_fn(answer)).await
}
