//! The file that says which process serves a data folder, so that a command finds its DynamoDB.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use shared::platform::json;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failure;
use crate::{Local, dynamodb, signing_key};

/// The function whose environment the commands have.
pub(super) const FUNCTION: &str = "admin";

/// How long the process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a process that serves a data folder says of itself.
#[derive(Serialize, Deserialize)]
pub(super) struct Serving {
    pid: u32,
    /// The URL of the gateway.
    url: String,
    /// The URL of DynamoDB.
    pub(super) dynamodb_url: String,
    /// Whether its accounts are in memory only.
    is_ephemeral: bool,
    /// The environment of [`FUNCTION`].
    pub(super) environment: BTreeMap<String, String>,
}

/// The file of this process, which is removed when this is dropped.
pub(super) struct Published(PathBuf);

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("serving.json")
}

/// Writes the file of this process, unless another process serves the folder's accounts while this
/// one has its own in memory.
pub(super) async fn publish(
    data_dir: &Path,
    local: &Local,
    is_ephemeral: bool,
) -> anyhow::Result<Option<Published>> {
    if is_ephemeral {
        match find(data_dir).await {
            Ok(Some(other)) if !other.is_ephemeral => return Ok(None),
            // It may have accounts that are stored.
            Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
    let environment = local.environment.get(FUNCTION).cloned();
    let serving = Serving {
        pid: std::process::id(),
        url: local.url.clone(),
        dynamodb_url: local.dynamodb_url.clone(),
        is_ephemeral,
        environment: environment.unwrap_or_default(),
    };
    let path = path(data_dir);
    signing_key::write_privately(&path, &serde_json::to_string_pretty(&serving)?)?;
    Ok(Some(Published(path)))
}

impl Drop for Published {
    fn drop(&mut self) {
        let ours = read(&self.0).is_some_and(|serving| serving.pid == std::process::id());
        if ours {
            let _ = fs::remove_file(&self.0);
        }
    }
}

fn read(path: &Path) -> Option<Serving> {
    json::parse(&fs::read(path).ok()?).ok()
}

/// Returns the process that serves the folder, if there is one. A file that a process left behind
/// is removed.
///
/// # Errors
///
/// Returns one sentence if the process may still be there, but does not answer as it should: another
/// one that opens the same accounts would do harm.
pub(super) async fn find(data_dir: &Path) -> Result<Option<Serving>, Failure> {
    let path = path(data_dir);
    let Some(serving) = read(&path) else {
        return Ok(None);
    };
    if !is_running(serving.pid) || nobody_listens(&serving.dynamodb_url).await {
        let _ = fs::remove_file(&path);
        return Ok(None);
    }
    match answers(&serving.dynamodb_url).await {
        Ok(()) => Ok(Some(serving)),
        Err(error) => Err(Failure::Fault(error.context(format!(
            "the process {}, which serves these accounts, does not answer: wait or end it; if it is \
             no latchkey, remove \"{}\"",
            serving.pid,
            path.display()
        )))),
    }
}

/// Returns whether the machine says that no process listens at the URL, whatever has the number of
/// the one that did.
async fn nobody_listens(url: &str) -> bool {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let connected = timeout(
        PATIENCE,
        TcpStream::connect(authority.trim_end_matches('/')),
    )
    .await;
    connected.is_ok_and(|it| it.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}

/// Returns whether a process exists. Its number may be that of another process by now.
#[cfg(unix)]
fn is_running(pid: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // Other errors than "no such process" are about a process that exists.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn is_running(_: u32) -> bool {
    true
}

/// Checks that a DynamoDB with Latchkey's table answers.
async fn answers(url: &str) -> anyhow::Result<()> {
    let client = dynamodb::client(url)?;
    let asked = client.describe_table().table_name(dynamodb::TABLE).send();
    let answer = timeout(PATIENCE, asked).await;
    answer.with_context(|| format!("no answer within {} seconds", PATIENCE.as_secs()))??;
    Ok(())
}
