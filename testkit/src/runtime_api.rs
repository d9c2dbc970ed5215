//! A stand-in for Lambda's runtime API, for one function: it starts the function's binary as a
//! process and sends it events, as Lambda does.
//!
//! The interface is described in "Using the Lambda runtime API for custom runtimes" in the Lambda
//! developer guide.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// A function's process, and the runtime API from which it takes events.
pub struct Bootstrap {
    child: Child,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<(String, Value)>,
    server: JoinHandle<()>,
    started: Instant,
    asked: u64,
}

type Answer = Result<Bytes, Bytes>;

#[derive(Default)]
struct Api {
    queue: OnceLock<tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, Value)>>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    ready: OnceLock<Instant>,
    idle: watch::Sender<bool>,
    acknowledging: Arc<tokio::sync::Mutex<()>>,
    output: Mutex<String>,
}

impl Bootstrap {
    /// Starts the binary at `path`. Its environment is `environment` and the variables that Lambda
    /// adds; it inherits no variable of this process.
    ///
    /// # Errors
    ///
    /// Returns an error if the binary cannot be started.
    pub async fn start(
        path: &Path,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (events, queue) = mpsc::unbounded_channel();
        let api = Arc::new(Api::default());
        api.queue.get_or_init(|| tokio::sync::Mutex::new(queue));
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::clone(&api));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        let started = Instant::now();
        let mut child = Command::new(path)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            tokio::spawn(collect(out, Arc::clone(&api)));
            tokio::spawn(collect(err, Arc::clone(&api)));
        }
        Ok(Self {
            child,
            api,
            events,
            server,
            started,
            asked: 0,
        })
    }

    /// Sends the function an event and returns its answer.
    ///
    /// # Errors
    ///
    /// Returns an error if the function fails, or, with the output of the process, if the process
    /// ends.
    pub async fn invoke(&mut self, event: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.asked);
        let (sender, answer) = oneshot::channel();
        lock(&self.api.waiting).insert(id.clone(), sender);
        self.events.send((id, event))?;
        tokio::select! {
            answer = answer => match answer? {
                Ok(body) => Ok(shared::platform::json::parse(&body)?),
                Err(body) => bail!("the function failed: {}", String::from_utf8_lossy(&body)),
            },
            status = self.child.wait() => Err(self.ended(status?).await),
        }
    }

    /// Delays the acknowledgement of the function's answers while the returned guard exists.
    pub async fn hold_acknowledgement(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.api.acknowledging).lock_owned().await
    }

    /// Waits until the function asks for its next event. Lambda sends none before.
    ///
    /// # Errors
    ///
    /// Returns an error, with the output of the process, if the process ends.
    pub async fn idle(&mut self) -> anyhow::Result<()> {
        let mut idle = self.api.idle.subscribe();
        tokio::select! {
            waited = idle.wait_for(|idle| *idle) => waited.map(drop).map_err(Into::into),
            status = self.child.wait() => Err(self.ended(status?).await),
        }
    }

    /// Waits until the process ends, and returns its exit status and its output as text.
    ///
    /// # Errors
    ///
    /// Returns an error if the process cannot be waited for.
    pub async fn end(&mut self) -> anyhow::Result<String> {
        let status = self.child.wait().await?;
        Ok(self.ended(status).await.to_string())
    }

    /// Returns the output of the process so far, and its report of a failed start.
    pub fn output(&self) -> String {
        lock(&self.api.output).clone()
    }

    /// Returns the time from the start of the process until it first asked for an event.
    pub fn time_to_ready(&self) -> Option<Duration> {
        self.api
            .ready
            .get()
            .map(|ready| ready.duration_since(self.started))
    }

    /// Returns the time since the process was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the peak memory of the process so far, in KiB. Linux only.
    pub fn peak_memory_kib(&self) -> Option<u64> {
        let status = format!("/proc/{}/status", self.child.id()?);
        let status = std::fs::read_to_string(status).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Returns the processor time of all threads of the process so far. Linux only.
    pub fn processor_time(&self) -> Option<Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()?)).ok()?;
        tasks.map(|task| scheduled(&task.ok()?.path())).sum()
    }

    /// Returns the processor time of the first thread so far. A function answers on this thread and
    /// hashes on others. Linux only.
    pub fn processor_time_of_first_thread(&self) -> Option<Duration> {
        let id = self.child.id()?;
        scheduled(Path::new(&format!("/proc/{id}/task/{id}")))
    }

    async fn ended(&self, status: std::process::ExitStatus) -> anyhow::Error {
        /// Long enough to read both pipes to their ends.
        const PIPES: Duration = Duration::from_millis(100);
        tokio::time::sleep(PIPES).await;
        anyhow!("the process ended ({status}): {}", self.output().trim())
    }
}

impl Drop for Bootstrap {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Returns how long a thread has run. `task` is the thread's folder under /proc.
fn scheduled(task: &Path) -> Option<Duration> {
    let stat = std::fs::read_to_string(task.join("schedstat")).ok()?;
    let nanos = stat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn collect(mut pipe: impl AsyncRead + Unpin, api: Arc<Api>) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        lock(&api.output).push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    api.ready.get_or_init(Instant::now);
    api.idle.send_replace(true);
    let event = match api.queue.get() {
        Some(queue) => queue.lock().await.recv().await,
        None => None,
    };
    api.idle.send_replace(false);
    let (id, event) = event.ok_or(StatusCode::GONE)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline is the process's own time"
    )]
    let deadline = SystemTime::now() + Duration::from_secs(10);
    let deadline = deadline
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        (
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:local:000000000000:function:function".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    Ok::<_, StatusCode>((headers, event.to_string()))
}

async fn response(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    body: Bytes,
) -> StatusCode {
    let status = answer(&api, &id, Ok(body));
    let _held = api.acknowledging.lock().await;
    status
}

async fn error(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    body: Bytes,
) -> StatusCode {
    answer(&api, &id, Err(body))
}

/// A runtime that fails to start reports the reason and then ends. The reason is added to its
/// output.
async fn init_error(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    lock(&api.output).push_str(&String::from_utf8_lossy(&body));
    StatusCode::ACCEPTED
}

fn answer(api: &Api, id: &str, answer: Answer) -> StatusCode {
    let waiting = lock(&api.waiting).remove(id);
    match waiting.map(|waiting| waiting.send(answer)) {
        Some(Ok(())) => StatusCode::ACCEPTED,
        _ => StatusCode::NOT_FOUND,
    }
}
