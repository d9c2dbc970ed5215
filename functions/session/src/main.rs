//! Serves [`Sessions`] in Lambda.

use session::Sessions;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Sessions::from_env).await
}
