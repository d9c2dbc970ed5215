//! Accounts for lists: many at once, without a registration for each.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use local::dynamodb;
use shared::domain::{Email, UserId};
use shared::store::{Position, Store};

use crate::support::app::{App, BEGINNING, env};

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
            let (id, put) = account(address);
            ids.push(id);
            puts.push(WriteRequest::builder().put_request(put).build());
        }
        let write = app.dynamodb().batch_write_item();
        let write = write.request_items(dynamodb::TABLE, puts);
        write.send().await.unwrap();
    }
    ids
}

fn account(address: &str) -> (UserId, PutRequest) {
    let id = UserId::new(BEGINNING * 1000);
    let email = Email::parse(address).unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: u64| AttributeValue::N(number.to_string());
    let mut put = PutRequest::builder()
        .item("pk", text(&format!("USER#{id}")))
        .item("sk", text("ACCOUNT"))
        .item("directory", text(&shard(id)))
        .item("address", text(&email.canonical()))
        .item("email", text(email.ascii()))
        .item("first_name", text("Ada"))
        .item("last_name", text("Lovelace"))
        .item("date_joined", number(BEGINNING))
        .item("roles", AttributeValue::L(Vec::new()))
        .item("status", text("active"))
        .item("version", number(1))
        .item("password_epoch", number(1));
    if let Some(typed) = email.unicode() {
        put = put.item("email_typed", text(typed));
    }
    (id, put.build().unwrap())
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
