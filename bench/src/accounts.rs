//! Whether the time of a refused login tells an account that is there from one that is not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use local::{Local, Options, dynamodb};
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::{millis, row};

/// Logins of each kind. Each is of an account and a source of its own, so that nobody has to wait.
const LOGINS: u32 = 150;
const KINDS: [&str; 3] = ["unknown address", "wrong password", "disabled account"];

/// Prints, for each kind of refusal, how long it takes beside a wrong password, and how often a
/// guess by time alone would be right.
pub async fn measure() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("latchkey-bench-{}", std::process::id()));
    let measured = refusals(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn refusals(data_dir: &Path) -> anyhow::Result<()> {
    let local = Local::start(Options {
        template: Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"),
        parameters: BTreeMap::new(),
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        dynamodb_port: 0,
        data_dir: data_dir.to_path_buf(),
        ephemeral: true,
        functions: None,
        clock: Clock::System,
    })
    .await?;
    let mut times = [const { Vec::new() }; KINDS.len()];
    for n in 0..LOGINS {
        for place in 0..KINDS.len() {
            // Each kind is as often first as last.
            let kind = (place + n as usize) % KINDS.len();
            let source = 3 * n + u32::try_from(kind)?;
            let email = format!("user{n}.{kind}@example.com");
            let mut body = json!({
                "email": email, "password": "correct horse battery staple",
                "first_name": "Ada", "last_name": "Lovelace",
            });
            if kind > 0 {
                let (status, account) = post(&local, "/register", &body, source).await?;
                ensure!(status == 201, "{account}");
                if kind == 2 {
                    disable(&local, &account).await?;
                }
            }
            let right = kind == 2;
            let password = if right {
                "correct horse battery staple"
            } else {
                "not the password"
            };
            body = json!({"email": email, "password": password});
            let began = Instant::now();
            let (status, answer) = post(&local, "/login", &body, source).await?;
            times[kind].push(began.elapsed());
            ensure!(status == 401, "{answer}");
        }
    }
    local.stop().await;
    let [unknown, wrong, disabled] = times.map(|mut times| {
        times.sort_unstable();
        times
    });
    for (kind, times) in [(KINDS[0], unknown), (KINDS[2], disabled)] {
        let right = guessed_right(&times, &wrong);
        row(
            &format!(
                "refused login: {kind} (a guess by time is right in {:.0}%)",
                right * 100.0
            ),
            quartiles(&times)?,
            format!("{}, wrong password", quartiles(&wrong)?),
            middle(&times)?.as_secs_f64() / middle(&wrong)?.as_secs_f64(),
            "1.00 (50%)",
        );
    }
    Ok(())
}

/// How often somebody is right who, shown one time of each kind, names the longer one as the kind
/// that tends to be longer: 0.5 where times tell nothing, 1 where they tell all (the area under the
/// ROC curve).
fn guessed_right(these: &[Duration], those: &[Duration]) -> f64 {
    let pairs = these
        .iter()
        .flat_map(|this| those.iter().map(move |that| this.cmp(that)));
    let wins: f64 = pairs
        .map(|order| match order {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    let share = wins / (these.len() * those.len()) as f64;
    share.max(1.0 - share)
}

fn middle(sorted: &[Duration]) -> anyhow::Result<Duration> {
    sorted
        .get(sorted.len() / 2)
        .copied()
        .context("nothing was measured")
}

fn quartiles(sorted: &[Duration]) -> anyhow::Result<String> {
    let at = |quarter| {
        sorted
            .get(sorted.len() * quarter / 4)
            .copied()
            .unwrap_or_default()
    };
    Ok(format!(
        "{} ({} to {})",
        millis(middle(sorted)?),
        millis(at(1)),
        millis(at(3))
    ))
}

async fn post(local: &Local, path: &str, body: &Value, n: u32) -> anyhow::Result<(u16, Value)> {
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

/// Disables an account as an operator does.
async fn disable(local: &Local, account: &Value) -> anyhow::Result<()> {
    let id = account["id"].as_str().context("an account has no id")?;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "bench"))
        .endpoint_url(&local.dynamodb_url);
    let update = Client::from_conf(config.build())
        .update_item()
        .table_name(dynamodb::TABLE)
        .key("pk", AttributeValue::S(format!("USER#{id}")))
        .key("sk", AttributeValue::S("ACCOUNT".to_owned()))
        .update_expression("SET #status = :disabled")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":disabled", AttributeValue::S("disabled".to_owned()));
    update.send().await?;
    Ok(())
}
