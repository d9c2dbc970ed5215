//! The functions compared with an empty one, as processes under a Lambda runtime API.

mod functions;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use testkit::runtime_api::Bootstrap;

use crate::hash::Hash;
use crate::report::{Amount, Most, Report};
use crate::{binaries, median, with_local_of};

use functions::{Function, Limits, functions, signing_with_kms};

const STARTS: usize = 60;

const CALLS: usize = 10;

/// The packages that are built and whose sizes are measured.
const PACKAGES: [&str; 15] = [
    "empty",
    "authorizer",
    "discovery",
    "activity",
    "admin",
    "forgot",
    "links",
    "mailer",
    "pages",
    "profile",
    "publisher",
    "session",
    "login",
    "register",
    "password",
];

/// The measurements of a function, over all starts and calls.
#[derive(Default)]
struct Seen {
    /// The time until it asked for its first event.
    ready: Vec<Duration>,
    first: Vec<Duration>,
    /// Without the time of a process's first hashes.
    first_without_hash: Vec<Duration>,
    /// Without its own hashes, as it measured them once it had their memory.
    first_without_own_hash: Vec<Duration>,
    warm: Vec<Duration>,
    /// For warm calls that hash: the handler with its hash, and the hash, as the function measured
    /// them.
    handled: Vec<Duration>,
    hashes: Vec<Duration>,
    /// The processor time of one warm call without its hashes.
    work: Vec<Duration>,
    memory_kib: Vec<u64>,
}

/// The medians of the measurements, except for memory.
#[derive(Clone)]
struct Middle {
    ready: Duration,
    first: Duration,
    first_without_hash: Duration,
    /// Only if the call hashes.
    first_without_own_hash: Option<Duration>,
    warm: Duration,
    /// The handler with its hash, if the call hashes.
    handled: Duration,
    /// All hashes of a call.
    hashed: Duration,
    /// Only if the system reports it.
    work: Option<Duration>,
    /// The maximum of all starts, if the system reports it.
    memory_kib: Option<u64>,
}

/// Adds the functions' rows. With `against`, the binaries of that folder are measured in turn with
/// those built here, and rows compare the two.
pub async fn measure(against: Option<&Path>, report: &mut Report) -> anyhow::Result<()> {
    build()?;
    let here = binaries()?;
    ensure!(
        here.ends_with("release"),
        "measure what is deployed: cargo run --release -p bench"
    );
    let folders: Vec<&Path> = [here.as_path()].into_iter().chain(against).collect();
    // One source asks for all of the mails here.
    let parameters = [
        ("LoginAttemptsPerSource", "1000000"),
        ("MailsPerSource", "1000000"),
    ];
    with_local_of(&parameters, false, async |local| {
        // Its server runs as long as this process.
        let signing = signing_with_kms().await;
        let mut functions = functions(local, &signing).await?;
        let mut seen: Vec<Vec<Seen>> = functions
            .iter()
            .map(|_| folders.iter().map(|_| Seen::default()).collect())
            .collect();
        let hash = Hash::new()?;
        for round in 0..STARTS {
            eprintln!("functions: start {} of {STARTS}", round + 1);
            for place in 0..functions.len() {
                // Each runs equally often after each other one (their number is a prime), since the
                // end of a process takes time too.
                let at = (place * (1 + round % (functions.len() - 1)) + round) % functions.len();
                for turn in 0..folders.len() {
                    let side = (turn + round) % folders.len();
                    let seen = &mut seen[at][side];
                    let first = seen.start(folders[side], &mut functions[at]).await;
                    let first = first.with_context(|| functions[at].call)?;
                    // Measured in turn with the start, so that the machine is equally busy.
                    let set_apart = match functions[at].hashes {
                        0 => Duration::ZERO,
                        hashes => Hash::first().await? + hash.time().await? * (hashes - 1),
                    };
                    seen.first_without_hash
                        .push(first.saturating_sub(set_apart));
                }
            }
        }
        let mut empty = None;
        for (function, sides) in functions.iter().zip(seen) {
            let mut middles = sides.into_iter().map(|seen| seen.middle(function.hashes));
            let ours = middles.next().context("no folder")??;
            match &empty {
                Some(empty) => lines(report, function, &ours, empty)?,
                None => empty = Some(ours.clone()),
            }
            for theirs in middles {
                compare(report, function, &ours, &theirs?);
            }
        }
        let empty = size_kib(&here, "empty")?;
        for package in PACKAGES.into_iter().skip(1) {
            let most = match package {
                "authorizer" => Most::Megabytes(4.5),
                "discovery" | "pages" => Most::Any,
                _ => Most::Megabytes(8.0),
            };
            let what = format!("{package}: binary");
            let ours = Amount::Kib(size_kib(&here, package)?);
            report.add(&what, ours, Amount::Kib(empty), "an empty function", most);
            for folder in folders.iter().skip(1) {
                let theirs = Amount::Kib(size_kib(folder, package)?);
                report.add(&what, ours, theirs, OTHER_SIDE, Most::Any);
            }
        }
        Ok(())
    })
    .await
}

/// The name of the binaries that are given by a folder.
const OTHER_SIDE: &str = "the other folder";

/// Adds the rows that compare a function with that of another folder.
fn compare(report: &mut Report, function: &Function, ours: &Middle, theirs: &Middle) {
    let call = function.call;
    let mut row = |what: &str, ours: Amount, theirs: Amount| {
        let what = format!("{call}: {what}");
        report.add(&what, ours, theirs, OTHER_SIDE, Most::Any);
    };
    let times = [
        ("start until it asks for an event", ours.ready, theirs.ready),
        (
            "start until first answer, all of it",
            ours.first,
            theirs.first,
        ),
        ("warm call, all of it", ours.warm, theirs.warm),
    ];
    for (what, ours, theirs) in times {
        row(what, Amount::Time(ours), Amount::Time(theirs));
    }
    if function.hashes > 0 {
        let own = |middle: &Middle| Amount::Time(middle.handled.saturating_sub(middle.hashed));
        row("the handler without its hash, warm", own(ours), own(theirs));
    }
    if let (Some(ours), Some(theirs)) = (ours.work, theirs.work) {
        let (ours, theirs) = (Amount::Time(ours), Amount::Time(theirs));
        row("processor time of a warm call", ours, theirs);
    }
    if let (Some(ours), Some(theirs)) = (ours.memory_kib, theirs.memory_kib) {
        row("peak memory", Amount::Kib(ours), Amount::Kib(theirs));
    }
}

fn lines(
    report: &mut Report,
    function: &Function,
    ours: &Middle,
    empty: &Middle,
) -> anyhow::Result<()> {
    let call = function.call;
    let hash_kib = match function.environment.get("ARGON2_MEMORY_KIB") {
        Some(kib) if function.hashes > 0 => kib.parse()?,
        _ => 0,
    };
    let suffix = if function.hashes > 0 {
        " without its hash"
    } else {
        ""
    };
    let Limits {
        first,
        warm,
        handled,
        work,
        memory,
    } = function.most;
    let hashed = ours.hashed;
    let (all_warm, own_warm) = (ours.warm, ours.warm.saturating_sub(hashed));
    let what = format!("{call}: start until it asks for an event");
    let (ready, least) = (Amount::Time(ours.ready), Amount::Time(empty.ready));
    report.add(&what, ready, least, "an empty function", Most::Any);
    let mut time = |what: &str, ours: Duration, theirs: Duration, most: Most| {
        let what = format!("{call}: {what}{suffix}");
        let (ours, theirs) = (Amount::Time(ours), Amount::Time(theirs));
        report.add(&what, ours, theirs, "an empty function", most);
    };
    time(
        "start until first answer",
        ours.first_without_hash,
        empty.first,
        first,
    );
    time("warm call", own_warm, empty.warm, warm);
    if let (Some(ours), Some(empty)) = (ours.work, empty.work) {
        time("processor time of a warm call", ours, empty, work);
    }
    if let Some(without_own_hash) = ours.first_without_own_hash {
        let what = format!("{call}: start until first answer without its hash, not the memory");
        let (ours_without_hash, least) =
            (Amount::Time(without_own_hash), Amount::Time(empty.first));
        report.add(
            &what,
            ours_without_hash,
            least,
            "an empty function",
            Most::Any,
        );
        let what = format!("{call}: start until first answer, all of it");
        let (all, least) = (Amount::Time(ours.first), Amount::Time(empty.first));
        report.add(&what, all, least, "an empty function", Most::Any);
        let what = format!("{call}: the whole handler, warm");
        let (ours, hashed) = (Amount::Time(ours.handled), Amount::Time(hashed));
        report.add(&what, ours, hashed, "its hash", handled);
        let what = format!("{call}: warm call, all of it");
        let all = Amount::Time(all_warm);
        report.add(&what, all, hashed, "its hash", Most::Any);
    }
    if let (Some(ours), Some(empty)) = (ours.memory_kib, empty.memory_kib) {
        let own = ours.saturating_sub(hash_kib);
        let what = format!("{call}: peak memory{suffix}");
        let (own, empty) = (Amount::Kib(own), Amount::Kib(empty));
        report.add(&what, own, empty, "an empty function", memory);
    }
    Ok(())
}

fn size_kib(folder: &Path, package: &str) -> anyhow::Result<u64> {
    let binary = folder.join(package);
    let file = std::fs::metadata(&binary);
    let file = file.with_context(|| format!("cannot read {}", binary.display()))?;
    Ok(file.len() / 1024)
}

impl Seen {
    /// Starts the function's binary of `folder` and calls it. Returns the time until its first
    /// answer.
    async fn start(&mut self, folder: &Path, function: &mut Function) -> anyhow::Result<Duration> {
        let mut event = (function.event)(&function.answer)?;
        let binary = folder.join(function.package);
        let mut process = Bootstrap::start(&binary, &function.environment).await?;
        function.answer = process.invoke(event).await?;
        let first = process.age();
        self.first.push(first);
        self.ready.extend(process.time_to_ready());
        let status = function.answer["statusCode"].as_u64().unwrap_or(200);
        if function.answer["isAuthorized"] == false || status >= 300 {
            bail!(
                "refused the benchmark: {} {}",
                function.answer,
                process.output()
            );
        }
        // Hashes run in their own threads.
        let worked = |process: &Bootstrap| match function.hashes {
            0 => process.processor_time(),
            _ => process.processor_time_of_first_thread(),
        };
        process.idle().await?;
        let before = worked(&process);
        for _ in 0..CALLS {
            event = (function.event)(&function.answer)?;
            let asked = Instant::now();
            function.answer = process.invoke(event).await?;
            self.warm.push(asked.elapsed());
            process.idle().await?;
        }
        if let (Some(before), Some(after)) = (before, worked(&process)) {
            let calls = u32::try_from(CALLS)?;
            self.work.push(after.saturating_sub(before) / calls);
        }
        self.memory_kib.extend(process.peak_memory_kib());
        let output = process.output();
        let mut logged = logged(&output);
        // The first hash took longer.
        if let Some((_, hash)) = logged.next() {
            let own = first.saturating_sub(hash * function.hashes);
            self.first_without_own_hash.push(own);
        }
        for (handled, hash) in logged {
            self.handled.push(handled);
            self.hashes.push(hash);
        }
        Ok(first)
    }

    fn middle(mut self, hashes: u32) -> anyhow::Result<Middle> {
        let nothing = "nothing was measured";
        Ok(Middle {
            ready: median(&mut self.ready).context(nothing)?,
            first: median(&mut self.first).context(nothing)?,
            first_without_hash: median(&mut self.first_without_hash).context(nothing)?,
            first_without_own_hash: median(&mut self.first_without_own_hash),
            warm: median(&mut self.warm).context(nothing)?,
            handled: median(&mut self.handled).unwrap_or_default(),
            hashed: median(&mut self.hashes).unwrap_or_default() * hashes,
            work: median(&mut self.work),
            memory_kib: self.memory_kib.iter().copied().max(),
        })
    }
}

/// Returns the durations of the requests in a function's log that hashed a password, and of their
/// hashes.
fn logged(output: &str) -> impl Iterator<Item = (Duration, Duration)> {
    let lines = output.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some((line["duration_ms"].as_f64()?, line["hash_ms"].as_f64()?))
    });
    let time = |millis| Duration::from_secs_f64(millis / 1000.0);
    lines.map(move |(handled, hash)| (time(handled), time(hash)))
}

/// Builds the binaries one by one, as they are deployed.
fn build() -> anyhow::Result<()> {
    // Built separately, since cargo would merge the features of packages that are built together.
    for package in PACKAGES {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--release", "--bins", "-p", package])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        ensure!(build.status()?.success(), "{package} was not built");
    }
    Ok(())
}
