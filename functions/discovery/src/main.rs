//! Serves [`Discovery`] in Lambda.

use discovery::Discovery;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), |env, _| Discovery::from_env(env)).await
}
