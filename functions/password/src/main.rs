//! Serves [`ChangePassword`] in Lambda.

use password::ChangePassword;
use shared::clock::Clock;
use shared::config::process_env;
use shared::{edge, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let env = process_env();
    telemetry::init(&env);
    edge::http::run(ChangePassword::from_env(&env, Clock::System)?).await
}
