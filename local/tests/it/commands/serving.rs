//! How commands find the process that serves a data folder.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;

use super::Accounts;
use crate::support::app::PASSWORD;

#[test]
fn serve_says_where_it_is_and_takes_that_back_at_the_end() {
    let accounts = Accounts::new("serving");
    let file = accounts.data_dir.join("serving.json");
    let server = accounts.serve(&[]);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    accounts.create("ada@example.com", &[]);
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 200);
    assert_eq!(server.end(), Some(0));
    assert!(!file.exists());
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(0);
}

#[test]
fn a_file_that_a_process_left_behind_is_noticed() {
    let accounts = Accounts::new("stale");
    let server = accounts.serve(&[]);
    accounts.create("ada@example.com", &[]);
    server.crash();
    let file = accounts.data_dir.join("serving.json");
    assert!(file.exists());
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(0);
    assert!(!file.exists());
    std::fs::write(&file, "not what was written").unwrap();
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(0);
}

#[test]
fn commands_work_on_accounts_in_memory_too_but_rather_on_those_in_the_folder() {
    let accounts = Accounts::new("memory");
    let in_memory = accounts.serve(&["--ephemeral"]);
    accounts.create("ada@example.com", &[]);
    assert_eq!(in_memory.login("ada@example.com", PASSWORD).0, 200);
    let stored = accounts.serve(&[]);
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(3);
    accounts.create("ada@example.com", &[]);
    let _another = accounts.serve(&["--ephemeral"]);
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(0);
    assert_eq!(stored.login("ada@example.com", PASSWORD).0, 200);
}

#[test]
fn the_policy_is_that_of_the_process_that_serves() {
    let accounts = Accounts::new("served-policy");
    let _server = accounts.serve(&["--parameter", "PasswordMinLength=40"]);
    let create = [
        "users",
        "create",
        "--email",
        "ada@example.com",
        "--password-stdin",
    ];
    let refused = super::run(accounts.command(&create), PASSWORD).expect(2);
    assert!(
        refused.stderr.contains("fewer than 40"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_process_that_is_slow_to_answer_is_not_taken_for_a_dead_one() {
    let accounts = Accounts::new("slow");
    let server = accounts.serve(&[]);
    accounts.create("ada@example.com", &[]);
    server.signal("STOP");
    let show = ["users", "show", "ada@example.com"];
    let refused = accounts.run(&show);
    server.signal("CONT");
    let refused = refused.expect(1);
    assert!(
        refused.stderr.contains("does not answer"),
        "{}",
        refused.stderr
    );
    assert!(accounts.data_dir.join("serving.json").exists());
    accounts.run(&show).expect(0);
}

#[test]
fn a_number_that_another_process_has_by_now_is_no_latchkey() {
    let accounts = Accounts::new("number");
    let server = accounts.serve(&[]);
    accounts.create("ada@example.com", &[]);
    server.crash();
    let file = accounts.data_dir.join("serving.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut serving: serde_json::Value = serde_json::from_str(&text).unwrap();
    serving["pid"] = std::process::id().into();
    std::fs::write(&file, serving.to_string()).unwrap();
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(0);
    assert!(!file.exists());
}
