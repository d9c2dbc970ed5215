//! `latchkey users import`: what becomes of an export, and what ends in the middle.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use shared::platform::json;

use super::{Accounts, Ran, run};
use crate::support::app::{PASSWORD, root};

/// What Django stores for [`PASSWORD`], with few rounds.
pub const DJANGO: &str = "pbkdf2_sha256$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA=";

/// Returns the path of a sample export.
fn sample(name: &str) -> String {
    let path = root().join("import/tests/exports").join(name);
    path.display().to_string()
}

/// Returns a line of our own form.
pub fn line(email: &str) -> Value {
    json!({"email": email, "password_hash": DJANGO, "password_format": "django"})
}

/// Writes a file of lines beside the folder of the data, and returns its path.
fn file(accounts: &Accounts, lines: &[Value]) -> String {
    let path = accounts.data_dir.with_extension("ndjson");
    let text = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Returns a path for a report, where nothing is.
fn report(accounts: &Accounts) -> (PathBuf, String) {
    let path = accounts.data_dir.with_extension("report");
    let _ = std::fs::remove_file(&path);
    let text = path.display().to_string();
    (path, text)
}

/// Runs an import. Of standard error, what tells how far it is, as on a slow machine, is left out.
fn import(accounts: &Accounts, system: &str, file: &str, more: &[&str]) -> Ran {
    let import = ["users", "import", "--json", "--from", system, file];
    let mut ran = accounts.run(&[&import[..], more].concat());
    let is_progress = |line: &&str| line.contains(" records, ") && line.contains(" a second");
    let rest = ran.stderr.lines().filter(|line| !is_progress(line));
    ran.stderr = rest.map(|line| format!("{line}\n")).collect();
    ran
}

/// Returns the addresses of all accounts, in their order.
fn addresses(accounts: &Accounts) -> Vec<String> {
    let list = accounts.run(&["users", "list", "--json"]).expect(0);
    let lines = list.lines();
    let addresses = lines
        .iter()
        .map(|it| it["email"].as_str().unwrap().to_owned());
    addresses.collect()
}

#[test]
fn users_of_django_log_in_with_their_old_passwords() {
    let accounts = Accounts::new("import-django");
    let (path, report) = report(&accounts);
    let dump = sample("django_dumpdata.json");
    let ran = import(&accounts, "django", &dump, &["--report", &report]).expect(5);
    assert_eq!(ran.stderr, "latchkey: 2 of 6 records were refused\n");
    let done = ran.json();
    assert_eq!(
        (&done["imported"], &done["refused"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(done["left"], 0);
    // Django's costliest takes long, which only the operator can know.
    assert_eq!(done["imported_hash_millis"], 300);
    let server = accounts.serve(&[]);
    assert_eq!(server.login("ADA@example.com", PASSWORD).0, 200);
    assert_eq!(server.login("ada@example.com", "Correct horse").0, 401);
    // Inactive, and without a password.
    assert_eq!(server.login("dave@example.com", PASSWORD).0, 401);
    assert_eq!(server.login("carol@example.com", "!").0, 401);

    // What was refused is corrected and imported, beside a running server.
    let text = std::fs::read_to_string(&path).unwrap();
    let corrected: Vec<_> = text
        .lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            assert!(!line["faults"].as_array().unwrap().is_empty());
            let id = line["id"].as_str().unwrap().to_owned();
            line["email"] = json!(format!("corrected{id}@example.com"));
            line
        })
        .collect();
    let again = file(&accounts, &corrected);
    let ran = import(&accounts, "latchkey", &again, &["--report", &report]);
    assert_eq!(ran.code, Some(2), "a report is never overwritten");
    std::fs::remove_file(&path).unwrap();
    let ran = import(&accounts, "latchkey", &again, &["--report", &report]).expect(0);
    assert_eq!(ran.json()["imported"], 2);
    assert!(!path.exists(), "nothing was refused");
    let corrected6 = server.login("corrected6@example.com", PASSWORD);
    assert_eq!(corrected6.0, 200, "bcrypt of SHA-256");
    // Those who have logged in have a new hash by now.
    let imported = accounts.run(&["users", "imported", "--json"]).expect(0);
    let kinds = imported.lines();
    assert!(
        kinds.iter().any(|kind| kind["password"] == "none"),
        "{kinds:?}"
    );
    assert!(
        kinds.iter().all(|kind| kind["password"] != "bcrypt"),
        "{kinds:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_report_is_for_its_owner_only_since_it_has_hashes() {
    use std::os::unix::fs::PermissionsExt as _;
    let accounts = Accounts::new("import-report");
    let (path, report) = report(&accounts);
    let mut broken = line("not an address");
    broken["roles"] = json!(["Not A Role!", 7]);
    let lines = file(&accounts, &[broken, line("ada@example.com")]);
    let ran = import(&accounts, "latchkey", &lines, &["--report", &report]).expect(5);
    assert_eq!(ran.json()["report"], report);
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("seasalt"), "{text}");
    assert!(!ran.stdout.contains("seasalt") && !ran.stderr.contains("seasalt"));
}

#[test]
fn a_dry_run_tells_everything_and_writes_nothing() {
    let accounts = Accounts::new("import-dry");
    accounts.create("ada@example.com", &[]);
    let lines = file(
        &accounts,
        &[
            line("grace@example.com"),
            line("ADA@example.com"),
            line("Edsger@example.com"),
            line("edsger@example.com"),
            json!({"email": "alan@example.com", "password_hash": "x", "password_format": "nothing"}),
        ],
    );
    let (path, report) = report(&accounts);
    let ran = import(
        &accounts,
        "latchkey",
        &lines,
        &["--dry-run", "--report", &report],
    )
    .expect(5);
    let done = ran.json();
    assert_eq!(done["dry_run"], true);
    assert_eq!(
        (&done["imported"], &done["refused"]),
        (&json!(1), &json!(4))
    );
    let reasons = done["reasons"].as_array().unwrap();
    assert_eq!(
        reasons[0],
        json!({"field": "email", "code": "duplicate-address", "records": 2})
    );
    assert!(reasons.contains(&json!({"field": "email", "code": "exists", "records": 1})));
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 4);
    assert_eq!(addresses(&accounts), ["ada@example.com"]);
}

#[test]
fn an_account_that_is_there_is_never_changed() {
    let accounts = Accounts::new("import-there");
    let ada = accounts.create("ada@example.com", &["--role", "editor"]);
    let mut same = line("ada@example.com");
    same["id"] = ada["id"].clone();
    let mut other = line("ADA@example.com");
    other["roles"] = json!(["thief"]);
    let own = "01a21f65-59d2-7556-9168-ab9ae11d7bec";
    let mut grace = line("grace@example.com");
    grace["id"] = json!(own.to_uppercase());
    let lines = file(&accounts, &[other, grace.clone()]);
    let done = import(&accounts, "latchkey", &lines, &[]).expect(5).json();
    assert_eq!(
        (&done["imported"], &done["refused"]),
        (&json!(1), &json!(1))
    );
    // Its id is that of the old system. With it, it is known again, whatever the export says.
    let shown = accounts
        .run(&["users", "show", own, "--json"])
        .expect(0)
        .json();
    assert_eq!(shown["email"], "grace@example.com");
    grace["email"] = json!("another@example.com");
    let lines = file(&accounts, &[same, grace]);
    let done = import(&accounts, "latchkey", &lines, &[]).expect(0).json();
    assert_eq!((&done["imported"], &done["there"]), (&json!(0), &json!(2)));
    let shown = accounts.run(&["users", "show", "ada@example.com", "--json"]);
    assert_eq!(shown.expect(0).json()["roles"], json!(["editor"]));
    assert_eq!(
        addresses(&accounts),
        ["ada@example.com", "grace@example.com"]
    );
}

#[test]
fn ids_that_occur_twice_are_reported_and_not_guessed() {
    let accounts = Accounts::new("import-ids");
    let id = "01a21f65-59d2-7556-9168-ab9ae11d7bec";
    let with_id = |email, id: &str| {
        let mut line = line(email);
        line["id"] = json!(id);
        line
    };
    let lines = file(
        &accounts,
        &[
            with_id("ada@example.com", id),
            with_id("grace@example.com", &id.to_uppercase()),
            with_id("alan@example.com", "17"),
            with_id("edsger@example.com", "17"),
        ],
    );
    let done = import(&accounts, "latchkey", &lines, &[]).expect(5).json();
    assert_eq!(
        done["reasons"],
        json!([{"field": "id", "code": "duplicate-id", "records": 2}])
    );
    assert_eq!(
        addresses(&accounts),
        ["alan@example.com", "edsger@example.com"]
    );
}

#[test]
fn a_password_that_needs_a_secret_waits_until_it_is_there() {
    let accounts = Accounts::new("import-secret");
    let firebase = sample("firebase_auth_export.json");
    let config = sample("firebase_hash_config.txt");
    let refused = import(&accounts, "firebase", &firebase, &[]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    let config = ["--hash-config", config.as_str()];
    let ran = import(&accounts, "firebase", &firebase, &config);
    assert!(ran.json()["imported"].as_u64().unwrap() > 0, "{ran:?}");
    let secrets = accounts.data_dir.join("import-secrets.json");
    let secrets: Value = serde_json::from_str(&std::fs::read_to_string(secrets).unwrap()).unwrap();
    let key = secrets["firebase"].as_str().unwrap();
    let dump = accounts
        .run(&["users", "export", "--with-hashes"])
        .expect(0);
    assert!(!dump.stdout.contains(key) && !ran.stdout.contains(key));
    let server = accounts.serve(&[]);
    assert_eq!(server.login("ada@example.com", PASSWORD).0, 200);
    assert_eq!(server.login("dave@example.com", "wrong").0, 401);
}

/// Returns a file of so many lines with an Argon2id hash of [`PASSWORD`], as another Latchkey has it.
fn many(accounts: &Accounts, count: usize) -> String {
    let other = Accounts::new(&format!("import-other-{count}"));
    other.create("ada@example.com", &[]);
    let dump = other.run(&["users", "export", "--with-hashes"]).expect(0);
    let hash = dump.lines()[0]["password_hash"].clone();
    let lines: Vec<_> = (0..count)
        .map(|n| {
            let email = format!("user{n:04}@example.com");
            json!({"email": email, "password_hash": hash, "password_format": "argon2"})
        })
        .collect();
    file(accounts, &lines)
}

/// Returns the number of items in the table, which another process may write.
fn items(accounts: &Accounts) -> i64 {
    let path = accounts.data_dir.join("dynamodb.sqlite");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let count = Connection::open_with_flags(path, flags).and_then(|database| {
        let count = format!("SELECT count(*) FROM \"{}\"", local::dynamodb::TABLE);
        database.query_row(&count, [], |row| row.get(0))
    });
    // There is no such table yet, or the other process is opening it.
    count.unwrap_or_default()
}

/// Starts an import, and waits until it has written something that was not there before.
fn started(accounts: &Accounts, file: &str) -> Child {
    const PATIENCE: Duration = Duration::from_secs(60);
    let (began, before) = (Instant::now(), items(accounts));
    let import = ["users", "import", "--json", "--from", "latchkey", file];
    let mut child = accounts
        .command(&import)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while items(accounts) <= before {
        assert!(began.elapsed() < PATIENCE, "nothing is written");
        assert_eq!(child.try_wait().unwrap(), None, "it has ended");
        std::thread::yield_now();
    }
    child
}

#[cfg(unix)]
#[test]
fn an_import_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    const COUNT: usize = 1200;
    let accounts = Accounts::new("import-killed");
    let lines = many(&accounts, COUNT);
    let mut written = 0;
    for _ in 0..3 {
        let mut child = started(&accounts, &lines);
        child.kill().unwrap();
        child.wait().unwrap();
        let now = addresses(&accounts).len();
        assert!(now >= written, "{now} of {written} accounts are left");
        written = now;
    }
    assert!(written < COUNT, "nothing was killed");
    let done = import(&accounts, "latchkey", &lines, &[]).expect(0).json();
    assert_eq!(done["there"], written);
    assert_eq!(done["imported"], COUNT - written);
    let expected: Vec<_> = (0..COUNT)
        .map(|n| format!("user{n:04}@example.com"))
        .collect();
    assert_eq!(addresses(&accounts), expected);
    let dump = accounts
        .run(&["users", "export", "--with-hashes"])
        .expect(0);
    for account in dump.lines() {
        assert!(account["password_hash"].is_string(), "{account}");
    }
    let server = accounts.serve(&[]);
    for email in ["user0000@example.com", "user1199@example.com"] {
        assert_eq!(server.login(email, PASSWORD).0, 200);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_an_import_with_what_it_has_begun() {
    let accounts = Accounts::new("import-interrupted");
    let lines = many(&accounts, 1250);
    let child = started(&accounts, &lines);
    let mut kill = std::process::Command::new("kill");
    let pid = child.id().to_string();
    assert!(kill.args(["-s", "INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let done: Value = json::parse(&output.stdout).unwrap();
    let imported = done["imported"].as_u64().unwrap();
    assert!((1..1250).contains(&imported), "{done}");
    assert_eq!(done["left"], 1250 - imported);
    assert_eq!(addresses(&accounts).len() as u64, imported);
    let done = import(&accounts, "latchkey", &lines, &[]).expect(0).json();
    assert_eq!(
        (&done["there"], &done["left"]),
        (&json!(imported), &json!(0))
    );
}

#[test]
fn two_imports_at_once_into_a_running_server_double_nothing() {
    let accounts = Accounts::new("import-twice");
    let server = accounts.serve(&[]);
    let lines = many(&accounts, 200);
    let both = std::thread::scope(|scope| {
        let run = || import(&accounts, "latchkey", &lines, &[]).expect(0).json();
        let one = scope.spawn(run);
        let other = run();
        [one.join().unwrap(), other]
    });
    let sum = |name: &str| {
        both.iter()
            .map(|done| done[name].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("imported"), sum("there")), (200, 200));
    assert_eq!(addresses(&accounts).len(), 200);
    assert_eq!(server.login("user0199@example.com", PASSWORD).0, 200);
}

#[test]
fn an_export_that_breaks_off_is_imported_as_far_as_it_goes_only_after_it_is_whole() {
    let accounts = Accounts::new("import-broken");
    let path = accounts.data_dir.with_extension("json");
    let dump = std::fs::read_to_string(sample("django_dumpdata.json")).unwrap();
    std::fs::write(&path, &dump[..dump.len() / 2]).unwrap();
    let ran = import(&accounts, "django", &path.display().to_string(), &[]).expect(2);
    assert!(ran.stderr.contains("cannot read"), "{}", ran.stderr);
    assert_eq!(addresses(&accounts), Vec::<String>::new());
    let missing = import(&accounts, "django", "no-such-file", &[]).expect(2);
    assert!(
        missing.stderr.contains("no-such-file"),
        "{}",
        missing.stderr
    );
    let unknown = run(
        accounts.command(&["users", "import", "--from", "x", "y"]),
        "",
    );
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn what_an_export_with_hashes_writes_is_imported_whole_elsewhere() {
    let (old, new) = (Accounts::new("moved-from"), Accounts::new("moved-to"));
    old.create("Ada@example.com", &["--superuser", "--role", "editor"]);
    let file = old.data_dir.join("users.ndjson");
    let grace = json!({
        "id": "17", "email": "grace@example.com", "first_name": "Grace", "last_name": "Hopper",
        "email_verified": true, "locale": "de-CH", "date_joined": "2020-01-02T03:04:05Z",
        "claims": {"urn:example:plan": "gold"}, "password_format": "django",
        "password_hash": "md5$salt$2338b2cbd799d580b6a70349f87de5ea",
    });
    let alan = json!({"email": "alan@example.com", "status": "disabled"});
    let joan = json!({
        "email": "joan@example.com", "password_format": "django", "password_hash": "!",
    });
    let lines = [&grace, &alan, &joan].map(|user| format!("{user}\n"));
    std::fs::write(&file, lines.concat()).unwrap();
    import(&old, "latchkey", file.to_str().unwrap(), &[]).expect(0);

    let exported = |accounts: &Accounts| {
        let export = accounts.run(&["users", "export", "--with-hashes"]);
        let mut lines: Vec<_> = export.expect(0).stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let lines = exported(&old);
    assert_eq!(lines.len(), 4);
    let whole = old.data_dir.join("whole.ndjson");
    std::fs::write(&whole, lines.join("\n")).unwrap();
    new.create("someone@example.com", &[]);
    import(&new, "latchkey", whole.to_str().unwrap(), &[]).expect(0);
    let mut after = exported(&new);
    after.retain(|line| !line.contains("someone@example.com"));
    assert_eq!(after, lines);
    let server = new.serve(&[]);
    for email in ["ada@example.com", "grace@example.com"] {
        assert_eq!(server.login(email, PASSWORD).0, 200, "{email}");
        assert_eq!(server.login(email, "not the password").0, 401, "{email}");
    }
    for email in ["alan@example.com", "joan@example.com"] {
        assert_eq!(server.login(email, "!").0, 401, "{email}");
    }
}
