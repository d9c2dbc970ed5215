//! Measures how fast all accounts are listed from the embedded DynamoDB.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use local::{Local, dynamodb};
use shared::domain::UserId;
use shared::platform::{Clock, Env};
use shared::store::Store;

use crate::report::{Amount, Most, Report};
use crate::with_local;

const ACCOUNTS: usize = 100_000;
/// How many accounts a second a list must return at least.
const LEAST: f64 = 5000.0;
/// The limit of `BatchWriteItem`.
const BATCH: usize = 25;

/// Adds the row of the list.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    with_local(async |local| list(local, report).await).await
}

async fn list(local: &Local, report: &mut Report) -> anyhow::Result<()> {
    fill(local).await?;
    let variables = local.environment.get("profile").context("no profile")?;
    let lookup = |name: &str| variables.get(name).cloned();
    let store = Store::from_env(&Env::new(&lookup))?;
    let began = Instant::now();
    let (mut stream, mut last, mut count) = (store.directory().stream(None), String::new(), 0);
    while let Some(account) = stream.next().await? {
        let address = account.email.canonical();
        ensure!(last < address, "the list is out of order");
        (last, count) = (address, count + 1);
    }
    let took = began.elapsed();
    ensure!(count == ACCOUNTS, "{count} accounts are listed");
    report.add(
        "directory: a list of 100,000 accounts",
        Amount::PerSecond(rate(took)),
        Amount::PerSecond(LEAST),
        "the least",
        Most::AtLeast(1.0),
    );
    Ok(())
}

fn rate(took: Duration) -> f64 {
    ACCOUNTS as f64 / took.as_secs_f64()
}

/// Puts the accounts into the table, without credentials.
async fn fill(local: &Local) -> anyhow::Result<()> {
    let client = dynamodb::client(&local.dynamodb_url)?;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: u64| AttributeValue::N(number.to_string());
    let now = Clock::System.millis();
    for batch in 0..ACCOUNTS / BATCH {
        let mut puts = Vec::with_capacity(BATCH);
        for place in 0..BATCH {
            let id = UserId::new(now);
            let shard = id.as_bytes()[15] % 8;
            // Registrations do not come in the order of addresses.
            let place = (batch * BATCH + place) * 7919 % 100_003;
            let address = format!("user{place}@example.com");
            let put = PutRequest::builder()
                .item("pk", text(&format!("USER#{id}")))
                .item("sk", text("ACCOUNT"))
                .item("directory", text(&shard.to_string()))
                .item("address", text(&address))
                .item("email", text(&address))
                .item("first_name", text("Ada"))
                .item("last_name", text("Lovelace"))
                .item("date_joined", number(now / 1000))
                .item("roles", AttributeValue::L(Vec::new()))
                .item("status", text("active"))
                .item("version", number(1))
                .item("password_epoch", number(1));
            let put = WriteRequest::builder().put_request(put.build()?);
            puts.push(put.build());
        }
        let write = client.batch_write_item();
        write.request_items(dynamodb::TABLE, puts).send().await?;
    }
    Ok(())
}
