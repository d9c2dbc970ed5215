//! Verifying an access token, beside the libraries that people verify tokens with.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use local::Local;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::Env;
use shared::tokens::verifier::Verifier;

use crate::others::Others;
use crate::{PASSWORD, ask, beside_local, median, row};

const ROUNDS: usize = 30;
/// How many verifications make one round.
const TIMES: u32 = 200;

/// Prints the verification's lines.
pub async fn measure(others: &Others) -> anyhow::Result<()> {
    beside_local(async |local| {
        let token = token(local).await?;
        let variables = local.environment.get("authorizer").context("no function")?;
        let lookup = |name: &str| variables.get(name).cloned();
        let verifier = Verifier::from_env(&Env::new(&lookup))?;
        let of = |name: &str| lookup(name).with_context(|| format!("{name} is not set"));
        let (issuer, audience) = (of("ISSUER")?, of("AUDIENCE")?);
        let jwks = std::fs::read_to_string(of("JWKS")?)?;
        let times = TIMES.to_string();
        let arguments = [&jwks, &token, &issuer, &audience, &times].map(String::as_str);
        let mut python = others.python("pyjwt_verify.py", &arguments)?;
        let mut node = others.node("aws_jwt_verify.mjs", &arguments)?;

        let now = Clock::System.now();
        let (mut ours, mut pyjwt, mut aws) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for _ in 0..TIMES {
                verifier.verify(&token, None, now)?;
            }
            ours.push(began.elapsed() / TIMES);
            pyjwt.push(python.time()?);
            aws.push(node.time()?);
        }
        let ours = median(&mut ours).context("nothing was measured")?;
        for (name, mut theirs) in [("aws-jwt-verify on Node.js", aws), ("PyJWT", pyjwt)] {
            let theirs = median(&mut theirs).context("nothing was measured")?;
            row(
                "verifying a token, RS256",
                micros(ours),
                format!("{}, {name}", micros(theirs)),
                ours.as_secs_f64() / theirs.as_secs_f64(),
                "",
            );
        }
        Ok(())
    })
    .await
}

async fn token(local: &Local) -> anyhow::Result<String> {
    let mut body = json!({"email": "ada@example.com", "password": PASSWORD});
    let credentials = body.clone();
    body["first_name"] = Value::from("Ada");
    body["last_name"] = Value::from("Lovelace");
    ask(local, "/register", &body, 0).await?;
    let (_, tokens) = ask(local, "/login", &credentials, 0).await?;
    let token = tokens["access_token"].as_str();
    Ok(token.with_context(|| tokens.to_string())?.to_owned())
}

fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}
