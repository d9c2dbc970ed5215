//! PHP, and the frameworks Laravel and Symfony.

use serde_json::Value;
use shared::domain::password::legacy::{Algorithm, Derivation, Encoding, Iterated, Step};

use super::common::{Parsed, after_steps, algorithm, argon2, digest, pbkdf2};
use super::text::{Base64, field, lower_hex, number_field, optional, refuse, text};
use super::{FormError, Format, crypt};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "php",
        about: "PHP: password_hash() and crypt()",
        parse: |stored, _| password_verify(text(stored)?),
    },
    Format {
        name: "laravel",
        about: "Laravel",
        parse: |stored, _| password_verify(text(stored)?),
    },
    Format {
        name: "symfony",
        about: "Symfony: the hashers native, sodium and auto",
        parse: |stored, _| symfony(text(stored)?),
    },
    Format {
        name: "symfony:digest",
        about: "Symfony: MessageDigestPasswordHasher; an object of hash and salt, and of algorithm \
                (sha512) and iterations (5000) if they differ",
        parse: |stored, _| message_digest(stored),
    },
    Format {
        name: "symfony:pbkdf2",
        about: "Symfony: Pbkdf2PasswordHasher; an object of hash and salt, and of algorithm \
                (sha512) and iterations (1000) if they differ",
        parse: |stored, _| symfony_pbkdf2(stored),
    },
];

/// Parses what `password_verify` takes. Its crypt(3) takes passwords for C strings; its Argon2 does
/// not.
pub(super) fn password_verify(stored: &str) -> Parsed {
    match stored.starts_with("$argon2") {
        true => argon2(stored),
        false => crypt::c_string(stored),
    }
}

/// Parses a hash of NativePasswordHasher or SodiumPasswordHasher, which give bcrypt a digest of long
/// passwords.
fn symfony(stored: &str) -> Parsed {
    match stored.starts_with("$2") {
        true => {
            let long = Step::DigestIfLonger(72, Algorithm::Sha512, Encoding::Base64);
            after_steps(vec![long], crypt::any(stored))
        }
        false => password_verify(stored),
    }
}

/// Parses a digest of `PASSWORD{SALT}`, which is hashed again with it many times.
fn message_digest(stored: &Value) -> Parsed {
    let algorithm = algorithm_of(stored)?;
    let octets = hex_or_base64(field(stored, &["hash", "password"])?, Some(algorithm))?;
    let salt = match optional(stored, &["salt"]) {
        None => "",
        Some(salt) => text(salt)?,
    };
    let rounds = number_field(stored, &["iterations"], 5_000)?;
    if rounds == 0 {
        return refuse("has no rounds");
    }
    if salt.contains(['{', '}']) {
        return refuse("has a salt with a brace, which Symfony refuses");
    }
    let steps = match salt {
        "" => Vec::new(),
        _ => vec![Step::Append(super::common::salt(format!("{{{salt}}}"))?)],
    };
    let iterated = Iterated {
        salted: true,
        ..Iterated::plain(algorithm, rounds)
    };
    digest(steps, Derivation::Iterated(iterated), octets)
}

fn symfony_pbkdf2(stored: &Value) -> Parsed {
    let octets = hex_or_base64(field(stored, &["hash", "password"])?, None)?;
    let salt = field(stored, &["salt"])?;
    let rounds = number_field(stored, &["iterations"], 1_000)?;
    pbkdf2(algorithm_of(stored)?, rounds, salt, octets)
}

fn algorithm_of(stored: &Value) -> Result<Algorithm, FormError> {
    match optional(stored, &["algorithm"]) {
        None => Ok(Algorithm::Sha512),
        Some(name) => algorithm(text(name)?),
    }
}

/// Decodes a digest in hexadecimal digits, or else in base64. Its length tells them apart, unless
/// base64 has no character that is not such a digit.
fn hex_or_base64(hash: &str, of: Option<Algorithm>) -> Result<Vec<u8>, FormError> {
    let hex_length = of.is_none_or(|algorithm| hash.len() == 2 * algorithm.length());
    let octets = match lower_hex(hash) {
        Ok(octets) if hex_length => octets,
        _ => Base64::Padded.decode(hash)?,
    };
    match of {
        Some(algorithm) if octets.len() != algorithm.length() => {
            refuse("has a digest of a wrong length")
        }
        _ => Ok(octets),
    }
}
