//! Serves [`Keys`] in Lambda.

use std::sync::Arc;

use keys::{Event, Keys};
use lambda_runtime::{LambdaEvent, service_fn};
use shared::config::process_env;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = process_env();
    telemetry::init(&env);
    let keys = &Arc::new(Keys::from_env(&env));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| async move {
        keys.answer(event.payload).await?;
        Ok::<_, lambda_runtime::Error>(())
    }))
    .await
}
