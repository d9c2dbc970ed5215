//! Serves [`Notes`] in Lambda.

use notes::Notes;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Notes::from_env).await
}
