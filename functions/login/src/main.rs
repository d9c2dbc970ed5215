//! Serves [`Login`] in Lambda.

use login::Login;
use shared::http::handler;
use shared::observe::logging;
use shared::platform::clock::Clock;
use shared::platform::config::process_env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let env = process_env();
    logging::init(&env);
    handler::run(Login::from_env(&env, Clock::System)?).await
}
