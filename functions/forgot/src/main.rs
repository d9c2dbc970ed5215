//! Serves [`Forgot`] in Lambda.

use forgot::Forgot;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Forgot::from_env).await
}
