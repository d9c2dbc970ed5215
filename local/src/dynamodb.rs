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

use crate::{asked_to_stop, signing_key};

/// The table's name in local runs.
pub const TABLE: &str = "latchkey";

/// The place where items are stored.
pub enum Storage {
    /// In memory, until the process ends.
    Memory,
    /// In a file.
    File(PathBuf),
}

/// Opens the database, and creates the table if it does not exist. `properties` are those of an
/// `AWS::DynamoDB::Table`.
///
/// # Errors
///
/// Returns an error if the file cannot be used or the properties do not describe a table.
pub fn open(storage: &Storage, properties: &Value, table: &str) -> anyhow::Result<Database> {
    let database = match storage {
        Storage::Memory => Database::memory().context("cannot open a database in memory")?,
        Storage::File(path) => {
            // SQLite gives its other files the same mode.
            let opened = signing_key::private_file()
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

/// Returns the environment variables that the SDK needs to reach the database at `url`.
pub(crate) fn environment(url: &str) -> [(&'static str, String); 4] {
    // The database checks no signature, so any credentials do.
    [
        ("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned()),
        ("AWS_REGION", "local".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ]
}

/// Returns a client of the database at `url`, for what an operator would do.
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

/// Serves the database to the SDK and to any DynamoDB tool, and regularly removes expired items.
pub(crate) async fn serve(
    listener: TcpListener,
    database: Database,
    stopped: watch::Receiver<bool>,
) {
    let swept = database.clone();
    let sweeper = task::spawn(async move {
        /// AWS may take some days. A minute shows the effects sooner.
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
