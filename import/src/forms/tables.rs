//! JavaScript: what is stored in several columns.

use serde_json::Value;
use shared::domain::password::legacy::{Algorithm, Step};

use super::common::{Parsed, after_steps, algorithm, pbkdf2, scrypt};
use super::text::{
    Base64, field, hex, logarithm, lower_hex, number, number_field, optional, parts, refuse, text,
};
use super::{FormError, Format, Site};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "payload",
        about: "Payload CMS: hash and salt",
        parse: payload,
    },
    Format {
        name: "passport-local-mongoose",
        about: "passport-local-mongoose: hash and salt; iterations and digest if they were configured",
        parse: |stored, _| hashed_with_text(stored, (Algorithm::Sha256, 25_000), Some(512)),
    },
    Format {
        name: "redwood",
        about: "RedwoodJS dbAuth: hashedPassword and salt",
        parse: redwood,
    },
    Format {
        name: "pbkdf2-password",
        about: "pbkdf2-password (npm): hash and salt",
        parse: pbkdf2_password,
    },
    Format {
        name: "credential",
        about: "credential (npm; Apostrophe): an object, or its text",
        parse: |stored, _| credential(stored),
    },
    Format {
        name: "node:pbkdf2",
        about: "Node's pbkdf2 with the salt as text: hash and salt; sha512 and 1000 iterations, or as \
                digest and iterations tell",
        parse: |stored, _| hashed_with_text(stored, (Algorithm::Sha512, 1000), None),
    },
    Format {
        name: "node:passport",
        about: "the tutorial of Passport: salt_hex and hashed_password_hex",
        parse: passport,
    },
];

/// Returns the field `digest`, or what is usual.
fn hash_function(stored: &Value, usual: Algorithm) -> Result<Algorithm, FormError> {
    match optional(stored, &["digest", "digestAlgorithm"]) {
        Some(name) => algorithm(text(name)?),
        None => Ok(usual),
    }
}

/// Parses a hash in hexadecimal digits, whose salt is used as text.
fn hashed_with_text(
    stored: &Value,
    (usual, rounds): (Algorithm, u32),
    length: Option<usize>,
) -> Parsed {
    let algorithm = hash_function(stored, usual)?;
    let rounds = number_field(stored, &["iterations"], rounds)?;
    let octets = lower_hex(field(stored, &["hash"])?)?;
    let configured = optional(stored, &["keylen"]).is_some();
    if length.is_some_and(|length| !configured && length != octets.len()) {
        return refuse("has a hash of a wrong length");
    }
    pbkdf2(algorithm, rounds, field(stored, &["salt"])?, octets)
}

fn payload(stored: &Value, _: &Site) -> Parsed {
    let hash = field(stored, &["hash"])?;
    let salt = field(stored, &["salt"])?;
    let (rounds, length, hash) = match hash.strip_prefix("pbkdf2-sha256-v1:") {
        Some(hash) => (600_000, 32, hash),
        None => (25_000, 512, hash),
    };
    let octets = lower_hex(hash)?;
    match octets.len() == length {
        true => pbkdf2(Algorithm::Sha256, rounds, salt, octets),
        false => refuse("has a hash of a wrong length"),
    }
}

/// Parses `HASH|N|r|p`, or a hash alone: PBKDF2-SHA1 with one round.
fn redwood(stored: &Value, _: &Site) -> Parsed {
    let hash = field(stored, &["hashedPassword", "hashed_password"])?;
    let salt = field(stored, &["salt"])?;
    match hash.split_once('|') {
        None => pbkdf2(Algorithm::Sha1, 1, salt, lower_hex(hash)?),
        Some((hash, params)) => {
            let [n, r, p] = parts(params, '|')?;
            let params = (logarithm(number(n)?)?, number(r)?, number(p)?);
            after_steps(vec![Step::Nfc], scrypt(params, salt, lower_hex(hash)?))
        }
    }
}

fn pbkdf2_password(stored: &Value, _: &Site) -> Parsed {
    let algorithm = hash_function(stored, Algorithm::Sha1)?;
    let rounds = number_field(stored, &["iterations"], 10_000)?;
    let salt = Base64::Padded.decode(field(stored, &["salt"])?)?;
    let octets = Base64::Padded.decode(field(stored, &["hash"])?)?;
    pbkdf2(algorithm, rounds, salt, octets)
}

fn credential(stored: &Value) -> Parsed {
    if let Value::String(inner) = stored {
        return match serde_json::from_str(inner) {
            Ok(inner @ Value::Object(_)) => credential(&inner),
            _ => refuse("is not the text of an object"),
        };
    }
    match optional(stored, &["hashMethod"]) {
        Some(method) if text(method)? != "pbkdf2" => {
            return refuse("is not of PBKDF2");
        }
        _ => {}
    }
    let octets = Base64::Padded.decode(field(stored, &["hash"])?)?;
    let rounds = match optional(stored, &["iterations"]) {
        Some(_) => number_field(stored, &["iterations"], 0)?,
        None => return refuse("has no field iterations"),
    };
    pbkdf2(Algorithm::Sha1, rounds, field(stored, &["salt"])?, octets)
}

fn passport(stored: &Value, _: &Site) -> Parsed {
    let salt = hex(field(stored, &["salt_hex", "salt"])?)?;
    let octets = hex(field(stored, &["hashed_password_hex", "hashed_password"])?)?;
    let algorithm = hash_function(stored, Algorithm::Sha256)?;
    pbkdf2(
        algorithm,
        number_field(stored, &["iterations"], 310_000)?,
        salt,
        octets,
    )
}
