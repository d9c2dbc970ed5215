//! Measures whether the time of a refused login reveals that an account exists.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use local::{Local, dynamodb};
use serde_json::{Value, json};

use crate::report::Report;
use crate::{PASSWORD, ask, millis, with_local};

/// The number of logins of each kind. Each has its own account and source, so that none is
/// throttled.
const LOGINS: u32 = 150;
const KINDS: [&str; 3] = ["unknown address", "wrong password", "disabled account"];

/// Adds, for each kind of refusal, its time compared with a wrong password, and how often a guess
/// by time alone would be right.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    with_local(async |local| refusals(local, report).await).await
}

async fn refusals(local: &Local, report: &mut Report) -> anyhow::Result<()> {
    let mut times = [const { Vec::new() }; KINDS.len()];
    for n in 0..LOGINS {
        for place in 0..KINDS.len() {
            // Each kind is equally often first and last.
            let kind = (place + n as usize) % KINDS.len();
            let source = 3 * n + u32::try_from(kind)?;
            let email = format!("user{n}.{kind}@example.com");
            // An account is registered before each, so that caches are in the same state. If the
            // address is to be unknown, it is another account.
            let opened = if kind == 0 {
                format!("another.{email}")
            } else {
                email.clone()
            };
            let mut body = json!({
                "email": opened, "password": PASSWORD,
                "first_name": "Ada", "last_name": "Lovelace",
            });
            let (status, account) = ask(local, "/register", &body, source).await?;
            ensure!(status == 201, "{account}");
            if kind == 2 {
                disable(local, &account).await?;
            }
            let right = kind == 2;
            let password = if right { PASSWORD } else { "not the password" };
            body = json!({"email": email, "password": password});
            let began = Instant::now();
            let (status, answer) = ask(local, "/login", &body, source).await?;
            times[kind].push(began.elapsed());
            ensure!(status == 401, "{answer}");
        }
    }
    let [unknown, wrong, disabled] = times.map(|mut times| {
        times.sort_unstable();
        times
    });
    for (kind, times) in [(KINDS[0], unknown), (KINDS[2], disabled)] {
        let right = guessed_right(&times, &wrong);
        report.add_words(
            &format!(
                "refused login: {kind} (a guess by time is right in {:.0}%)",
                right * 100.0
            ),
            quartiles(&times)?,
            format!("{}, wrong password", quartiles(&wrong)?),
            middle(&times)?.as_secs_f64() / middle(&wrong)?.as_secs_f64(),
        );
    }
    Ok(())
}

/// Returns how often a guess is right that, of one time of each kind, assigns the longer one to the
/// kind that tends to be longer: 0.5 if times reveal nothing, 1 if they reveal everything (the area
/// under the ROC curve).
pub fn guessed_right(these: &[Duration], those: &[Duration]) -> f64 {
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

/// Returns the median and the quartiles in words.
pub fn quartiles(sorted: &[Duration]) -> anyhow::Result<String> {
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

/// Disables an account, as an operator does.
async fn disable(local: &Local, account: &Value) -> anyhow::Result<()> {
    let id = account["id"].as_str().context("an account has no id")?;
    let update = dynamodb::client(&local.dynamodb_url)?
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
