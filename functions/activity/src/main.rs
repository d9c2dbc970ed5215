//! Serves [`Activity`] in Lambda.

use activity::Activity;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Activity::from_env).await
}
