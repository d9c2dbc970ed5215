//! The gateway of `cargo run` under load, compared with the same API in Django.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::others::Others;
use crate::report::{Amount, Most, Report};
use crate::{log_in, median, with_local};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 8;

/// A running server, and the request to send to it.
struct Server {
    child: Child,
    url: String,
    token: String,
}

/// Adds the gateway's row.
pub async fn measure(others: &Others, report: &mut Report) -> anyhow::Result<()> {
    let ours = Server::ours()?;
    let theirs = Server::django(others).await?;
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_rates.push(load(&ours).await?);
        their_rates.push(load(&theirs).await?);
    }
    report.add(
        "gateway of `cargo run`: GET /profile",
        Amount::PerSecond(median(&mut our_rates).context("nothing was measured")? as f64),
        Amount::PerSecond(median(&mut their_rates).context("nothing was measured")? as f64),
        "Django with SimpleJWT under gunicorn",
        Most::AtLeast(3.0),
    );
    Ok(())
}

/// Serves a Latchkey until standard input ends, after printing its URL and a token.
///
/// # Errors
///
/// Returns an error if it cannot be started.
pub async fn serve() -> anyhow::Result<()> {
    with_local(async |local| {
        let tokens = log_in(local, "ada@example.com").await?;
        println!(
            "{} {}",
            local.url,
            tokens["access_token"].as_str().context("no token")?
        );
        let asked = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        asked.await??;
        Ok(())
    })
    .await
}

/// Puts the server under load. Returns its answers per second.
async fn load(server: &Server) -> anyhow::Result<u64> {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let answered = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        let (url, token) = (server.url.clone(), server.token.clone());
        tokio::spawn(async move {
            while began.elapsed() < ROUND {
                let request = Request::get(format!("{url}/profile"))
                    .header("authorization", format!("Bearer {token}"));
                let answer = client.request(request.body(Body::empty())?).await?;
                let status = answer.status();
                answer.into_body().collect().await?;
                ensure!(status == 200, "{url} answers {status}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok((answered.load(Ordering::Relaxed) as f64 / seconds) as u64)
}

impl Server {
    fn ours() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let (url, token) = line.trim().split_once(' ').context("it did not start")?;
        Ok(Self {
            url: url.to_owned(),
            token: token.to_owned(),
            child,
        })
    }

    async fn django(others: &Others) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let workers = std::thread::available_parallelism()?;
        let token = others.output("django_profile.py")?;
        let child = others.gunicorn(
            "django_profile:application",
            &format!("127.0.0.1:{port}"),
            workers.get(),
        )?;
        let server = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            token: token.trim().to_owned(),
        };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
            {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("gunicorn did not start")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ours ends with its standard input, and removes its folder. gunicorn also ends its
        // workers.
        match self.child.stdin.take() {
            Some(stdin) => drop(stdin),
            None => {
                // On SIGTERM it ends its workers. If it is killed instead, they notice that it is
                // gone.
                let id = self.child.id().to_string();
                let asked = Command::new("kill").arg(id).status();
                if !asked.is_ok_and(|status| status.success()) {
                    let _ = self.child.kill();
                }
            }
        }
        let _ = self.child.wait();
    }
}
