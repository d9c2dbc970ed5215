//! `latchkey users`: what each command does to an account.

use serde_json::{Value, json};

use super::{Accounts, latchkey, run};
use crate::support::app::{PASSWORD, claims, text};

#[test]
fn a_superuser_is_made_and_logs_in_with_the_role() {
    let accounts = Accounts::new("superuser");
    let made = accounts.create("Grace@example.com", &["--superuser", "--role", "editor"]);
    assert_eq!(made["roles"], json!(["admin", "editor"]));
    assert_eq!(made["email_verified"], true);
    assert_eq!(made["first_name"], "Grace");
    assert_eq!(made["last_name"], "");
    let server = accounts.serve(&[]);
    let (status, tokens) = server.login("grace@example.com", PASSWORD);
    assert_eq!(status, 200, "{tokens}");
    let token = text(&tokens, "access_token");
    assert_eq!(claims(&token)["roles"], json!(["admin", "editor"]));
    // By now, serve has the tables.
    let shown = accounts
        .run(&["users", "show", "grace@example.com"])
        .expect(0);
    for line in [
        "roles       admin editor",
        "sessions    1",
        "status      active",
    ] {
        assert!(
            shown.stdout.lines().any(|shown| shown == line),
            "{}",
            shown.stdout
        );
    }
    let shown = accounts.run(&["users", "show", &text(&made, "id"), "--json"]);
    assert_eq!(shown.expect(0).json()["sessions"], 1);
}

#[test]
fn a_password_is_never_an_argument_and_has_to_satisfy_the_policy() {
    let accounts = Accounts::new("policy");
    let create = ["users", "create", "--email", "ada@example.com"];
    let asked = accounts.run(&create).expect(2);
    assert!(
        asked.stderr.contains("--password-stdin"),
        "{}",
        asked.stderr
    );
    let refused = run(
        accounts.command(&[&create[..], &["--password", "x"]].concat()),
        "",
    );
    assert_eq!(refused.code, Some(2));
    let short = run(
        accounts.command(&[&create[..], &["--password-stdin"]].concat()),
        "too short\n",
    );
    let short = short.expect(2);
    assert_eq!(
        short.stderr,
        "latchkey: the password has fewer than 15 characters\n"
    );
    // The policy is that of the deployment.
    let milder = ["--password-stdin", "--parameter", "PasswordMinLength=8"];
    let made = run(
        accounts.command(&[&create[..], &milder].concat()),
        "xq7!vpw2\nnot a part of it",
    );
    made.expect(0);
}

#[cfg(unix)]
#[test]
fn a_password_is_read_from_a_file_descriptor() {
    let accounts = Accounts::new("descriptor");
    let file = accounts.data_dir.with_extension("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    // A shell opens descriptor 3.
    let mut shell = std::process::Command::new("sh");
    let create = "exec \"$0\" users create --email ada@example.com --password-fd 3 \
                  --data-dir \"$1\" 3<\"$2\"";
    shell.args(["-c", create, env!("CARGO_BIN_EXE_latchkey")]);
    shell.arg(&accounts.data_dir).arg(&file);
    shell.current_dir(crate::support::app::root());
    let made = run(shell, "").expect(0);
    assert!(
        made.stdout
            .starts_with("Made the account ada@example.com (")
    );
    let server = accounts.serve(&[]);
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 200);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn an_address_that_has_an_account_is_a_conflict_and_one_that_has_none_is_not_found() {
    let accounts = Accounts::new("conflict");
    accounts.create("ada@example.com", &[]);
    let again = [
        "users",
        "create",
        "--email",
        "ADA@example.com",
        "--password-stdin",
    ];
    let again = run(accounts.command(&again), PASSWORD).expect(4);
    assert!(
        again.stderr.contains("has an account already"),
        "{}",
        again.stderr
    );
    let nobody = "01a21f65-59d2-7556-9168-ab9ae11d7bec";
    for command in [
        "show", "disable", "enable", "roles", "claims", "sign-out", "delete",
    ] {
        for who in ["nobody@example.com", nobody] {
            let missing = accounts.run(&["users", command, who]).expect(3);
            assert!(missing.stderr.contains(who), "{}", missing.stderr);
        }
    }
}

#[test]
fn disabling_ends_sessions_at_once_and_enabling_does_not_bring_them_back() {
    let accounts = Accounts::new("disable");
    accounts.create("ada@example.com", &[]);
    let server = accounts.serve(&[]);
    let (_, tokens) = server.login("ada@example.com", PASSWORD);
    let token = text(&tokens, "access_token");
    let profile = || server.ask("GET", "/profile", Some(&token), &Value::Null).0;
    let refresh = json!({"refresh_token": text(&tokens, "refresh_token")});
    let refresh = || server.ask("POST", "/refresh", None, &refresh).0;
    assert_eq!(profile(), 200);
    let disabled = accounts
        .run(&["users", "disable", "ada@example.com"])
        .expect(0);
    assert!(
        disabled.stdout.starts_with("Disabled"),
        "{}",
        disabled.stdout
    );
    assert_eq!((profile(), refresh()), (401, 401));
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 401);
    let again = accounts
        .run(&["users", "disable", "ada@example.com"])
        .expect(0);
    assert!(
        again.stdout.ends_with("is disabled already.\n"),
        "{}",
        again.stdout
    );
    let enabled = accounts.run(&["users", "enable", "ada@example.com", "--json"]);
    assert_eq!(enabled.expect(0).json()["status"], "active");
    assert_eq!(refresh(), 401);
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 200);
    // What was done has rows, each with who did it.
    let events = accounts
        .run(&["events", "--user", "ada@example.com", "--json"])
        .expect(0);
    let mut done: Vec<_> = events
        .lines()
        .iter()
        .filter(|event| event["actor"] == "local:grace")
        .map(|event| text(event, "event"))
        .collect();
    // Events of one moment have no order.
    done.sort();
    let expected = [
        "account_disabled",
        "account_enabled",
        "account_invited",
        "sessions_ended",
    ];
    assert_eq!(done, expected);
}

#[test]
fn a_superuser_of_the_command_line_finds_disables_and_enables_somebody_over_http() {
    let accounts = Accounts::new("first-administrator");
    let server = accounts.serve(&[]);
    accounts.create("grace@example.com", &["--superuser"]);
    accounts.create("ada@example.com", &[]);
    let (status, tokens) = server.login("grace@example.com", PASSWORD);
    assert_eq!(status, 200, "{tokens}");
    let token = text(&tokens, "access_token");
    let ask = |method: &str, path: &str, body: Value| {
        let (status, answer) = server.ask(method, path, Some(&token), &body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    };
    let found = ask("GET", "/admin/users?prefix=ada", Value::Null);
    assert_eq!(found["users"].as_array().unwrap().len(), 1, "{found}");
    let path = format!("/admin/users/{}", text(&found["users"][0], "id"));
    for (status, login) in [("disabled", 401), ("active", 200)] {
        let changed = ask("PATCH", &path, json!({ "status": status }));
        assert_eq!(changed["status"], status);
        assert_eq!(server.login("ada@example.com", PASSWORD).0, login);
    }
}

#[test]
fn what_operators_do_has_rows_even_if_nothing_else_has() {
    let accounts = Accounts::new("few-events");
    let none = ["--parameter", "Events=none"];
    accounts.create("ada@example.com", &none);
    let disable = ["users", "disable", "ada@example.com"];
    accounts.run(&[&disable[..], &none].concat()).expect(0);
    let events = accounts.run(&["events", "--json"]).expect(0).lines();
    assert_eq!(events.len(), 3, "{events:?}");
    for event in events {
        assert_eq!(event["actor"], "local:grace", "{event}");
    }
}

#[test]
fn an_account_whose_tokens_became_too_long_can_be_disabled_and_made_smaller() {
    let accounts = Accounts::new("too-long");
    accounts.create("ada@example.com", &["--role", "big", "--role", "editor"]);
    // The deployment has given the role more scopes since.
    let scopes: Vec<_> = (0..150).map(|n| format!("{n:0>60}")).collect();
    let scopes = format!("RoleScopes=big={}", scopes.join(" "));
    let run = |arguments: &[&str]| {
        let users = ["users", arguments[0], "ada@example.com"];
        let parameter = ["--parameter", &scopes];
        accounts.run(&[&users, &arguments[1..], &parameter].concat())
    };
    for arguments in [
        &["disable"][..],
        &["enable"],
        &["sign-out"],
        &["roles", "--remove", "editor"],
    ] {
        run(arguments).expect(0);
    }
    let refused = run(&["roles", "--add", "another"]).expect(2);
    assert!(refused.stderr.contains("too long"), "{}", refused.stderr);
    run(&["roles", "--set", "another"]).expect(0);
}

#[test]
fn what_asks_nothing_has_no_flag_that_answers() {
    let accounts = Accounts::new("no-questions");
    accounts.create("ada@example.com", &[]);
    for command in ["enable", "sign-out", "password", "claims"] {
        let ran = accounts.run(&["users", command, "ada@example.com", "--yes"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("--yes"), "{ran:?}");
    }
}

#[test]
fn roles_are_shown_added_removed_and_replaced() {
    let accounts = Accounts::new("roles");
    accounts.create("ada@example.com", &["--role", "editor"]);
    let roles = |flags: &[&str]| {
        let roles = ["users", "roles", "ada@example.com"];
        accounts.run(&[&roles, flags].concat())
    };
    assert_eq!(roles(&[]).expect(0).stdout, "editor\n");
    roles(&["--add", "billing:read", "--add", "editor"]).expect(0);
    assert_eq!(
        roles(&["--json"]).expect(0).json(),
        json!(["editor", "billing:read"])
    );
    roles(&["--remove", "editor", "--remove", "never-had"]).expect(0);
    assert_eq!(roles(&[]).expect(0).stdout, "billing:read\n");
    let set = roles(&["--set", "a,b", "--json"]).expect(0).json();
    assert_eq!(set["roles"], json!(["a", "b"]));
    roles(&["--set", ""]).expect(0);
    assert_eq!(roles(&[]).expect(0).stdout, "");
    for wrong in [&["--add", "Admin"][..], &["--set", "a", "--add", "b"]] {
        let refused = roles(wrong);
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
}

#[test]
fn claims_are_shown_and_replaced() {
    let accounts = Accounts::new("claims");
    accounts.create("ada@example.com", &[]);
    let claims = |flags: &[&str]| {
        let claims = ["users", "claims", "ada@example.com"];
        accounts.run(&[&claims, flags].concat())
    };
    let gold = r#"{"https://example.com/plan":"gold"}"#;
    let set = claims(&["--set", gold, "--json"]).expect(0).json();
    assert_eq!(set["claims"], json!({"https://example.com/plan": "gold"}));
    assert_eq!(claims(&[]).expect(0).json(), set["claims"]);
    // A terminal obeys nothing of them.
    let hostile = "{\"https://example.com/plan\":\"a\u{9b}2J\u{202e}b\"}";
    claims(&["--set", hostile]).expect(0);
    let shown = claims(&[]).expect(0);
    assert!(
        shown.stdout.contains("a\\u009b2J\\u202eb"),
        "{}",
        shown.stdout
    );
    assert_eq!(shown.json(), claims(&["--json"]).expect(0).json());
    for wrong in [r#"{"plan":"gold"}"#, "[]", "{", r#"{"sub":"ada"}"#] {
        let refused = claims(&["--set", wrong]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
    claims(&["--set", "{}"]).expect(0);
    assert_eq!(claims(&[]).expect(0).json(), json!({}));
}

#[test]
fn a_new_password_ends_sessions_and_lifts_the_throttle() {
    let accounts = Accounts::new("password");
    accounts.create("ada@example.com", &[]);
    let server = accounts.serve(&[]);
    let (_, tokens) = server.login("ada@example.com", PASSWORD);
    let refresh = json!({"refresh_token": text(&tokens, "refresh_token")});
    for _ in 0..6 {
        server.login("ada@example.com", "not the password");
    }
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 429);
    let set = ["users", "password", "ada@example.com", "--password-stdin"];
    let new = "analytical engine 1843";
    run(accounts.command(&set), new).expect(0);
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 401);
    assert_eq!(server.login("ada@example.com", new).0, 200);
    assert_eq!(server.ask("POST", "/refresh", None, &refresh).0, 401);
}

#[test]
fn signing_out_ends_sessions_and_nothing_else() {
    let accounts = Accounts::new("sign-out");
    accounts.create("ada@example.com", &[]);
    let server = accounts.serve(&[]);
    let (_, tokens) = server.login("ada@example.com", PASSWORD);
    let refresh = json!({"refresh_token": text(&tokens, "refresh_token")});
    let done = accounts
        .run(&["users", "sign-out", "ada@example.com"])
        .expect(0);
    assert!(
        done.stdout
            .starts_with("Ended all sessions of ada@example.com")
    );
    assert_eq!(server.ask("POST", "/refresh", None, &refresh).0, 401);
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 200);
}

#[test]
fn deleting_asks_first_and_leaves_nothing_but_events() {
    let accounts = Accounts::new("delete");
    let account = accounts.create("ada@example.com", &[]);
    let id = text(&account, "id");
    let dry = accounts
        .run(&["users", "delete", "ada@example.com", "--dry-run"])
        .expect(0);
    assert!(
        dry.stdout
            .starts_with("Would delete the account ada@example.com (")
    );
    let refused = accounts
        .run(&["users", "delete", "ada@example.com"])
        .expect(2);
    assert!(refused.stderr.contains("give --yes"), "{}", refused.stderr);
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(0);
    accounts
        .run(&["users", "delete", "ada@example.com", "--yes"])
        .expect(0);
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(3);
    accounts.run(&["users", "delete", &id, "--yes"]).expect(3);
    let left = accounts.run(&["users", "export"]).expect(0);
    assert_eq!(left.stdout, "");
    let events = accounts.run(&["events", "--user", &id, "--json"]).expect(0);
    let last = events.lines().pop().unwrap();
    assert_eq!(last["actor"], "local:grace", "{last}");
    // The address is free.
    accounts.create("ada@example.com", &[]);
}

#[test]
fn the_last_administrator_is_not_taken_away_without_a_question() {
    let accounts = Accounts::new("last");
    accounts.create("ada@example.com", &["--superuser"]);
    let takes = [
        &["users", "disable", "ada@example.com"][..],
        &["users", "roles", "ada@example.com", "--remove", "admin"],
        &["users", "delete", "ada@example.com"],
    ];
    for take in takes {
        let refused = accounts.run(take).expect(2);
        assert!(
            refused.stderr.contains("is the last administrator"),
            "{}",
            refused.stderr
        );
    }
    accounts.create("grace@example.com", &["--superuser"]);
    accounts.run(takes[1]).expect(0);
    accounts
        .run(&[
            "users",
            "roles",
            "grace@example.com",
            "--remove",
            "admin",
            "--yes",
        ])
        .expect(0);
}

#[test]
fn names_and_addresses_are_only_text() {
    let accounts = Accounts::new("texts");
    let name = "$(touch x); \"' :status <> {0} =1+2";
    let email = "=cmd|'/c-calc'!a0@example.com";
    let made = accounts.create(email, &["--first-name", name, "--last-name", "#roles"]);
    assert_eq!(made["first_name"], name);
    let shown = accounts.run(&["users", "show", email]).expect(0);
    assert!(shown.stdout.contains(name), "{}", shown.stdout);
    let csv = accounts.run(&["users", "list", "--csv"]).expect(0);
    assert!(
        csv.stdout.contains(&format!("\"'{email}\"")),
        "{}",
        csv.stdout
    );
    let found = accounts
        .run(&["users", "find", "=cmd|", "--json"])
        .expect(0);
    assert_eq!(found.lines().len(), 1);
    assert_eq!(
        accounts
            .run(&["users", "find", ":a", "--json"])
            .expect(0)
            .stdout,
        ""
    );
    let escape = accounts.run(&[
        "users",
        "create",
        "--email",
        "a@example.com",
        "--first-name",
        "a\u{1b}[2J",
    ]);
    assert_eq!(escape.code, Some(2));
}

#[test]
fn flags_that_do_not_fit_together_are_wrong_usage() {
    for (arguments, sentence) in [
        (
            &["users", "list", "--table", "t"][..],
            "give --event-table with --table",
        ),
        (
            &["users", "list", "--event-table", "t"],
            "give --table with --event-table",
        ),
        (
            &["users", "list", "--region", "eu-west-1"],
            "--region and --profile are for AWS",
        ),
        (
            &["users", "list", "--parameter", "Nonsense=1"],
            "there is no parameter Nonsense",
        ),
    ] {
        let accounts = Accounts::new("usage");
        let refused = accounts.run(arguments);
        assert_ne!(refused.code, Some(0));
        assert!(refused.stderr.contains(sentence), "{refused:?}");
    }
    let mut nothing = latchkey();
    nothing.args(["users", "list", "--port", "1"]);
    assert_eq!(run(nothing, "").code, Some(2));
}
