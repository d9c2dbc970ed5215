//! Accounts for lists: many at once, without a registration for each.

use std::future::pending;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use dynoxide::ImportOptions;
use dynoxide::server::serve_with_shutdown;
use local::dynamodb::{self, Storage};
use serde_json::{Value, json};
use shared::domain::{Email, UserId};
use shared::store::{Position, Store};
use testkit::dynamodb::Proxy;
use tokio::net::TcpListener;

use crate::support::app::{App, BEGINNING, EVENT_TABLE, env, template};

/// The limit of `BatchWriteItem`.
const BATCH: usize = 25;

/// Returns the store of the app, with its DynamoDB at `url`.
pub fn store_at(app: &App, url: &str) -> Store {
    let variables = &app.local.environment["profile"];
    let lookup = |name: &str| match name {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(url.to_owned()),
        other => variables.get(other).cloned(),
    };
    Store::from_env(&env(&lookup)).unwrap()
}

/// Returns the store of the app.
pub fn store(app: &App) -> Store {
    store_at(app, &app.local.dynamodb_url)
}

/// Puts an account for each address, without a credential.
pub async fn put_accounts(app: &App, addresses: &[String]) -> Vec<UserId> {
    let mut ids = Vec::new();
    for batch in addresses.chunks(BATCH) {
        let mut puts = Vec::new();
        for address in batch {
            let (id, item) = account(address);
            ids.push(id);
            let item = item.as_object().unwrap().iter();
            let item = item.map(|(name, value)| (name.clone(), attribute(value)));
            let put = PutRequest::builder().set_item(Some(item.collect()));
            let put = put.build().unwrap();
            puts.push(WriteRequest::builder().put_request(put).build());
        }
        let write = app.dynamodb().batch_write_item();
        let write = write.request_items(dynamodb::TABLE, puts);
        write.send().await.unwrap();
    }
    ids
}

fn attribute(value: &Value) -> AttributeValue {
    match (value["S"].as_str(), value["N"].as_str()) {
        (Some(text), _) => AttributeValue::S(text.to_owned()),
        (_, Some(number)) => AttributeValue::N(number.to_owned()),
        _ => AttributeValue::L(Vec::new()),
    }
}

/// Returns a store with an account for each address, and the proxy in front of its DynamoDB. It is
/// filled much faster than by requests.
pub async fn filled(addresses: &[String]) -> (Store, Arc<Proxy>) {
    let database = dynamodb::open(&Storage::Memory, template([]).tables()).unwrap();
    let items = addresses.iter().map(|address| account(address).1);
    let items = items.map(|item| serde_json::from_value(item).unwrap());
    let options = ImportOptions::default();
    let imported = database.import_items(dynamodb::TABLE, items.collect(), options);
    assert_eq!(imported.unwrap().items_imported, addresses.len());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve_with_shutdown(listener, database, pending()));
    let proxy = Proxy::start(&url).await;
    let lookup = |name: &str| {
        let value = match name {
            "AWS_ENDPOINT_URL_DYNAMODB" => &proxy.url,
            "TABLE_NAME" => dynamodb::TABLE,
            "EVENT_TABLE" => EVENT_TABLE,
            _ if name.starts_with("AWS_") => "local",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let store = Store::from_env(&env(&lookup)).unwrap();
    (store, proxy)
}

/// Returns the id and the item of an account.
fn account(address: &str) -> (UserId, Value) {
    let id = UserId::new(BEGINNING * 1000);
    let email = Email::parse(address).unwrap();
    let number = |number: u64| json!({ "N": number.to_string() });
    let mut item = json!({
        "pk": {"S": format!("USER#{id}")},
        "sk": {"S": "ACCOUNT"},
        "directory": {"S": shard(id)},
        "address": {"S": email.canonical()},
        "email": {"S": email.ascii()},
        "first_name": {"S": "Ada"},
        "last_name": {"S": "Lovelace"},
        "date_joined": number(BEGINNING),
        "roles": {"L": []},
        "status": {"S": "active"},
        "version": number(1),
        "password_epoch": number(1),
    });
    if let Some(typed) = email.unicode() {
        item["email_typed"] = json!({ "S": typed });
    }
    (id, item)
}

/// Returns the part of the directory that an account is in.
pub fn shard(id: UserId) -> String {
    (id.as_bytes()[15] % 8).to_string()
}

/// Returns the addresses of all pages of a list, and the number of pages.
pub async fn pages(store: &Store, prefix: Option<&str>, most: usize) -> (Vec<String>, usize) {
    let directory = store.directory();
    let (mut addresses, mut after, mut count) = (Vec::new(), None::<Position>, 0);
    loop {
        let page = directory.page(prefix, after.as_ref(), most).await.unwrap();
        count += 1;
        assert!(page.accounts.len() <= most);
        addresses.extend(page.accounts.iter().map(|listed| listed.email.canonical()));
        after = page.next;
        if after.is_none() {
            return (addresses, count);
        }
        assert_eq!(page.accounts.len(), most, "others follow a full page only");
    }
}

/// Returns the addresses of a list that is read as a whole.
pub async fn streamed(store: &Store, prefix: Option<&str>) -> Vec<String> {
    let mut stream = store.directory().stream(prefix);
    let mut addresses = Vec::new();
    while let Some(listed) = stream.next().await.unwrap() {
        addresses.push(listed.email.canonical());
    }
    addresses
}
