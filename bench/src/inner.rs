//! Benchmarks of inner parts with Criterion, compared with the one operation of AWS-LC that bounds
//! each.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use criterion::Criterion;
use serde_json::Value;
use shared::domain::session::{Device, RefreshToken, Session, SessionPolicy};
use shared::domain::throttle::Source;
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use shared::tokens::issuer::Issuer;
use shared::tokens::verifier::Verifier;

use crate::report::{Amount, Most, Report};
use crate::{binaries, log_in, ratchet, with_local};

/// Adds a row for each part.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    // Files are read here, since their folder is removed before Criterion begins.
    let (issuer, verifier, pair, token) = with_local(async |local| {
        let tokens = log_in(local, "ada@example.com").await?;
        let token = tokens["access_token"].as_str().context("no token")?;
        let variables = local.environment.get("login").context("no login")?;
        let lookup = |name: &str| variables.get(name).cloned();
        let env = Env::new(&lookup);
        let key = variables.get("SIGNING_KEY").context("no key")?;
        let key = pem::parse(std::fs::read(key)?)?;
        Ok((
            Issuer::from_env(&env)?,
            Verifier::from_env(&env)?,
            RsaKeyPair::from_pkcs8(key.contents())?,
            token.to_owned(),
        ))
    })
    .await?;
    let folder = binaries()?.join("inner");

    // Criterion blocks, and a runtime must not be blocked on within another one.
    let account = ratchet::account()?;
    let times = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut criterion = Criterion::default()
            .without_plots()
            .sample_size(50)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(2))
            .output_directory(&folder);
        let now = Clock::System.now();
        let policy = SessionPolicy {
            idle_seconds: 1000,
            max_seconds: 1000,
            grace_seconds: 0,
            repeats: 5,
        };
        let source = Source::of("203.0.113.7");
        let (session, first) = Session::begin(&account, Device::default(), &policy, now * 1000);

        ensure!(verifier.verify(&token, None, now).is_ok(), "no good token");
        criterion.bench_function("verify", |bencher| {
            bencher.iter(|| verifier.verify(&token, None, now));
        });
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            b"message",
            &mut signature,
        )?;
        let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())?;
        public.verify_sig(b"message", &signature)?;
        criterion.bench_function("bare verification", |bencher| {
            bencher.iter(|| public.verify_sig(b"message", &signature));
        });
        criterion.bench_function("issue", |bencher| {
            bencher.iter(|| runtime.block_on(issuer.issue(&account, &session, None, now)));
        });
        criterion.bench_function("bare signature", |bencher| {
            bencher.iter(|| {
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, b"message", &mut signature)
            });
        });
        let text = first.expose();
        criterion.bench_function("rotate", |bencher| {
            bencher.iter(|| {
                let token = RefreshToken::parse(&text);
                token.map(|token| session.present(&token, &source, &policy, now))
            });
        });
        // The minimum that the ratchet needs: the hashes of both secrets, and the step between.
        criterion.bench_function("bare step", |bencher| {
            bencher.iter(|| {
                let secret = digest(&SHA256, &[7; 32]);
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
                digest(&SHA256, hmac::sign(&key, &[9; 16]).as_ref())
            });
        });
        let time = |id: &str| estimate(&folder, id);
        Ok([
            (
                "access token, RS256: verified",
                time("verify")?,
                time("bare verification")?,
                "the signature alone",
            ),
            (
                "access token, RS256: issued",
                time("issue")?,
                time("bare signature")?,
                "the signature alone",
            ),
            (
                "refresh token: rotated",
                time("rotate")?,
                time("bare step")?,
                "its hashes alone",
            ),
        ])
    })
    .await??;
    for (what, ours, theirs, name) in times {
        report.add(
            what,
            Amount::Time(ours),
            Amount::Time(theirs),
            name,
            Most::Any,
        );
    }
    Ok(())
}

/// Returns the median that Criterion has measured.
fn estimate(folder: &std::path::Path, id: &str) -> anyhow::Result<Duration> {
    let file = folder.join(id).join("new").join("estimates.json");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let estimates: Value = serde_json::from_str(&text)?;
    let nanos = estimates["median"]["point_estimate"].as_f64();
    let nanos = nanos.ok_or_else(|| anyhow!("{} has no median", file.display()))?;
    Ok(Duration::from_secs_f64(nanos / 1e9))
}
