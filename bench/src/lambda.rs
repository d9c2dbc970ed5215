//! The authorizer beside an empty Rust function, both as processes under a Lambda runtime API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use local::key;
use local::runtime_api::Bootstrap;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::Env;
use shared::people::account::{Account, NewAccount};
use shared::people::email::Email;
use shared::people::id::SessionId;
use shared::people::name::Name;
use shared::tokens::issuer::Issuer;

use crate::{median, millis, row};

const STARTS: usize = 40;
const CALLS: usize = 500;
const ISSUER: &str = "https://auth.example.com";

/// A function's binary, and how it is asked.
struct Function {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    event: Value,
}

/// What was seen of a function, start by start and call by call.
#[derive(Default)]
struct Seen {
    ready: Vec<Duration>,
    first: Vec<Duration>,
    warm: Vec<Duration>,
    memory_kib: Vec<u64>,
}

/// Prints the authorizer's lines.
pub async fn measure() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("latchkey-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let prepared = prepare(&folder).await;
    // A private key lies in it, so it goes even where the preparation failed.
    std::fs::remove_dir_all(&folder)?;
    let functions = prepared?;
    let [authorizer, empty] = &functions;
    let mut seen = [Seen::default(), Seen::default()];
    for _ in 0..STARTS {
        for (function, seen) in functions.iter().zip(&mut seen) {
            seen.start(function).await?;
        }
    }
    let [mut ours, mut theirs] = seen;
    let mut compare =
        |what, of: fn(&mut Seen) -> &mut Vec<Duration>, limit| -> anyhow::Result<()> {
            let ours = median(of(&mut ours)).context("nothing was measured")?;
            let theirs = median(of(&mut theirs)).context("nothing was measured")?;
            let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
            row(
                what,
                millis(ours),
                format!("{}, an empty function", millis(theirs)),
                ratio,
                limit,
            );
            Ok(())
        };
    compare("authorizer: start until ready", |seen| &mut seen.ready, "")?;
    compare(
        "authorizer: start until first answer",
        |seen| &mut seen.first,
        "1.25",
    )?;
    compare("authorizer: warm call", |seen| &mut seen.warm, "")?;

    let kib = |size: u64| format!("{:.1} MB", size as f64 / 1024.0);
    if let (Some(ours), Some(theirs)) =
        (median(&mut ours.memory_kib), median(&mut theirs.memory_kib))
    {
        let ratio = ours as f64 / theirs as f64;
        row(
            "authorizer: peak memory",
            kib(ours),
            kib(theirs),
            ratio,
            "8 MB",
        );
    }
    let size = |function: &Function| std::fs::metadata(&function.binary).map(|m| m.len() / 1024);
    let (ours, theirs) = (size(authorizer)?, size(empty)?);
    row(
        "authorizer: binary",
        kib(ours),
        kib(theirs),
        ours as f64 / theirs as f64,
        "",
    );
    Ok(())
}

impl Seen {
    async fn start(&mut self, function: &Function) -> anyhow::Result<()> {
        let mut process = Bootstrap::start(&function.binary, &function.environment).await?;
        let answer = process.invoke(function.event.clone()).await?;
        self.first.push(process.age());
        self.ready.extend(process.time_to_ready());
        if answer["isAuthorized"] == false {
            bail!(
                "the authorizer refused the benchmark's token: {}",
                process.output()
            );
        }
        for _ in 0..CALLS / STARTS {
            let asked = Instant::now();
            process.invoke(function.event.clone()).await?;
            self.warm.push(asked.elapsed());
        }
        self.memory_kib.extend(process.peak_memory_kib());
        Ok(())
    }
}

/// Builds both binaries alike, and makes a key set and a token that the authorizer accepts.
async fn prepare(folder: &Path) -> anyhow::Result<[Function; 2]> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    // Apart from each other: together, cargo would give the authorizer the features of the others.
    for package in ["authorizer", "bench"] {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--release", "-p", package, "--bins"])
            .current_dir(root);
        if !build.status()?.success() {
            bail!("{package} was not built");
        }
    }
    let this = std::env::current_exe()?;
    let binaries = this.parent().context("no folder")?;
    if !binaries.ends_with("release") {
        bail!("measure what is deployed: cargo run --release -p bench");
    }

    let (pem, jwks) = (folder.join("key.pem"), folder.join("jwks.json"));
    key::ensure(&pem, &jwks)?;
    let lookup = |name: &str| match name {
        "SIGNING_KEY" => Some(pem.display().to_string()),
        "JWKS" => Some(jwks.display().to_string()),
        "ISSUER" => Some(ISSUER.to_owned()),
        _ => None,
    };
    let token = issue(&Issuer::from_env(&Env::new(&lookup))?).await?;
    let event: Value = serde_json::from_str(include_str!("../../events/authorizer/allow.json"))?;
    let event: Value = serde_json::from_str(&event.to_string().replace("ACCESS_TOKEN", &token))?;
    let environment = BTreeMap::from([
        ("JWKS".to_owned(), std::fs::read_to_string(&jwks)?),
        ("ISSUER".to_owned(), ISSUER.to_owned()),
        // The runtime logs a line at the start; without it, both print nothing.
        ("AWS_LAMBDA_LOG_LEVEL".to_owned(), "WARN".to_owned()),
    ]);
    Ok([
        Function {
            binary: binaries.join("authorizer"),
            environment,
            event,
        },
        Function {
            binary: binaries.join("empty"),
            environment: BTreeMap::new(),
            event: json!({}),
        },
    ])
}

async fn issue(issuer: &Issuer) -> anyhow::Result<String> {
    let clock = Clock::System;
    let session = SessionId::new(clock.millis());
    let account = account(clock.millis())?;
    Ok(issuer
        .issue(&account, session, None, clock.now())
        .await?
        .text)
}

/// Somebody's account.
pub fn account(millis: u64) -> anyhow::Result<Account> {
    let refused = |reason: shared::fault::Reason| anyhow::anyhow!("{}", reason.detail);
    let new = NewAccount {
        email: Email::parse("ada@example.com").map_err(refused)?,
        first_name: Name::parse("Ada").map_err(refused)?,
        last_name: Name::parse("Lovelace").map_err(refused)?,
    };
    Ok(Account::open(new, millis))
}
