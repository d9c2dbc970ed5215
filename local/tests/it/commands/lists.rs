//! Lists and exports.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::Accounts;
use crate::support::app::text;

#[test]
fn accounts_are_listed_and_found_as_a_table_as_json_and_as_csv() {
    let accounts = Accounts::new("lists");
    for email in [
        "charles@example.com",
        "Ada@example.com",
        "adele@example.org",
    ] {
        accounts.create(email, &["--role", "editor"]);
    }
    let list = accounts.run(&["users", "list", "--json"]).expect(0).lines();
    let mut emails: Vec<_> = list.iter().map(|row| text(row, "email")).collect();
    emails.sort();
    assert_eq!(
        emails,
        [
            "Ada@example.com",
            "adele@example.org",
            "charles@example.com"
        ]
    );
    assert_eq!(list[0]["status"], "active");
    assert_eq!(list[0]["roles"], json!(["editor"]));
    let found = accounts
        .run(&["users", "find", "AD", "--json"])
        .expect(0)
        .lines();
    assert_eq!(found.len(), 2);
    let table = accounts.run(&["users", "list"]).expect(0).stdout;
    let header: Vec<_> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["ID", "EMAIL", "STATUS", "JOINED", "ROLES"]);
    assert_eq!(table.lines().count(), 4);
    let csv = accounts.run(&["users", "list", "--csv"]).expect(0).stdout;
    assert!(csv.starts_with("id,email,status,joined,roles\r\n"), "{csv}");
    let nobody = accounts.run(&["users", "find", "nobody"]).expect(0).stdout;
    assert_eq!(
        nobody.lines().count(),
        1,
        "a table without rows has a header"
    );
}

#[test]
fn an_export_has_all_but_hashes_unless_they_are_asked_for() {
    let accounts = Accounts::new("export");
    let ada = accounts.create("Ada@example.com", &["--role", "editor"]);
    let exported = accounts.run(&["users", "export"]).expect(0).lines();
    assert_eq!(exported, std::slice::from_ref(&ada));
    let file = accounts.data_dir.join("export.ndjson");
    let shown = file.to_str().unwrap();
    let export = ["users", "export", "--with-hashes", "--output", shown];
    let written = accounts.run(&export);
    assert_eq!(written.code, Some(0), "{written:?}");
    assert_eq!(
        written.stderr,
        format!("Wrote 1 accounts to \"{shown}\".\n")
    );
    let with_hash: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(text(&with_hash, "password_hash").starts_with("$argon2id$"));
    assert_eq!(with_hash["id"], ada["id"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A file that is there is not written over.
    accounts.run(&export).expect(2);
}

#[test]
fn a_reader_that_reads_no_more_ends_a_list_silently() {
    let accounts = Accounts::new("pipe");
    accounts.create("ada@example.com", &[]);
    for command in ["list", "export"] {
        let mut child = accounts
            .command(&["users", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
        assert_eq!(stderr, "");
    }
}

#[test]
fn accounts_of_earlier_versions_are_brought_into_the_directory_once() {
    let accounts = Accounts::new("reindex");
    accounts.create("ada@example.com", &[]);
    let sentence = "Read 1 accounts, and put 0 of them into the directory.\n";
    assert_eq!(
        accounts.run(&["users", "reindex"]).expect(0).stdout,
        sentence
    );
}
