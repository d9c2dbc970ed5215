//! Passwords from standard input, of which a command reads one line.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use super::Accounts;
use crate::support::app::PASSWORD;

fn start(accounts: &Accounts) -> Child {
    let create = [
        "users",
        "create",
        "--email",
        "ada@example.com",
        "--password-stdin",
    ];
    accounts
        .command(&create)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_password_ends_with_its_line_though_the_input_does_not() {
    let accounts = Accounts::new("open-pipe");
    let mut child = start(&accounts);
    let mut input = child.stdin.take().unwrap();
    write!(input, "{PASSWORD}\r\nno part of it").unwrap();
    input.flush().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(input);
    let server = accounts.serve(&[]);
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 200);
}

#[test]
fn a_signal_ends_a_command_that_waits_for_a_password() {
    let accounts = Accounts::new("silent-pipe");
    let mut child = start(&accounts);
    let input = child.stdin.take().unwrap();
    // It has opened the tables before it reads.
    while !accounts.data_dir.join("dynamodb.sqlite").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut kill = Command::new("kill");
    let pid = child.id().to_string();
    assert!(kill.args(["-s", "INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(input);
}
