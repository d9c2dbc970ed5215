//! The file that says which process serves a data folder, so that a command finds its DynamoDB.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use shared::platform::json;
use tokio::time::timeout;

use crate::{Local, dynamodb, signing_key};

/// The function whose environment the commands have.
pub(super) const FUNCTION: &str = "admin";

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
    if is_ephemeral
        && let Some(other) = find(data_dir).await
        && !other.is_ephemeral
    {
        return Ok(None);
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
pub(super) async fn find(data_dir: &Path) -> Option<Serving> {
    let path = path(data_dir);
    let serving = read(&path)?;
    if is_running(serving.pid) && answers(&serving.dynamodb_url).await.is_ok() {
        return Some(serving);
    }
    let _ = fs::remove_file(&path);
    None
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
    const PATIENCE: Duration = Duration::from_secs(3);
    let client = dynamodb::client(url)?;
    let asked = client.describe_table().table_name(dynamodb::TABLE).send();
    let answer = timeout(PATIENCE, asked).await;
    answer.context("it does not answer")??;
    Ok(())
}
