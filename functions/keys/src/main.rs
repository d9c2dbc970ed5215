//! Serves [`Keys`] in Lambda.

use std::sync::Arc;

use keys::Keys;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use shared::observe::logging;
use shared::platform::config::process_env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = process_env();
    logging::init(&env, &[env!("CARGO_CRATE_NAME")]);
    let keys = &Arc::new(Keys::from_env(&env));
    // Accepts any JSON, so that an event in an unexpected form gets an answer too.
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        keys.answer(&event.payload).await?;
        Ok::<_, lambda_runtime::Error>(())
    }))
    .await
}
