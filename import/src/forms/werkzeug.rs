//! Werkzeug: `werkzeug/security.py`.

use shared::domain::password::legacy::{Algorithm, Encoding};

use super::common::{Parsed, algorithm, hmac_of, pbkdf2, raw_of, scrypt, steps_only};
use super::text::{logarithm, lower_hex, number, parts, refuse, text};
use super::{FormError, Format, OldPassword};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "werkzeug",
        about: "Werkzeug 3 (Flask): generate_password_hash",
        parse: |stored, _| parse(text(stored)?, Version::V3),
    },
    Format {
        name: "werkzeug-2.3",
        about: "Werkzeug 2.3, with digests and plain passwords",
        parse: |stored, _| parse(text(stored)?, Version::V2_3),
    },
    Format {
        name: "werkzeug-2.2",
        about: "Werkzeug up to 2.2, with digests without salt and plain passwords",
        parse: |stored, _| parse(text(stored)?, Version::V2_2),
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V2_2,
    V2_3,
    V3,
}

fn parse(stored: &str, version: Version) -> Parsed {
    if stored.is_empty() {
        return Ok(OldPassword::Unusable);
    }
    let mut parts_of = stored.splitn(3, '$');
    let (Some(method), Some(salt), Some(hash)) =
        (parts_of.next(), parts_of.next(), parts_of.next())
    else {
        return refuse("has no method, salt and hash");
    };
    let (name, params) = method.split_once(':').unwrap_or((method, ""));
    match name {
        "pbkdf2" => {
            let (hash_name, rounds) = match params.split_once(':') {
                Some((hash_name, rounds)) => (hash_name, number(rounds)?),
                None => return refuse("does not tell its number of rounds"),
            };
            let algorithm = algorithm(hash_name)?;
            pbkdf2(algorithm, rounds, salt, digest(algorithm, hash)?)
        }
        "scrypt" => {
            let [n, r, p] = parts(params, ':')?;
            let params = (logarithm(number(n)?)?, number(r)?, number(p)?);
            let octets = lower_hex(hash)?;
            match octets.len() {
                64 => scrypt(params, salt, octets),
                _ => refuse("has a digest of a wrong length"),
            }
        }
        _ if version == Version::V3 => {
            refuse("is of a method that Werkzeug 3 removed; import it as werkzeug-2.3 or -2.2")
        }
        // What is compared is a text, and Python compares no others in constant time.
        "plain" if version == Version::V2_3 && !hash.is_ascii() => Ok(OldPassword::Unusable),
        "plain" => match hash.is_empty() {
            true => Ok(OldPassword::Unusable),
            false => steps_only(Vec::new(), hash.into()),
        },
        _ => {
            let algorithm = algorithm(name)?;
            let octets = digest(algorithm, hash)?;
            let step = match salt.is_empty() && version == Version::V2_2 {
                true => raw_of(algorithm),
                false => hmac_of(algorithm, salt.as_bytes(), Encoding::Raw),
            };
            steps_only(vec![step], octets)
        }
    }
}

fn digest(algorithm: Algorithm, text: &str) -> Result<Vec<u8>, FormError> {
    let octets = lower_hex(text)?;
    match octets.len() == algorithm.length() {
        true => Ok(octets),
        false => refuse("has a digest of a wrong length"),
    }
}
