//! An embedded DynamoDB (dynoxide, on SQLite) with the template's tables.

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

use crate::{Phase, reached, signing_key};

/// The name of Latchkey's own table in local runs.
pub const TABLE: &str = "latchkey";

/// The properties of an `AWS::DynamoDB::Table` that a request to create one has too.
const SHARED_PROPERTIES: [&str; 6] = [
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
];

/// The place where items are stored.
pub enum Storage {
    /// In memory, until the process ends.
    Memory,
    /// In a file.
    File(PathBuf),
}

/// Opens the database, and creates those of `tables` that do not exist. They are the properties of
/// each `AWS::DynamoDB::Table`, by its name. A table that exists is left as it is.
///
/// # Errors
///
/// Returns an error if the file cannot be used or the properties do not describe a table.
pub fn open(storage: &Storage, tables: &BTreeMap<String, Value>) -> anyhow::Result<Database> {
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
    for (name, properties) in tables {
        let describe = serde_json::from_value(json!({ "TableName": name }))?;
        if database.describe_table(describe).is_err() {
            create(&database, name, properties).with_context(|| {
                format!("the table {name} of template.yaml is not one that DynamoDB makes")
            })?;
        }
    }
    Ok(database)
}

/// Creates a table with its indexes, its stream and its time to live.
fn create(database: &Database, name: &str, properties: &Value) -> anyhow::Result<()> {
    let mut table = json!({ "TableName": name });
    for property in SHARED_PROPERTIES {
        if let Some(value) = properties.get(property) {
            table[property] = value.clone();
        }
    }
    if let Some(view) = properties["StreamSpecification"].get("StreamViewType") {
        table["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    database.create_table(serde_json::from_value(table)?)?;
    let expiry = &properties["TimeToLiveSpecification"];
    if expiry["Enabled"] == true {
        let expire = json!({ "TableName": name, "TimeToLiveSpecification": expiry });
        database.update_time_to_live(serde_json::from_value(expire)?)?;
    }
    Ok(())
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
    phases: watch::Receiver<Phase>,
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
    let stop = reached(phases, Phase::Stopping);
    if let Err(error) = serve_with_shutdown(listener, database, stop).await {
        tracing::error!(error, "DynamoDB stopped");
    }
    sweeper.abort();
}
