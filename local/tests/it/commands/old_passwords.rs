//! Passwords of other systems, from `latchkey users import` to `POST /login`: the lines of
//! `import/tests/vectors.jsonl`, or of the file that IMPORT_VECTORS names. Cheap ones run always, all of
//! them with `cargo test -p local --test it -- --ignored old_passwords`.

#[path = "../../../../import/tests/vectors/frameworks.rs"]
mod frameworks;
#[path = "../../../../import/tests/vectors/line.rs"]
mod line;
#[path = "../../../../import/tests/vectors/servers.rs"]
mod servers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use import::forms::{self, OldPassword, Site};
use serde_json::json;

use super::Accounts;
use crate::support::app::root;
use line::{Line, Row};

/// What is tried in every run of the tests.
const CHEAP: Duration = Duration::from_millis(10);

/// Returns how a line is imported.
fn row(line: &Line) -> Row {
    let row = frameworks::row(line).or_else(|| servers::row(line));
    row.unwrap_or_else(|| panic!("no row for {line:?}"))
}

/// Returns whether a password takes little time, or cannot be imported.
fn is_cheap(row: &Row) -> bool {
    let site = Site {
        secret: "site".parse().ok(),
    };
    match forms::parse(row.format, &row.stored, &site) {
        Ok(OldPassword::Digest { scheme, .. }) => scheme.work().unwrap().time() < CHEAP,
        Ok(OldPassword::Argon2id { hash, .. }) => hash.work().time() < CHEAP,
        Ok(OldPassword::Stored(_) | OldPassword::Unusable) | Err(_) => true,
    }
}

/// Returns whether a login accepts what the old system's own function refused: WordPress puts
/// backslashes before quotes in front of that function.
fn is_slashed(line: &Line) -> bool {
    line.system == "WordPress" && line.typed().contains(['\'', '"', '\\'])
}

fn lines() -> Vec<Line> {
    let usual = root().join("import/tests/vectors.jsonl");
    let file = std::env::var_os("IMPORT_VECTORS").map_or(usual, Into::into);
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Imports an account for each of `lines` and logs in to it, and returns what went otherwise than in
/// the old system.
fn otherwise(name: &str, lines: &[Line]) -> Vec<String> {
    let accounts = Accounts::new(name);
    let mut secrets = BTreeMap::new();
    let mut records = String::new();
    for (number, line) in lines.iter().enumerate() {
        let row = row(line);
        let mut record = json!({
            "email": format!("user{number}@example.com"),
            "password_hash": row.stored,
            "password_format": row.format,
        });
        if let Some(secret) = row.secret {
            let name = format!("site{number}");
            record["password_secret"] = json!(name);
            secrets.insert(name, secret);
        }
        writeln!(records, "{record}").unwrap();
    }
    let file = accounts.data_dir.with_extension("ndjson");
    std::fs::write(&file, records).unwrap();
    let file = file.display().to_string();
    let secrets = serde_json::to_string(&secrets).unwrap();
    std::fs::create_dir_all(&accounts.data_dir).unwrap();
    std::fs::write(accounts.data_dir.join("import-secrets.json"), secrets).unwrap();
    let ran = accounts.run(&["users", "import", "--json", "--from", "latchkey", &file]);
    assert!(matches!(ran.code, Some(0 | 5)), "{ran:?}");
    let server = accounts.serve(&["--parameter", "LoginAttemptsPerSource=1000000"]);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(line) = lines.get(number) else { break };
                    let email = format!("user{number}@example.com");
                    let (status, _) = server.login(&email, &line.typed());
                    let expected = match line.verify || is_slashed(line) {
                        true => 200,
                        false => 401,
                    };
                    if status != expected {
                        let (how, note) = (&line.how, &line.note);
                        let said = format!("{status} and not {expected}: {line:?} {how} {note}");
                        wrong.lock().unwrap().push(said);
                    }
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

/// One line that verifies and one that does not of each cheap scheme.
#[test]
fn a_password_of_each_cheap_scheme_logs_in_and_a_wrong_one_does_not() {
    let mut seen = BTreeMap::new();
    let mut some = lines();
    some.retain(|line| {
        let scheme = (line.system.clone(), line.scheme.clone(), line.verify);
        let times: &mut u32 = seen.entry(scheme).or_default();
        *times += 1;
        *times == 1 && is_cheap(&row(line))
    });
    assert!(some.len() > 100, "{}", some.len());
    let wrong = otherwise("old-passwords", &some);
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
#[ignore = "takes half an hour"]
fn every_password_of_another_system_logs_in_as_it_did_there() {
    for (number, some) in lines().chunks(500).enumerate() {
        let wrong = otherwise(&format!("old-passwords-{number}"), some);
        assert_eq!(wrong, Vec::<String>::new());
        eprintln!("{} lines were as they should be", (number + 1) * 500);
    }
}

/// What rests in the table for a weak digest is Argon2id of it, with its salt and parameters, and the
/// digest in none of its usual spellings.
#[test]
fn no_weak_digest_rests_in_the_table() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

    const MD5: &str = "9cc2ae8a1ba7a93da39b46fc1019c481";
    const SHA1: &str = "abf7aad6438836dbe526aa231abde2d0eef74d42";
    const PHPASS: &str = "$P$BWFgI5SUcSraiGhmnHGx7JslkzbdkL1";
    const SHA512: &str = "be5ef7679d88ab9a9045f6267e55f5e5784b4b8cd764b5cd855a5244f91c626953cd46c43d7668873fd6efbd3b221249315580031963472a078781fe046e62ae";
    let stored = [
        ("django-4.2", MD5.to_owned(), octets(MD5)),
        ("django-4.2", format!("sha1$${SHA1}"), octets(SHA1)),
        ("wordpress", PHPASS.to_owned(), Vec::new()),
        ("passlib:hex_sha512", SHA512.to_owned(), octets(SHA512)),
        (
            "passlib:plaintext",
            "correct horse battery staple".to_owned(),
            b"correct horse battery staple".to_vec(),
        ),
    ];
    let accounts = Accounts::new("no-weak-digest");
    let mut records = String::new();
    for (number, (format, stored, _)) in stored.iter().enumerate() {
        let record = json!({
            "email": format!("user{number}@example.com"),
            "password_hash": stored,
            "password_format": format,
        });
        writeln!(records, "{record}").unwrap();
    }
    let file = accounts.data_dir.with_extension("ndjson");
    std::fs::write(&file, records).unwrap();
    let file = file.display().to_string();
    let import = ["users", "import", "--json", "--from", "latchkey", &file];
    let done = accounts.run(&import).expect(0).json();
    assert_eq!(done["imported"], 5);
    // All that is stored, with what SQLite has deleted.
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&accounts.data_dir).unwrap() {
        all.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &[u8]| all.windows(text.len()).any(|window| window == text);
    assert!(holds(b"user0@example.com") && holds(b"imported $argon2id$"));
    for (_, stored, digest) in &stored {
        assert!(!holds(stored.as_bytes()), "{stored}");
        if !digest.is_empty() {
            let texts = [
                STANDARD_NO_PAD.encode(digest),
                URL_SAFE_NO_PAD.encode(digest),
            ];
            assert!(!holds(digest), "{stored}");
            assert!(texts.iter().all(|text| !holds(text.as_bytes())), "{stored}");
        }
    }
    // The last 22 characters of phpass are its digest.
    assert!(!holds(&PHPASS.as_bytes()[12..]));
    assert!(!holds(MD5.as_bytes()) && !holds(SHA1.as_bytes()));
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |octet: u8| (octet as char).to_digit(16).unwrap() as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(pair[0]) * 16 + digit(pair[1]))
        .collect()
}
