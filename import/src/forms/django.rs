//! Django: `django/contrib/auth/hashers.py`.

use shared::domain::password::legacy::{Algorithm, Step};

use super::common::{
    Parsed, after_steps, argon2, bcrypt, hex_of, pbkdf2, raw_of, salt, scrypt, steps_only,
};
use super::text::{Base64, logarithm, lower_hex, number, parts, refuse, text};
use super::{Format, OldPassword};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "django",
        about: "Django 5.1 and later",
        parse: |stored, _| current(text(stored)?),
    },
    Format {
        name: "django-4.2",
        about: "Django up to 5.0, with the hashers that Django 5.1 removed",
        parse: |stored, _| old(text(stored)?),
    },
];

/// Parses what Django 5.1 and later verify.
pub(super) fn current(stored: &str) -> Parsed {
    if stored.is_empty() || stored.starts_with('!') {
        return Ok(OldPassword::Unusable);
    }
    let Some((hasher, rest)) = stored.split_once('$') else {
        return refuse("names no hasher; Django up to 5.0 verified MD5 without one: django-4.2");
    };
    match hasher {
        "pbkdf2_sha256" => django_pbkdf2(Algorithm::Sha256, rest),
        "pbkdf2_sha1" => django_pbkdf2(Algorithm::Sha1, rest),
        "argon2" => argon2(&format!("${rest}")),
        "scrypt" => {
            let [n, salt, r, p, hash] = parts(rest, '$')?;
            let params = (logarithm(number(n)?)?, number(r)?, number(p)?);
            scrypt(params, salt, Base64::Padded.decode(hash)?)
        }
        "bcrypt_sha256" => after_steps(vec![hex_of(Algorithm::Sha256)], bcrypt(rest)),
        "bcrypt" => bcrypt(rest),
        "md5" => salted(Algorithm::Md5, rest),
        "sha1" => refuse("is of a hasher that Django 5.1 removed; import it as django-4.2"),
        "crypt" => refuse("is of a hasher that Django 5.0 removed; import it as django-4.2"),
        _ => refuse("names a hasher that Django does not have"),
    }
}

/// Parses what Django up to 5.0 verified.
pub(super) fn old(stored: &str) -> Parsed {
    if let Some(hash) = stored.strip_prefix("sha1$$") {
        return steps_only(
            vec![raw_of(Algorithm::Sha1)],
            digest(Algorithm::Sha1, hash)?,
        );
    }
    if let Some(hash) = stored.strip_prefix("md5$$") {
        return steps_only(vec![raw_of(Algorithm::Md5)], digest(Algorithm::Md5, hash)?);
    }
    if let Some(rest) = stored.strip_prefix("sha1$") {
        return salted(Algorithm::Sha1, rest);
    }
    if let Some(rest) = stored.strip_prefix("crypt$$") {
        return super::passlib_old::des_crypt(rest);
    }
    match !stored.is_empty() && !stored.contains('$') && !stored.starts_with('!') {
        true => steps_only(
            vec![raw_of(Algorithm::Md5)],
            digest(Algorithm::Md5, stored)?,
        ),
        false => current(stored),
    }
}

fn django_pbkdf2(algorithm: Algorithm, rest: &str) -> Parsed {
    let [rounds, salt, hash] = parts(rest, '$')?;
    let octets = Base64::Padded.decode(hash)?;
    if octets.len() != algorithm.length() {
        return refuse("has a digest of a wrong length");
    }
    pbkdf2(algorithm, number(rounds)?, salt, octets)
}

/// Parses a salt and the digest of the salt and the password.
fn salted(algorithm: Algorithm, rest: &str) -> Parsed {
    let [salt_text, hash] = parts(rest, '$')?;
    if salt_text.is_empty() {
        return refuse("has no salt; Django up to 5.0 verified it: import it as django-4.2");
    }
    let steps = vec![Step::Prepend(salt(salt_text)?), raw_of(algorithm)];
    steps_only(steps, digest(algorithm, hash)?)
}

/// Decodes a digest that Django compares as lower-case text.
fn digest(algorithm: Algorithm, text: &str) -> Result<Vec<u8>, super::FormError> {
    let octets = lower_hex(text)?;
    match octets.len() == algorithm.length() {
        true => Ok(octets),
        false => refuse("has a digest of a wrong length"),
    }
}
