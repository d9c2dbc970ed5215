//! The functions beside an empty one, as processes under a Lambda runtime API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use local::Local;
use local::runtime_api::Bootstrap;
use serde_json::{Value, json};

use crate::{PASSWORD, ask, beside_local, median, millis, row};

const STARTS: usize = 20;
const CALLS: usize = 25;
/// What is asked, the empty one first.
const FUNCTIONS: [&str; 7] = [
    "empty",
    "authorizer",
    "discovery",
    "profile",
    "session",
    "login",
    "register",
];
/// What is only weighed: asked again and again, it would have to change a password each time.
const WEIGHED: &str = "password";

/// A function's binary, and how it is asked.
struct Function {
    name: &'static str,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    /// The events of a process's life: what differs from call to call is in each.
    event: Event,
    /// Whether a call hashes a password: then a hash's time and memory are set apart.
    hashes: bool,
}

type Event = Box<dyn Fn(usize) -> Value>;

/// What was seen of a function, start by start and call by call.
#[derive(Default)]
struct Seen {
    first: Vec<Duration>,
    warm: Vec<Duration>,
    /// Of the processor, for one warm call.
    work: Vec<Duration>,
    memory_kib: Vec<u64>,
    calls: usize,
}

/// The middle of what was seen, and the binary's size.
struct Middle {
    first: Duration,
    warm: Duration,
    work: Duration,
    memory_kib: u64,
    size_kib: u64,
}

/// Prints the functions' lines. `hash` is the time of one password hash in this run.
pub async fn measure(hash: Duration) -> anyhow::Result<()> {
    build()?;
    beside_local(async |local| {
        let functions = functions(local).await?;
        let mut seen: Vec<_> = functions.iter().map(|_| Seen::default()).collect();
        for round in 0..STARTS {
            for place in 0..functions.len() {
                // Each is as often behind each other: the end of a process takes time as well.
                let at = (place * (1 + round % (functions.len() - 1)) + round) % functions.len();
                let watched = seen[at].start(&functions[at]).await;
                watched.with_context(|| functions[at].name)?;
            }
        }
        let mut middles = functions.iter().zip(seen).map(|(function, seen)| {
            let middle = seen.middle(&function.binary)?;
            anyhow::Ok((function, middle))
        });
        let (_, empty) = middles.next().context("no function")??;
        for middle in middles {
            let (function, middle) = middle?;
            lines(function, &middle, &empty, hash)?;
        }
        let size = size_kib(&binaries()?.join(WEIGHED))?;
        space(WEIGHED, "binary", size, empty.size_kib, "8 MB");
        Ok(())
    })
    .await
}

fn lines(function: &Function, ours: &Middle, empty: &Middle, hash: Duration) -> anyhow::Result<()> {
    let name = function.name;
    let (hash, hash_kib, beside) = if function.hashes {
        let memory = function.environment.get("ARGON2_MEMORY_KIB");
        let memory = memory.context("ARGON2_MEMORY_KIB is not set")?.parse()?;
        (hash, memory, " beside its hash")
    } else {
        (Duration::ZERO, 0, "")
    };
    let (first, warm, memory, size) = match name {
        "authorizer" => ("1.20", "1.60", "6 MB", "4.5 MB"),
        "discovery" => ("", "", "", ""),
        _ => ("4.00", "", "12 MB", "8 MB"),
    };
    let time = |what: &str, ours: Duration, theirs: Duration, limit: &str| {
        let ours = ours.saturating_sub(hash);
        row(
            &format!("{name}: {what}{beside}"),
            millis(ours),
            format!("{}, an empty function", millis(theirs)),
            ours.as_secs_f64() / theirs.as_secs_f64(),
            limit,
        );
    };
    time("start until first answer", ours.first, empty.first, first);
    time("warm call", ours.warm, empty.warm, warm);
    let limit = if name == "authorizer" { "" } else { "1 ms" };
    time(
        "processor time of a warm call",
        ours.work,
        empty.work,
        limit,
    );
    let own = ours.memory_kib.saturating_sub(hash_kib);
    let what = format!("peak memory{beside}");
    space(name, &what, own, empty.memory_kib, memory);
    space(name, "binary", ours.size_kib, empty.size_kib, size);
    Ok(())
}

/// One line of the table, of sizes in KiB.
fn space(name: &str, what: &str, ours: u64, theirs: u64, limit: &str) {
    let written = |kib: u64| format!("{:.1} MB", kib as f64 / 1024.0);
    let what = format!("{name}: {what}");
    let ratio = ours as f64 / theirs as f64;
    row(&what, written(ours), written(theirs), ratio, limit);
}

fn size_kib(binary: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(binary)?.len() / 1024)
}

/// The folder of the binaries, which is this one's own.
fn binaries() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().context("no folder")?;
    ensure!(
        folder.ends_with("release"),
        "measure what is deployed: cargo run --release -p bench"
    );
    Ok(folder.to_path_buf())
}

impl Seen {
    async fn start(&mut self, function: &Function) -> anyhow::Result<()> {
        let mut process = Bootstrap::start(&function.binary, &function.environment).await?;
        let answer = process.invoke((function.event)(self.next())).await?;
        self.first.push(process.age());
        let status = answer["statusCode"].as_u64().unwrap_or(200);
        if answer["isAuthorized"] == false || status >= 300 {
            bail!("refused the benchmark: {answer} {}", process.output());
        }
        let before = process.processor_time();
        for _ in 0..CALLS {
            let event = (function.event)(self.next());
            let asked = Instant::now();
            process.invoke(event).await?;
            self.warm.push(asked.elapsed());
        }
        if let (Some(before), Some(after)) = (before, process.processor_time()) {
            let calls = u32::try_from(CALLS)?;
            self.work.push(after.saturating_sub(before) / calls);
        }
        self.memory_kib.extend(process.peak_memory_kib());
        Ok(())
    }

    fn next(&mut self) -> usize {
        self.calls += 1;
        self.calls
    }

    fn middle(mut self, binary: &Path) -> anyhow::Result<Middle> {
        let nothing = "nothing was measured";
        Ok(Middle {
            first: median(&mut self.first).context(nothing)?,
            warm: median(&mut self.warm).context(nothing)?,
            // Where there is no /proc, there is nothing to be told.
            work: median(&mut self.work).unwrap_or_default(),
            memory_kib: median(&mut self.memory_kib).unwrap_or_default(),
            size_kib: size_kib(binary)?,
        })
    }
}

/// Builds the binaries as they are deployed, one by one.
fn build() -> anyhow::Result<()> {
    // Each apart: together, cargo would give each the features of the others.
    for package in FUNCTIONS.into_iter().chain([WEIGHED]) {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--release", "--bins", "-p", package])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        ensure!(build.status()?.success(), "{package} was not built");
    }
    Ok(())
}

/// The functions of a Latchkey at work, each with a request that it grants.
async fn functions(local: &Local) -> anyhow::Result<Vec<Function>> {
    let binaries = binaries()?;
    let registration = |email: String| {
        json!({
            "email": email, "password": PASSWORD,
            "first_name": "Ada", "last_name": "Lovelace",
        })
    };
    let login = |email| json!({"email": email, "password": PASSWORD});
    // Whose list of sessions stays short, and who logs in again and again.
    let [stays, comes] = ["ada@example.com", "grace@example.com"];
    for email in [stays, comes] {
        let body = registration(email.to_owned());
        let (status, account) = ask(local, "/register", &body, 0).await?;
        ensure!(status == 201, "{account}");
    }
    let (status, tokens) = ask(local, "/login", &login(stays), 0).await?;
    ensure!(status == 200, "{tokens}");
    let token = tokens["access_token"].as_str().context("no token")?;

    let verify: Value = serde_json::from_str(include_str!("../../events/authorizer/allow.json"))?;
    let verify: Value = serde_json::from_str(&verify.to_string().replace("ACCESS_TOKEN", token))?;
    let verdict = local.functions.invoke("authorizer", verify.clone()).await?;
    let granted = verdict["context"].clone();
    ensure!(granted.is_object(), "{verdict}");

    let always = |event: Value| -> Event { Box::new(move |_| event.clone()) };
    let get = |path| always(event("GET", path, &Value::Null, &granted));
    let requests: [(Event, bool); FUNCTIONS.len()] = [
        (always(json!({})), false),
        (always(verify), false),
        (get("/.well-known/jwks.json"), false),
        (get("/profile"), false),
        (get("/sessions"), false),
        (
            always(event("POST", "/login", &login(comes), &Value::Null)),
            true,
        ),
        (
            Box::new(move |call| {
                let body = registration(format!("user{call}@example.com"));
                event("POST", "/register", &body, &Value::Null)
            }),
            true,
        ),
    ];
    let functions = FUNCTIONS.into_iter().zip(requests);
    Ok(functions
        .map(|(name, (event, hashes))| Function {
            name,
            binary: binaries.join(name),
            environment: local.environment.get(name).cloned().unwrap_or_default(),
            event,
            hashes,
        })
        .collect())
}

/// A request as API Gateway passes it, with what the authorizer said of it.
fn event(method: &str, path: &str, body: &Value, granted: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path,
        "rawQueryString": "", "headers": {"content-type": "application/json"},
        "requestContext": {
            "domainName": "127.0.0.1", "requestId": "r-1", "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "authorizer": {"lambda": granted},
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}
