//! An embedded DynamoDB (dynoxide, on SQLite) with the template's table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use dynoxide::Database;
use dynoxide::server::serve_with_shutdown;
use serde_json::{Value, json};
use shared::aws;
use shared::platform::config::Env;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task;

use crate::{asked_to_stop, key};

/// The table's name on a laptop.
pub const TABLE: &str = "latchkey";

/// Where items are kept.
pub enum Storage {
    /// In memory, until the process ends.
    Memory,
    /// In a file.
    File(PathBuf),
}

/// Opens the database, and makes the table unless it is there. `properties` are those of an
/// `AWS::DynamoDB::Table`.
///
/// # Errors
///
/// Where the file is unusable or the properties make no table.
pub fn open(storage: &Storage, properties: &Value, table: &str) -> anyhow::Result<Database> {
    let database = match storage {
        Storage::Memory => Database::memory().context("cannot open a database in memory")?,
        Storage::File(path) => {
            // SQLite gives its other files the same mode.
            let opened = key::private_file()
                .append(true)
                .open(path)
                .map_err(anyhow::Error::from);
            let opened = opened.and_then(|_| Ok(Database::new(&path.to_string_lossy())?));
            opened.with_context(|| {
                format!(
                    "cannot open the database \"{}\": choose another folder with --data-dir",
                    path.display()
                )
            })?
        }
    };
    let described = database.describe_table(serde_json::from_value(json!({ "TableName": table }))?);
    if described.is_ok() {
        return Ok(database);
    }
    let broken = || "the table of template.yaml is not one that DynamoDB makes";
    let create = json!({
        "TableName": table,
        "KeySchema": properties["KeySchema"],
        "AttributeDefinitions": properties["AttributeDefinitions"],
        "BillingMode": properties["BillingMode"],
    });
    let create = serde_json::from_value(create).with_context(broken)?;
    database.create_table(create).with_context(broken)?;
    let expire = json!({
        "TableName": table,
        "TimeToLiveSpecification": properties["TimeToLiveSpecification"],
    });
    let expire = serde_json::from_value(expire).with_context(broken)?;
    database.update_time_to_live(expire).with_context(broken)?;
    Ok(database)
}

/// What the SDK reads from the environment to reach the database that is served at `url`.
pub(crate) fn environment(url: &str) -> [(&'static str, String); 4] {
    // It checks no signature; any credentials do.
    [
        ("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned()),
        ("AWS_REGION", "local".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ]
}

/// Returns a client of the database that is served at `url`, to do what an operator would.
///
/// # Errors
///
/// Returns an error if TLS cannot be set up.
pub fn client(url: &str) -> anyhow::Result<Client> {
    let variables = BTreeMap::from(environment(url));
    let lookup = |variable: &str| variables.get(variable).cloned();
    let config = aws::config(&Env::new(&lookup), "AWS_ENDPOINT_URL_DYNAMODB")?;
    Ok(Client::new(&config))
}

/// Serves the database to the SDK and to any DynamoDB tool, and removes expired items now and then.
pub(crate) async fn serve(
    listener: TcpListener,
    database: Database,
    stopped: watch::Receiver<bool>,
) {
    let swept = database.clone();
    let sweeper = task::spawn(async move {
        /// AWS takes up to some days; a minute shows sooner what depends on it.
        const EVERY: Duration = Duration::from_secs(60);
        loop {
            tokio::time::sleep(EVERY).await;
            let database = swept.clone();
            let _ = task::spawn_blocking(move || database.sweep_ttl()).await;
        }
    });
    if let Err(error) = serve_with_shutdown(listener, database, asked_to_stop(stopped)).await {
        tracing::error!(error, "DynamoDB stopped");
    }
    sweeper.abort();
}
