//! Passwords that the real software of other systems made and judged, through import and
//! verification: `tests/vectors.jsonl`, or the file that IMPORT_VECTORS names. The expensive ones run
//! with `-- --ignored`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test ends if something is not as it should be"
)]

#[path = "vectors/frameworks.rs"]
mod frameworks;
#[path = "vectors/line.rs"]
mod line;
#[path = "vectors/servers.rs"]
mod servers;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use import::forms::{self, OldPassword, Site};
use line::{Line, Row};
use secrecy::ExposeSecret as _;
use shared::domain::password::legacy::{Derivation, LegacyScheme, SecretName, Secrets, Step};

/// What import and login say.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Matches,
    /// The old system stored the password with backslashes before its quotes.
    MatchesSlashed,
    Differs,
    Refused(String),
}

/// What verified in the old system and is refused on purpose: the start of the system's name, what
/// the refusal says, and why.
const REFUSED: &[(&str, &str, &str)] = &[(
    "credential",
    "the limits are",
    "its rounds grow with the calendar: ten million and more, seconds of a core",
)];

fn row(line: &Line) -> Option<Row> {
    frameworks::row(line).or_else(|| servers::row(line))
}

fn lines() -> Vec<Line> {
    let file = std::env::var("IMPORT_VECTORS");
    let file = file.unwrap_or_else(|_| "tests/vectors.jsonl".to_owned());
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

fn site_and_secrets(secret: Option<&String>) -> (Site, Secrets) {
    let mut secrets = Secrets::default();
    let name = secret.map(|secret| {
        let name: SecretName = "old-site".parse().unwrap();
        secrets.insert(name.clone(), secret.as_str().into());
        name
    });
    (Site { secret: name }, secrets)
}

/// Returns the work of a parsed password.
fn time(parsed: &OldPassword) -> Duration {
    match parsed {
        OldPassword::Digest { scheme, .. } => scheme.work().unwrap().time(),
        OldPassword::Argon2id { hash, .. } => hash.work().time(),
        OldPassword::Unusable | OldPassword::Stored(_) => Duration::ZERO,
    }
}

fn prepared(steps: Vec<Step>, typed: &str, secrets: &Secrets) -> Option<Vec<u8>> {
    let scheme = LegacyScheme {
        steps,
        derivation: Derivation::Plain,
        or_slashed: false,
    };
    let digests = scheme.digests(typed, secrets).unwrap();
    let first = digests.first()?;
    Some(first.expose_secret().to_vec())
}

/// Computes what a login computes, but for the Argon2id that is put around the digest.
fn login(parsed: &OldPassword, typed: &str, secrets: &Secrets) -> Verdict {
    let matches = match parsed {
        // A password of our own is no password of another system.
        OldPassword::Unusable | OldPassword::Stored(_) => false,
        OldPassword::Digest { scheme, digest } => match scheme.digests(typed, secrets) {
            Ok(digests) => {
                let digest = digest.expose_secret();
                let found = digests.iter().position(|one| one.expose_secret() == digest);
                match found {
                    Some(1..) => return Verdict::MatchesSlashed,
                    found => found.is_some(),
                }
            }
            Err(error) => return Verdict::Refused(error.to_string()),
        },
        OldPassword::Argon2id { steps, hash } => {
            let phc = argon2::password_hash::phc::PasswordHash::new(&hash.to_phc()).unwrap();
            let params = argon2::Params::try_from(&phc).unwrap();
            let (salt, stored) = (phc.salt.unwrap(), phc.hash.unwrap());
            let mut octets = vec![0; stored.len()];
            let (kind, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
            match prepared(steps.clone(), typed, secrets) {
                None => false,
                Some(typed) => {
                    let argon2 = argon2::Argon2::new(kind, version, params);
                    argon2
                        .hash_password_into(&typed, &salt, &mut octets)
                        .unwrap();
                    octets == stored.as_bytes()
                }
            }
        }
    };
    match matches {
        true => Verdict::Matches,
        false => Verdict::Differs,
    }
}

/// Judges the lines whose work is within `range`, on all cores.
fn judge(range: std::ops::Range<Duration>) {
    let lines = lines();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(BTreeMap::<String, (usize, String)>::new());
    let refused = AtomicUsize::new(0);
    let judged = AtomicUsize::new(0);
    let one = |line: &Line| {
        let wrongly = |what: String, example: String| {
            let mut wrong = wrong.lock().unwrap();
            wrong.entry(what).or_insert((0, example)).0 += 1;
        };
        let Some(row) = row(line) else {
            let what = format!("{} {} without a row", line.system, line.scheme);
            wrongly(what, line.stored.to_string());
            return;
        };
        let (site, secrets) = site_and_secrets(row.secret.as_ref());
        let (work, verdict) = match forms::parse(row.format, &row.stored, &site) {
            Err(error) => (Duration::ZERO, Verdict::Refused(error.detail)),
            Ok(parsed) => {
                let work = time(&parsed);
                if !range.contains(&work) {
                    return;
                }
                // What a scheme is stored as must be what was parsed.
                if let OldPassword::Digest { scheme, .. } = &parsed {
                    let json = serde_json::to_string(scheme).unwrap();
                    assert_eq!(
                        &serde_json::from_str::<LegacyScheme>(&json).unwrap(),
                        scheme
                    );
                }
                (work, login(&parsed, &line.typed(), &secrets))
            }
        };
        if !range.contains(&work) {
            return;
        }
        judged.fetch_add(1, Ordering::Relaxed);
        match (line.verify, &verdict) {
            (true, Verdict::Matches | Verdict::MatchesSlashed)
            | (false, Verdict::Differs | Verdict::Refused(_)) => {}
            // WordPress' login form puts the backslashes; the vectors asked the function behind it.
            (false, Verdict::MatchesSlashed) if line.system == "WordPress" => {}
            (true, Verdict::Refused(why))
                if REFUSED.iter().any(|(system, said, _)| {
                    line.system.starts_with(system) && why.contains(said)
                }) =>
            {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                let what = format!(
                    "{} {} {} as {}, verify {}: {verdict:?}",
                    line.system, line.version, line.scheme, row.format, line.verify
                );
                let (typed, how) = (line.typed(), &line.how);
                let example = format!("{} {typed:?} {how} {}", row.stored, line.note);
                wrongly(what, example);
            }
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(line);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    for (what, (count, example)) in &wrong {
        eprintln!("{count} of {what}\n    such as {example}");
    }
    let judged = judged.into_inner();
    let (refused, all) = (refused.into_inner(), lines.len());
    eprintln!("judged {judged} of {all} lines; {refused} were refused on purpose");
    assert!(wrong.is_empty(), "{} kinds of lines are wrong", wrong.len());
    assert!(judged > 0);
}

/// What is judged in every run of the tests.
const CHEAP: Duration = Duration::from_millis(30);

#[test]
fn cheap_passwords_of_other_systems_verify_as_they_did_there() {
    judge(Duration::ZERO..CHEAP);
}

#[test]
#[ignore = "takes minutes"]
fn costly_passwords_of_other_systems_verify_as_they_did_there() {
    judge(CHEAP..Duration::MAX);
}
