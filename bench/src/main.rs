//! Measures the costs of Latchkey's parts in one run, and prints a table with their limits.
//!
//! Read the ratios: machines are shared and noisy, and both sides of a ratio are measured in turn.

mod accounts;
mod directory;
mod gateway;
mod hash;
mod import;
mod inner;
mod lambda;
mod mail;
mod others;
mod ratchet;
mod report;
mod token;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use clap::{Parser, ValueEnum};
use local::template::Document;
use local::{Local, Options};
use serde_json::Value;
use shared::domain::account::rfc3339;
use shared::platform::clock::Clock;

use hash::Hash;
use others::Others;
use report::Report;

const PASSWORD: &str = "correct horse battery staple";

/// Measures Latchkey's costs against its limits and against alternatives.
#[derive(Parser)]
#[command(name = "bench", bin_name = "cargo run --release -p bench --")]
struct Flags {
    /// Measure all parts, and write docs/benchmarks.md.
    #[arg(long, conflicts_with = "only")]
    write: bool,
    /// Measure only these parts; may be repeated.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Measure the functions of this folder too, such as those of an older commit, in turn with
    /// those that are built here. It holds binaries by their names, as target/release does.
    #[arg(long, value_name = "FOLDER", conflicts_with = "write")]
    against: Option<PathBuf>,
    /// Serve the gateway until standard input ends. Used by the benchmark itself.
    #[arg(long, hide = true)]
    serve: bool,
    /// Hash one password, and print the nanoseconds that it took.
    #[arg(long, hide = true)]
    hash: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Password hashes.
    Hash,
    /// Tokens, compared with other libraries.
    Token,
    /// Inner parts, with Criterion.
    Inner,
    /// The functions as processes.
    Lambda,
    /// Old refresh tokens.
    Ratchet,
    /// The gateway of `cargo run`.
    Gateway,
    /// The time of refused logins.
    Accounts,
    /// Requests for mails.
    Mail,
    /// The list of all accounts.
    Directory,
    /// Imports of users, which take about ten minutes.
    Import,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == import::LATCHKEY)
    {
        return import::latchkey(arguments).await;
    }
    run(Flags::parse()).await?;
    Ok(ExitCode::SUCCESS)
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    if flags.serve {
        return gateway::serve().await;
    }
    if flags.hash {
        println!("{}", Hash::new()?.time().await?.as_nanos());
        return Ok(());
    }
    let asked = |part| flags.only.is_empty() || flags.only.contains(&part);
    let others = if [Part::Hash, Part::Token, Part::Gateway]
        .into_iter()
        .any(asked)
    {
        Others::install()
            .inspect_err(|error| eprintln!("What people use instead is not measured: {error:#}"))
            .ok()
    } else {
        None
    };
    ensure!(
        others.is_some() || !flags.write,
        "docs/benchmarks.md compares with others: install Python 3 and Node.js with npm"
    );
    let mut report = Report::default();
    if asked(Part::Hash) {
        hash::measure(others.as_ref(), &mut report).await?;
    }
    if let Some(others) = others.as_ref().filter(|_| asked(Part::Token)) {
        token::measure(others, &mut report).await?;
    }
    if asked(Part::Inner) {
        inner::measure(&mut report).await?;
    }
    if asked(Part::Lambda) {
        lambda::measure(flags.against.as_deref(), &mut report).await?;
    }
    if asked(Part::Ratchet) {
        ratchet::measure(&mut report)?;
    }
    if let Some(others) = others.as_ref().filter(|_| asked(Part::Gateway)) {
        gateway::measure(others, &mut report).await?;
    }
    if asked(Part::Accounts) {
        accounts::measure(&mut report).await?;
    }
    if asked(Part::Mail) {
        mail::measure(&mut report).await?;
    }
    if asked(Part::Directory) {
        directory::measure(&mut report).await?;
    }
    if asked(Part::Import) {
        import::measure(&mut report).await?;
    }
    println!("{}", report.table());
    if flags.write {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
        let now = rfc3339(Clock::System.now());
        let date = now.split('T').next().unwrap_or_default();
        report.write(&file, date)?;
    }
    Ok(())
}

/// Returns the median, which outliers of a noisy machine do not change.
fn median<T: Copy + Ord>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// Returns the folder of this binary and of those that it builds.
fn binaries() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.parent().context("no folder")?.to_path_buf())
}

/// Calls `work` with a Latchkey of its own. Removes its folder afterwards, since it contains a
/// private key.
async fn with_local<T>(work: impl AsyncFnOnce(&Local) -> anyhow::Result<T>) -> anyhow::Result<T> {
    with_local_of(&[], false, work).await
}

/// The same, with these parameters, and with hashes that cost next to nothing if they are to be
/// `weak`.
async fn with_local_of<T>(
    parameters: &[(&str, &str)],
    weak: bool,
    work: impl AsyncFnOnce(&Local) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let parameters = parameters.iter();
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let folder = std::env::temp_dir().join(format!("latchkey-bench-{}", std::process::id()));
    let worked = async {
        let local = Local::start(Options {
            template: Document::read(
                &Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"),
            )?,
            parameters: parameters.collect::<BTreeMap<_, _>>(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            dynamodb_port: 0,
            mail_port: 0,
            mail_fault: None,
            data_dir: folder.clone(),
            ephemeral: true,
            functions: None,
            clock: Clock::System,
            issuer: None,
            weak_hashes: weak,
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

/// Sends a request to a running Latchkey, as the `n`th client.
async fn ask(local: &Local, path: &str, body: &Value, n: u32) -> anyhow::Result<(u16, Value)> {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("host", "127.0.0.1")
        .body(Body::from(body.to_string()))?;
    let source = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
    let answer = local.gateway.answer(request, source).await;
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), usize::MAX).await?;
    let body = match body.is_empty() {
        true => Value::Null,
        false => shared::platform::json::parse(&body)?,
    };
    Ok((status, body))
}

/// Registers and logs in. Returns the answer to the login.
async fn log_in(local: &Local, email: &str) -> anyhow::Result<Value> {
    let mut body = serde_json::json!({"email": email, "password": PASSWORD});
    let credentials = body.clone();
    body["first_name"] = Value::from("Ada");
    body["last_name"] = Value::from("Lovelace");
    let (status, account) = ask(local, "/register", &body, 0).await?;
    ensure!(status == 201, "{account}");
    let (status, tokens) = ask(local, "/login", &credentials, 0).await?;
    ensure!(status == 200, "{tokens}");
    Ok(tokens)
}
