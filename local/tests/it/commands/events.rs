//! `latchkey events`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use aws_sdk_dynamodb::types::AttributeValue;
use local::dynamodb;
use shared::platform::json;

use super::Accounts;
use crate::support::app::{PASSWORD, text};

#[test]
fn events_are_shown_in_order_with_whom_they_are_about() {
    let accounts = Accounts::new("events");
    let ada = accounts.create("ada@example.com", &[]);
    accounts.create("grace@example.com", &[]);
    let server = accounts.serve(&[]);
    server.login("ada@example.com", PASSWORD);
    server.login("ada@example.com", "not the password");
    let of_ada = accounts
        .run(&["events", "--user", "ada@example.com", "--json"])
        .expect(0);
    let of_ada = of_ada.lines();
    let names: Vec<_> = of_ada.iter().map(|event| text(event, "event")).collect();
    assert_eq!(names, ["account_invited", "logged_in", "login_refused"]);
    assert_eq!(of_ada[0]["user_id"], ada["id"]);
    assert_eq!(of_ada[0]["actor"], "local:grace");
    assert!(of_ada[2]["address"].is_string(), "a stranger caused it");
    let all = accounts.run(&["events", "--json"]).expect(0).lines();
    assert_eq!(all.len(), 4);
    let none = accounts.run(&["events", "--since", "0s"]).expect(0);
    assert_eq!(none.stdout.lines().count(), 1, "{}", none.stdout);
    let table = accounts.run(&["events", "--since", "1h"]).expect(0).stdout;
    assert!(table.starts_with("TIME "), "{table}");
    assert_eq!(table.lines().count(), 5);
    let id = "01a21f65-59d2-7556-9168-ab9ae11d7bec";
    assert_eq!(
        accounts
            .run(&["events", "--user", id, "--json"])
            .expect(0)
            .stdout,
        ""
    );
}

#[cfg(unix)]
#[test]
fn events_are_followed_until_a_signal() {
    let accounts = Accounts::new("follow");
    let _server = accounts.serve(&[]);
    let mut child = accounts
        .command(&["events", "--follow", "--since", "1m", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    accounts.create("ada@example.com", &[]);
    assert!(lines.next().unwrap().unwrap().contains("account_invited"));
    accounts
        .run(&["users", "disable", "ada@example.com"])
        .expect(0);
    let next: String = [lines.next(), lines.next()]
        .map(|line| line.unwrap().unwrap())
        .concat();
    assert!(next.contains("account_disabled"), "{next}");
    assert!(next.contains("sessions_ended"), "{next}");
    let mut kill = std::process::Command::new("kill");
    let pid = child.id().to_string();
    assert!(kill.args(["-s", "INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_followed_to_its_next_address() {
    let accounts = Accounts::new("moved");
    let server = accounts.serve(&[]);
    let ada = accounts.create("ada@example.com", &[]);
    let follow = ["events", "--user", "ada@example.com", "--follow", "--json"];
    let mut child = accounts
        .command(&follow)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // What has happened by the time of the first look may be shown or not.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let mut next = |email: &str| {
        server.login(email, "not the password");
        let line: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line["event"], "login_refused", "{line}");
        text(&line, "address")
    };
    let first = next("ada@example.com");
    let serving = std::fs::read(accounts.data_dir.join("serving.json")).unwrap();
    let serving: serde_json::Value = json::parse(&serving).unwrap();
    let client = dynamodb::client(&text(&serving, "dynamodb_url")).unwrap();
    let of = |value: String| AttributeValue::S(value);
    client
        .update_item()
        .table_name(dynamodb::TABLE)
        .key("pk", of(format!("USER#{}", text(&ada, "id"))))
        .key("sk", of("ACCOUNT".to_owned()))
        .update_expression("SET email = :email")
        .expression_attribute_values(":email", of("ada.king@example.com".to_owned()))
        .send()
        .await
        .unwrap();
    assert_ne!(next("ada.king@example.com"), first);
    child.kill().unwrap();
    child.wait().unwrap();
}
