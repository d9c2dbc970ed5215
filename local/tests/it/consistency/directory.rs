//! The directory: what the template puts into the index, and what writes it.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::dynamodb;
use serde_json::{Value, json};

use crate::support::app::{App, PASSWORD, root, template, text};

#[tokio::test]
async fn the_directory_has_the_attributes_that_the_store_reads_and_that_no_login_writes() {
    let app = App::start().await;
    let ada = app.user("ada@b\u{fc}cher.example").await;
    let template = template([]);
    let index = &template.tables()[dynamodb::TABLE]["GlobalSecondaryIndexes"][0];
    let projected = index["Projection"]["NonKeyAttributes"].as_array().unwrap();
    let keys = ["pk", "sk", "directory", "address"];
    let mut wanted: BTreeSet<&str> = projected.iter().map(|it| it.as_str().unwrap()).collect();
    wanted.extend(keys);
    let query = app.dynamodb().query().table_name(dynamodb::TABLE);
    let shard = ada.id().bytes().last().unwrap();
    let shard = char::from(shard).to_digit(16).unwrap() % 8;
    let query = query
        .index_name(text(index, "IndexName"))
        .key_condition_expression("directory = :shard")
        .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()));
    let items = query.send().await.unwrap().items.unwrap();
    let [item] = &items[..] else {
        panic!("{items:?}");
    };
    let there: BTreeSet<&str> = item.keys().map(String::as_str).collect();
    assert_eq!(there, wanted);
    assert_eq!(item["address"].as_s().unwrap(), "ada@xn--bcher-kva.example");

    let account = || async { app.items_of("ACCOUNT").await.remove(0) };
    let before = account().await;
    app.clock.advance(Duration::from_secs(1));
    app.login(&ada.email, PASSWORD).await.expect(200);
    let after = account().await;
    assert_ne!(before["last_login"], after["last_login"]);
    for name in wanted {
        assert_eq!(before.get(name), after.get(name), "a login writes {name}");
    }
}

#[test]
fn the_command_for_a_table_outside_the_stack_adds_the_template_s_index() {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, updates) = page
        .split_once("--global-secondary-index-updates '")
        .unwrap();
    let (updates, _) = updates.split_once('\'').unwrap();
    let updates: Value = serde_json::from_str(updates).unwrap();
    let template = template([]);
    let table = &template.tables()[dynamodb::TABLE];
    let index = &table["GlobalSecondaryIndexes"][0];
    assert_eq!(updates, json!([{ "Create": index }]));
    for attribute in table["AttributeDefinitions"].as_array().unwrap() {
        let name = text(attribute, "AttributeName");
        let defined = format!("AttributeName={name},AttributeType=S");
        let is_key = ["pk", "sk"].contains(&name.as_str());
        assert_eq!(page.contains(&defined), !is_key, "{name}");
    }
}
