//! Imports of users into the embedded DynamoDB, as processes: how fast they are, and how much memory
//! they take.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use local::commands::{self, Arguments};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::hash::Hash;
use crate::report::{Amount, Most, Report};

/// The argument with which this program is `latchkey`, and writes its memory at the end.
pub const LATCHKEY: &str = "--latchkey";

/// How many accounts are imported whose hashes are stored as they are.
const STRONG: usize = 100_000;
/// How many accounts of them a second must be imported at least.
const LEAST: f64 = 3000.0;
/// How many accounts are imported whose digests are hashed with Argon2id, in each round.
const WRAPPED: usize = 600;
const ROUNDS: usize = 3;
/// The number of lines that the memory is measured with.
const LINES: usize = 1_000_000;
/// The limit of the memory, in MB.
const MEGABYTES: f64 = 100.0;

/// An Argon2id hash with the template's parameters.
const ARGON2ID: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                        MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
/// A digest of Django, which is cheap to parse.
const DJANGO: &str = "pbkdf2_sha256$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA=";

/// An import that has ended.
struct Imported {
    took: Duration,
    kib: u64,
}

/// Adds the rows of imports.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("latchkey-bench-import-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = all(&folder, report).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn all(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let strong = import(folder, STRONG, ("argon2", ARGON2ID))?;
    report.add(
        "import: 100,000 Argon2id hashes",
        Amount::PerSecond(STRONG as f64 / strong.took.as_secs_f64()),
        Amount::PerSecond(LEAST),
        "the least",
        Most::AtLeast(1.0),
    );
    let (mut alone, mut wrapped) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        alone += hashes(WRAPPED).await?;
        wrapped += import(folder, WRAPPED, ("django", DJANGO))?.took;
    }
    let rate = |took: Duration| (ROUNDS * WRAPPED) as f64 / took.as_secs_f64();
    report.add(
        "import: digests that are hashed with Argon2id",
        Amount::PerSecond(rate(wrapped)),
        Amount::PerSecond(rate(alone)),
        "Argon2id alone",
        Most::AtLeast(0.9),
    );
    let million = import(folder, LINES, ("argon2", ARGON2ID))?;
    report.add(
        "import: peak memory of a million lines",
        Amount::Kib(million.kib),
        Amount::Kib(strong.kib),
        "100,000 lines",
        Most::Megabytes(MEGABYTES),
    );
    Ok(())
}

/// Returns how long so many hashes take on all processors.
async fn hashes(count: usize) -> anyhow::Result<Duration> {
    let hash = Arc::new(Hash::new()?);
    let began = Instant::now();
    let mut workers = JoinSet::new();
    let processors = thread::available_parallelism()?.get();
    for worker in 0..processors {
        let hash = Arc::clone(&hash);
        let count = (count + worker) / processors;
        workers.spawn(async move {
            for _ in 0..count {
                hash.time().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(began.elapsed())
}

/// Imports so many accounts into new tables, and removes these.
fn import(folder: &Path, count: usize, password: (&str, &str)) -> anyhow::Result<Imported> {
    let file = write(folder, count, password)?;
    let data_dir = folder.join("data");
    let began = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args([LATCHKEY, "users", "import", "--json", "--from", "latchkey"])
        .arg(&file)
        .arg("--data-dir")
        .arg(&data_dir)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit())
        .output()?;
    let took = began.elapsed();
    let text = String::from_utf8(output.stdout)?;
    let (summary, memory) = text.split_once('\n').context("no summary")?;
    let summary: Value = serde_json::from_str(summary)?;
    ensure!(summary["imported"] == count, "{summary}");
    std::fs::remove_dir_all(&data_dir)?;
    std::fs::remove_file(file)?;
    Ok(Imported {
        took,
        kib: memory.trim().parse().context("no memory")?,
    })
}

fn write(folder: &Path, count: usize, password: (&str, &str)) -> anyhow::Result<PathBuf> {
    let (format, hash) = password;
    let path = folder.join("users.ndjson");
    let mut file = BufWriter::new(File::create(&path)?);
    for n in 0..count {
        let line = json!({
            "id": format!("old-{n}"),
            "email": format!("user{}@example.com", n * 7919 % 1_000_003),
            "email_verified": true,
            "first_name": "Ada",
            "last_name": "Lovelace",
            "date_joined": "2024-05-01T10:00:00Z",
            "roles": ["reader"],
            "password_hash": hash,
            "password_format": format,
        });
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(path)
}

/// Is `latchkey` with these arguments. Writes its peak memory in KiB as the last line.
pub async fn latchkey(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    let arguments =
        Arguments::parse_from([OsString::from("latchkey")].into_iter().chain(arguments));
    let code = commands::run(arguments, std::future::pending()).await;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.context("this system does not tell the memory")?;
    println!("{}", peak.trim().trim_end_matches(" kB"));
    Ok(code)
}
