//! Serves [`Profile`] in Lambda.

use profile::Profile;
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    serve(env!("CARGO_CRATE_NAME"), Profile::from_env).await
}
