//! Serves [`Discovery`] in Lambda.

use discovery::Discovery;
use shared::config::process_env;
use shared::{edge, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let env = process_env();
    telemetry::init(&env);
    edge::http::run(Discovery::from_env(&env)?).await
}
