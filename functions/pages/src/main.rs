//! Serves [`Pages`] in Lambda.

use pages::Pages;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), |env, _| Pages::from_env(env)).await
}
