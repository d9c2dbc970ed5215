//! Serves [`Mailer`] in Lambda.

use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use mailer::Mailer;
use serde_json::Value;
use shared::aws::batch::Invocation;
use shared::observe::after_response::AfterResponse;
use shared::observe::logging;
use shared::platform::Clock;
use shared::platform::config::process_env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = process_env();
    logging::init(&env, &[env!("CARGO_CRATE_NAME")]);
    let mailer = &Mailer::from_env(&env, Clock::System)?;
    mailer.warm_up().await;
    let answer = |event: LambdaEvent<Value>| async move {
        let (event, context) = event.into_parts();
        let invocation =
            Invocation::in_lambda(context.request_id, context.deadline, Mailer::RESERVE);
        let answer = mailer.handle(&event, invocation).await;
        answer.map_err(lambda_runtime::Error::from)
    };
    let runtime = Runtime::new(service_fn(answer)).layer(AfterResponse);
    runtime.run().await
}
