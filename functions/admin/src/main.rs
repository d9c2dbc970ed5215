//! Serves [`Admin`] in Lambda.

use admin::Admin;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Admin::from_env).await
}
