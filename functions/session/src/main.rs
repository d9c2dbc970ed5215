//! Serves [`Sessions`] in Lambda.

use session::Sessions;
use shared::clock::Clock;
use shared::config::process_env;
use shared::{edge, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let env = process_env();
    telemetry::init(&env);
    edge::http::run(Sessions::from_env(&env, Clock::System)?).await
}
