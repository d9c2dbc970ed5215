//! Serves [`Register`] in Lambda.

use register::Register;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Register::from_env).await
}
