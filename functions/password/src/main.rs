//! Serves [`ChangePassword`] in Lambda.

use password::ChangePassword;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), ChangePassword::from_env).await
}
