//! Serves [`Authorizer`] in Lambda.

use std::convert::Infallible;

use authorizer::{Authorizer, Event};
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use shared::observe::after_response::AfterResponse;
use shared::observe::logging;
use shared::platform::Clock;
use shared::platform::config::process_env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = process_env();
    logging::init(&env, &[env!("CARGO_CRATE_NAME")]);
    let authorizer = &Authorizer::from_env(&env, Clock::System)?;
    let verdict = |event: LambdaEvent<Event>| async move {
        Ok::<_, Infallible>(authorizer.authorize(&event.payload))
    };
    let runtime = Runtime::new(service_fn(verdict)).layer(AfterResponse);
    runtime.run().await
}
