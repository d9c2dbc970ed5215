//! Serves [`Discovery`] in Lambda.

use discovery::Discovery;
use shared::http::handler;
use shared::observe::logging;
use shared::platform::config::process_env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let env = process_env();
    logging::init(&env);
    handler::run(Discovery::from_env(&env)?).await
}
