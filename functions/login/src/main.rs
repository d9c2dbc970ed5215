//! Serves [`Login`] in Lambda.

use login::Login;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Login::from_env).await
}
