//! Verification of an access token, compared with common libraries.

use std::time::Instant;

use anyhow::Context as _;
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use shared::tokens::verifier::Verifier;

use crate::others::Others;
use crate::report::{Amount, Most, Report};
use crate::{log_in, median, with_local};

const ROUNDS: usize = 30;
/// The number of verifications in a round.
const TIMES: u32 = 200;

/// Adds the verification's rows.
pub async fn measure(others: &Others, report: &mut Report) -> anyhow::Result<()> {
    with_local(async |local| {
        let tokens = log_in(local, "ada@example.com").await?;
        let token = tokens["access_token"].as_str().context("no token")?;
        let variables = local.environment.get("authorizer").context("no function")?;
        let lookup = |name: &str| variables.get(name).cloned();
        let verifier = Verifier::from_env(&Env::new(&lookup))?;
        let of = |name: &str| lookup(name).with_context(|| format!("{name} is not set"));
        let (issuer, audience) = (of("ISSUER")?, of("AUDIENCE")?);
        let jwks = std::fs::read_to_string(of("JWKS")?)?;
        let times = TIMES.to_string();
        let arguments = [&jwks, token, &issuer, &audience, &times];
        let mut python = others.python("pyjwt_verify.py", &arguments)?;
        let mut node = others.node("aws_jwt_verify.mjs", &arguments)?;

        let now = Clock::System.now();
        let (mut ours, mut pyjwt, mut aws) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for _ in 0..TIMES {
                verifier.verify(token, None, now)?;
            }
            ours.push(began.elapsed() / TIMES);
            pyjwt.push(python.time()?);
            aws.push(node.time()?);
        }
        let ours = median(&mut ours).context("nothing was measured")?;
        for (name, mut theirs) in [("aws-jwt-verify on Node.js", aws), ("PyJWT", pyjwt)] {
            let theirs = median(&mut theirs).context("nothing was measured")?;
            report.add(
                "access token, RS256: verified",
                Amount::Time(ours),
                Amount::Time(theirs),
                name,
                Most::Any,
            );
        }
        Ok(())
    })
    .await
}
