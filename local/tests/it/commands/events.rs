//! `latchkey events`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

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
