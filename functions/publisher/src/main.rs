//! Serves [`Publisher`] in Lambda.

use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use publisher::Publisher;
use serde_json::Value;
use shared::aws::batch::Invocation;
use shared::observe::after_response::AfterResponse;
use shared::observe::logging;
use shared::platform::config::process_env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = process_env();
    logging::init(&env, &[env!("CARGO_CRATE_NAME")]);
    let publisher = &Publisher::from_env(&env)?;
    let answer = |event: LambdaEvent<Value>| async move {
        let (event, context) = event.into_parts();
        let (id, deadline) = (context.request_id, context.deadline);
        let invocation = Invocation::in_lambda(id, deadline, Publisher::RESERVE);
        let answer = publisher.handle(&event, invocation).await;
        answer.map_err(lambda_runtime::Error::from)
    };
    let runtime = Runtime::new(service_fn(answer)).layer(AfterResponse);
    runtime.run().await
}
