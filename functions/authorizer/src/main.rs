//! Serves [`Authorizer`] in Lambda.

use std::convert::Infallible;

use authorizer::{Authorizer, Event};
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use shared::afterwards::AnswerFirst;
use shared::clock::Clock;
use shared::config::process_env;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = process_env();
    telemetry::init(&env);
    let authorizer = &Authorizer::from_env(&env, Clock::System)?;
    let verdict = |event: LambdaEvent<Event>| async move {
        Ok::<_, Infallible>(authorizer.authorize(&event.payload))
    };
    let runtime = Runtime::new(service_fn(verdict)).layer(AnswerFirst);
    runtime.run().await
}
