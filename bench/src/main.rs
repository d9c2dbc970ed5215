//! Measures, in one run, what Latchkey's parts cost beside their limits, and prints a table.
//!
//! Read the ratios: machines are shared and noisy, and both sides of a ratio are measured in turn.

mod accounts;
mod hash;
mod lambda;
mod others;
mod ratchet;
mod token;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use local::{Local, Options};
use serde_json::Value;
use shared::clock::Clock;

use others::Others;

const PASSWORD: &str = "correct horse battery staple";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("| what | Latchkey | beside | ratio | limit |");
    println!("|---|---|---|---|---|");
    let others = Others::install();
    if let Err(error) = &others {
        eprintln!("What people use instead is not measured: {error:#}");
    }
    let others = others.ok();
    let hash = hash::measure(others.as_ref()).await?;
    if let Some(others) = &others {
        token::measure(others).await?;
    }
    lambda::measure(hash).await?;
    ratchet::measure()?;
    accounts::measure().await?;
    Ok(())
}

/// One line of the table. `limit` is a ratio or, for sizes, in words.
fn row(what: &str, ours: String, beside: String, ratio: f64, limit: &str) {
    println!("| {what} | {ours} | {beside} | {ratio:.2} | {limit} |");
}

/// The middle one: what is left when a noisy machine's hiccups are set aside.
fn median<T: Copy + Ord>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// What `work` comes to with a Latchkey of its own, whose folder is gone afterwards: a private key
/// lies in it.
async fn beside_local<T>(work: impl AsyncFnOnce(&Local) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let folder = std::env::temp_dir().join(format!("latchkey-bench-{}", std::process::id()));
    let worked = async {
        let local = Local::start(Options {
            template: Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"),
            parameters: BTreeMap::new(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            dynamodb_port: 0,
            data_dir: folder.clone(),
            ephemeral: true,
            functions: None,
            clock: Clock::System,
        })
        .await?;
        let worked = work(&local).await;
        local.stop().await;
        worked
    };
    let worked = worked.await;
    std::fs::remove_dir_all(&folder)?;
    worked
}

/// Asks a running Latchkey, as the `n`th of its clients.
async fn ask(local: &Local, path: &str, body: &Value, n: u32) -> anyhow::Result<(u16, Value)> {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("host", "127.0.0.1")
        .body(Body::from(body.to_string()))?;
    let source = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
    let answer = local.gateway.answer(request, source).await;
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), usize::MAX).await?;
    Ok((status, serde_json::from_slice(&body)?))
}
