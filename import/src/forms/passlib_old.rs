//! passlib and libpass: the schemes on crypt(3), plain digests, databases and LDAP.

use shared::domain::password::legacy::{Algorithm, Derivation, Mysql323, Pbkdf2, Step};

use super::common::{Parsed, after_steps, algorithm, digest, raw_of, salt, steps_only};
use super::text::{Base64, hex, number, parts, refuse, text};
use super::{Format, OldPassword, cms, crypt, databases, ldap};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "passlib:hex_md5",
        about: "passlib: hex_md5",
        parse: |stored, _| hex_digest("md5", text(stored)?),
    },
    Format {
        name: "passlib:hex_sha1",
        about: "passlib: hex_sha1",
        parse: |stored, _| hex_digest("sha1", text(stored)?),
    },
    Format {
        name: "passlib:hex_sha256",
        about: "passlib: hex_sha256",
        parse: |stored, _| hex_digest("sha256", text(stored)?),
    },
    Format {
        name: "passlib:hex_sha512",
        about: "passlib: hex_sha512",
        parse: |stored, _| hex_digest("sha512", text(stored)?),
    },
    Format {
        name: "passlib:mysql323",
        about: "passlib: mysql323",
        parse: |stored, _| databases::mysql323(text(stored)?, Mysql323 { code_points: false }),
    },
    Format {
        name: "passlib:nthash",
        about: "passlib: nthash",
        parse: |stored, _| databases::nthash(text(stored)?),
    },
    Format {
        name: "passlib:plaintext",
        about: "passlib: plaintext and ldap_plaintext",
        parse: |stored, _| ldap::clear(text(stored)?),
    },
];

/// Parses a hash whose text tells the scheme, if it is none of the newer ones.
pub(super) fn old(stored: &str) -> Parsed {
    match stored {
        "" => Ok(OldPassword::Unusable),
        // unix_disabled; mysql41 begins so, too.
        _ if stored.starts_with('*') && stored.len() != 41 => Ok(OldPassword::Unusable),
        _ if stored.starts_with('*') => databases::mysql41(stored),
        _ if stored.starts_with('{') => ldap::passlib_braces(stored),
        _ if stored.starts_with("0x0100") => databases::mssql(stored),
        _ if stored.starts_with("S:") => databases::oracle11(stored),
        _ if stored.starts_with("$P$") || stored.starts_with("$H$") => cms::portable(stored),
        _ if stored.starts_with("$scram$") => scram(stored),
        _ if stored.starts_with(['$', '_']) || stored.len() == 13 => des_crypt(stored),
        _ => refuse("does not tell its scheme; name it, as in passlib:hex_md5"),
    }
}

/// Parses a digest in hexadecimal digits.
fn hex_digest(name: &str, stored: &str) -> Parsed {
    let (algorithm, octets) = (algorithm(name)?, hex(stored)?);
    match octets.len() == algorithm.length() {
        true => steps_only(vec![raw_of(algorithm)], octets),
        false => refuse("has a digest of a wrong length"),
    }
}

/// Parses a hash of crypt(3), for which passlib refuses passwords with a NUL.
pub(super) fn des_crypt(stored: &str) -> Parsed {
    after_steps(vec![Step::RefuseNul], crypt::any(stored))
}

/// Parses `$scram$100000$SALT$sha-1=HASH,sha-256=HASH`: the salted passwords of several hash
/// functions, of which passlib compares one.
fn scram(stored: &str) -> Parsed {
    let [_, _, rounds, salt_text, hashes] = parts(stored, '$')?;
    let of = |name| {
        let all = hashes.split(',').filter_map(|each| each.split_once('='));
        all.into_iter().find(|&(each, _)| each == name)
    };
    let found = ["sha-256", "sha-512", "sha-224", "sha-384", "sha-1"]
        .into_iter()
        .find_map(of);
    let Some((name, hash)) = found else {
        return refuse("has no digest of a known hash function");
    };
    let algorithm: Algorithm = algorithm(name)?;
    let octets = Base64::Adapted.decode(hash)?;
    let rounds = number(rounds)?;
    if octets.len() != algorithm.length() || rounds == 0 {
        return refuse("has a digest of a wrong length, or no rounds");
    }
    let pbkdf2 = Pbkdf2 {
        algorithm,
        rounds,
        salt: salt(Base64::Adapted.decode(salt_text)?)?,
        salt_secret: None,
        length: u32::try_from(octets.len()).unwrap_or(u32::MAX),
    };
    digest(
        vec![Step::SaslprepOrRefuse],
        Derivation::Pbkdf2(pbkdf2),
        octets,
    )
}
