//! Serves [`Links`] in Lambda.

use links::Links;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Links::from_env).await
}
