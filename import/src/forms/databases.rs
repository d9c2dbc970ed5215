//! Databases: PostgreSQL, MySQL and Microsoft SQL Server; and Windows.

use serde_json::Value;
use shared::domain::password::legacy::{Algorithm, Derivation, Mysql323, Step};

use super::common::{Parsed, after_steps, digest, raw_of, steps_only};
use super::text::{after, field, hex, lower_hex, parts, refuse, text};
use super::{Format, ldap};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "postgres",
        about: "PostgreSQL: pg_authid.rolpassword; for md5, an object of hash and role",
        parse: |stored, _| postgres(stored),
    },
    Format {
        name: "mysql",
        about: "MySQL and MariaDB: PASSWORD() and OLD_PASSWORD()",
        parse: |stored, _| mysql(text(stored)?),
    },
];

fn postgres(stored: &Value) -> Parsed {
    if let Value::String(scram) = stored {
        return postgres_scram(scram);
    }
    let hash = field(stored, &["hash", "rolpassword"])?;
    if hash.starts_with("SCRAM-") {
        return postgres_scram(hash);
    }
    let octets = lower_hex(after(hash, "md5")?)?;
    if octets.len() != Algorithm::Md5.length() {
        return refuse("has a digest of a wrong length");
    }
    let role = super::common::salt(field(stored, &["role", "rolname"])?)?;
    steps_only(vec![Step::Append(role), raw_of(Algorithm::Md5)], octets)
}

/// Parses `SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY`.
fn postgres_scram(stored: &str) -> Parsed {
    if stored.starts_with("md5") {
        return refuse("is of the method md5, which needs the role: an object of hash and role");
    }
    let [settings, keys] = parts(after(stored, "SCRAM-SHA-256$")?, '$')?;
    let [rounds, salt] = parts(settings, ':')?;
    let keys = parts(keys, ':')?;
    let parsed = ldap::scram_of(Algorithm::Sha256, rounds, salt, keys);
    after_steps(vec![Step::Saslprep], parsed)
}

fn mysql(stored: &str) -> Parsed {
    match stored.starts_with('*') {
        true => mysql41(stored),
        false => mysql323(stored, Mysql323 { code_points: false }),
    }
}

/// Parses `*`, and SHA-1 of SHA-1 in hexadecimal digits.
pub(super) fn mysql41(stored: &str) -> Parsed {
    let octets = hex(after(stored, "*")?)?;
    match octets.len() == Algorithm::Sha1.length() {
        true => steps_only(
            vec![raw_of(Algorithm::Sha1), raw_of(Algorithm::Sha1)],
            octets,
        ),
        false => refuse("has a digest of a wrong length"),
    }
}

/// Parses MySQL's old hash: sixteen hexadecimal digits.
pub(super) fn mysql323(stored: &str, mysql323: Mysql323) -> Parsed {
    let octets = hex(stored)?;
    match octets.len() == 8 {
        true => digest(Vec::new(), Derivation::Mysql323(mysql323), octets),
        false => refuse("has a digest of a wrong length"),
    }
}

/// Parses Windows' NT-Hash: MD4 of UTF-16.
pub(super) fn nthash(stored: &str) -> Parsed {
    let octets = hex(stored)?;
    match octets.len() == Algorithm::Md4.length() {
        true => steps_only(vec![Step::Utf16Le, raw_of(Algorithm::Md4)], octets),
        false => refuse("has a digest of a wrong length"),
    }
}

/// Parses the hash of SQL Server 2005, `0x0100`, four octets of salt, and SHA-1; and of 2000, which
/// has the digest of the password in upper case besides. passlib compares that one alone.
pub(super) fn mssql(stored: &str) -> Parsed {
    let octets = hex(after(stored, "0x0100")?)?;
    let Some((salt, digests)) = octets.split_at_checked(4) else {
        return refuse("is too short");
    };
    let mut steps = vec![
        Step::Utf16Le,
        Step::Append(super::common::salt(salt)?),
        raw_of(Algorithm::Sha1),
    ];
    match digests.split_at_checked(20) {
        Some((digest, [])) => steps_only(steps, digest.to_vec()),
        Some((_, upper)) if upper.len() == 20 => {
            steps.insert(0, Step::Uppercase);
            steps_only(steps, upper.to_vec())
        }
        _ => refuse("has a digest of a wrong length"),
    }
}

/// Parses Oracle 11's `S:`, SHA-1 and ten octets of salt.
pub(super) fn oracle11(stored: &str) -> Parsed {
    let octets = hex(after(stored, "S:")?)?;
    match octets.split_at_checked(20) {
        Some((digest, salt)) if salt.len() == 10 => {
            let salt = Step::Append(super::common::salt(salt)?);
            steps_only(vec![salt, raw_of(Algorithm::Sha1)], digest.to_vec())
        }
        _ => refuse("has a wrong length"),
    }
}
