//! An embedded DynamoDB (dynoxide, on SQLite) with the template's tables.

mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use dynoxide::Database;
use rusqlite::Connection;
use serde_json::{Value, json};
use shared::aws;
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task;

use crate::{Phase, signing_key};

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
/// each `AWS::DynamoDB::Table`, by its name. A table that exists gets the indexes that it lacks, and
/// is left as it is otherwise.
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
            let opened = opened.and_then(|_| {
                let database = Database::new(&path.to_string_lossy())?;
                tidy_streams(path, Clock::System.now())?;
                Ok(database)
            });
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
        let made = match database.describe_table(describe) {
            Ok(existing) => add_indexes(&database, &serde_json::to_value(existing)?, properties),
            Err(_) => create(&database, name, properties),
        };
        made.with_context(|| {
            format!("the table {name} of template.yaml is not one that DynamoDB makes")
        })?;
    }
    Ok(database)
}

/// Removes the records of streams that are older than 24 hours, as DynamoDB does, and lets SQLite
/// find the others by an index. The embedded DynamoDB does neither, so each write to a table with a
/// stream would take longer than the one before.
fn tidy_streams(path: &Path, now: u64) -> anyhow::Result<()> {
    const RETENTION: u64 = 24 * 60 * 60;
    let database = Connection::open(path)?;
    let oldest = i64::try_from(now.saturating_sub(RETENTION))?;
    database.execute(
        "DELETE FROM _stream_records WHERE created_at < ?1",
        [oldest],
    )?;
    database.execute_batch(
        "CREATE INDEX IF NOT EXISTS latchkey_stream_records \
         ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
    )?;
    Ok(())
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

/// Adds the indexes that a table lacks, with the items that are there. CloudFormation does so too.
fn add_indexes(database: &Database, existing: &Value, properties: &Value) -> anyhow::Result<()> {
    const INDEXES: &str = "GlobalSecondaryIndexes";
    let there = existing["Table"][INDEXES].as_array().into_iter().flatten();
    let there: Vec<_> = there.map(|index| &index["IndexName"]).collect();
    let wanted = properties[INDEXES].as_array().into_iter().flatten();
    for index in wanted.filter(|index| !there.contains(&&index["IndexName"])) {
        let update = json!({
            "TableName": existing["Table"]["TableName"],
            "AttributeDefinitions": properties["AttributeDefinitions"],
            "GlobalSecondaryIndexUpdates": [{ "Create": index }],
        });
        database.update_table(serde_json::from_value(update)?)?;
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

/// Serves the database to the SDK and to any DynamoDB tool, but to no web page, and regularly removes
/// expired items.
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
    server::serve(listener, database, phases).await;
    sweeper.abort();
}

#[cfg(test)]
mod tests {
    use dynoxide::actions::list_streams::ListStreamsRequest;

    use super::*;

    #[test]
    fn a_table_that_exists_gets_the_indexes_that_it_lacks() {
        let folder = std::env::temp_dir().join(format!("latchkey-index-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let storage = Storage::File(folder.join("dynamodb.sqlite"));
        let mut rows = json!({
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        });
        let open = |rows: &Value| {
            let tables = BTreeMap::from([("Rows".to_owned(), rows.clone())]);
            open(&storage, &tables).unwrap()
        };
        let put = |database: &Database, key: &str, color: Value| {
            let put = json!({"TableName": "Rows", "Item": {"pk": {"S": key}, "color": color}});
            database
                .put_item(serde_json::from_value(put).unwrap())
                .unwrap();
        };
        let before = open(&rows);
        put(&before, "a", json!({"S": "red"}));
        put(&before, "b", json!({"N": "1"}));
        drop(before);

        let color = json!({"AttributeName": "color", "AttributeType": "S"});
        let attributes = rows["AttributeDefinitions"].as_array_mut().unwrap();
        attributes.push(color);
        rows["GlobalSecondaryIndexes"] = json!([{
            "IndexName": "colors",
            "KeySchema": [{"AttributeName": "color", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }]);
        put(&open(&rows), "c", json!({"S": "red"}));
        // Again: it is there by now.
        let query = json!({
            "TableName": "Rows",
            "IndexName": "colors",
            "KeyConditionExpression": "color = :red",
            "ExpressionAttributeValues": {":red": {"S": "red"}},
        });
        let found = open(&rows).query(serde_json::from_value(query).unwrap());
        assert_eq!(found.unwrap().count, 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn records_of_streams_last_for_a_day_and_are_found_by_an_index() {
        let folder = std::env::temp_dir().join(format!("latchkey-tidy-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("dynamodb.sqlite");
        let rows = json!({
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        });
        let tables = BTreeMap::from([("Rows".to_owned(), rows)]);
        let storage = Storage::File(path.clone());
        let open = || open(&storage, &tables).unwrap();
        let put = json!({"TableName": "Rows", "Item": {"pk": {"S": "a"}}});
        open()
            .put_item(serde_json::from_value(put).unwrap())
            .unwrap();
        let written = Clock::System.now();
        let count = || {
            let database = Connection::open(&path).unwrap();
            let count = "SELECT count(*) FROM _stream_records";
            let count: i64 = database.query_row(count, [], |row| row.get(0)).unwrap();
            count
        };
        assert_eq!(
            open()
                .list_streams(ListStreamsRequest::default())
                .unwrap()
                .streams
                .len(),
            1
        );
        assert_eq!(count(), 1);
        let plan = "EXPLAIN QUERY PLAN SELECT MAX(CAST(sequence_number AS INTEGER)) \
                    FROM _stream_records WHERE table_name = ?1";
        let database = Connection::open(&path).unwrap();
        let plan: String = database
            .query_row(plan, ["Rows"], |row| row.get(3))
            .unwrap();
        assert!(plan.contains("latchkey_stream_records"), "{plan}");
        tidy_streams(&path, written + 24 * 60 * 60 - 10).unwrap();
        assert_eq!(count(), 1);
        tidy_streams(&path, written + 24 * 60 * 60 + 10).unwrap();
        assert_eq!(count(), 0);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
