//! Ory Kratos: `hash/hash_comparator.go`.

use shared::domain::password::legacy::{Algorithm, Encoding, Octets, Step};

use super::common::{
    Parsed, after_steps, algorithm, argon2, bcrypt, hmac_of, pbkdf2, raw_of, salt, scrypt,
    steps_only,
};
use super::firebase::{self, Project, of_project};
use super::text::{Base64, after, logarithm, lower_hex, number, parts, refuse, refuse_as, text};
use super::{FormError, FormReason, Format, Site};

pub(super) const FORMATS: &[Format] = &[Format {
    name: "kratos",
    about: "Ory Kratos (hashed_password); for users from Firebase, the secret is the signer key of the text",
    parse: |stored, site| parse(text(stored)?, site),
}];

fn parse(stored: &str, site: &Site) -> Parsed {
    if stored.starts_with("$2") {
        return after_steps(vec![Step::RefuseLonger(72)], bcrypt(stored));
    }
    if stored.starts_with("$argon2") {
        return argon2(stored);
    }
    if stored.starts_with('{') {
        return ssha(stored);
    }
    let Some((scheme, rest)) = after(stored, "$")?.split_once('$') else {
        return refuse("names no scheme");
    };
    match scheme {
        "scrypt" => kratos_scrypt(rest),
        "firescrypt" => firescrypt(rest, site),
        "md5" | "sha1" | "sha256" | "sha512" => formatted(algorithm(scheme)?, rest),
        "md5-crypt" | "sha256-crypt" | "sha512-crypt" => crypt(scheme, rest),
        _ => match (scheme.strip_prefix("pbkdf2-"), scheme.strip_prefix("hmac-")) {
            (Some(name), _) => kratos_pbkdf2(name, rest),
            (_, Some(name)) => hmac(algorithm(name)?, rest),
            _ => refuse("is of a scheme that Kratos does not have"),
        },
    }
}

/// Parses `i=100000,l=32$SALT$HASH`. The names sha224 and sha384 are SHA-3.
fn kratos_pbkdf2(name: &str, rest: &str) -> Parsed {
    let algorithm = match name {
        "sha1" => Algorithm::Sha1,
        "sha224" => Algorithm::Sha3_224,
        "sha256" => Algorithm::Sha256,
        "sha384" => Algorithm::Sha3_384,
        "sha512" => Algorithm::Sha512,
        _ => return refuse("is of a PBKDF2 that Kratos does not have"),
    };
    let [params, salt, hash] = parts(rest, '$')?;
    let [rounds, length] = parts(params, ',')?;
    let (rounds, length) = (number(after(rounds, "i=")?)?, number(after(length, "l=")?)?);
    let octets = Base64::Unpadded.decode(hash)?;
    match u32::try_from(octets.len()) == Ok(length) {
        true => pbkdf2(algorithm, rounds, Base64::Unpadded.decode(salt)?, octets),
        false => refuse("has a hash of a wrong length"),
    }
}

/// Parses `ln=16384,r=8,p=1$SALT$HASH`, whose `ln` is no logarithm.
fn kratos_scrypt(rest: &str) -> Parsed {
    let [params, salt, hash] = parts(rest, '$')?;
    let [n, r, p] = parts(params, ',')?;
    let n = logarithm(number(after(n, "ln=")?)?)?;
    let params = (n, number(after(r, "r=")?)?, number(after(p, "p=")?)?);
    let salt = Base64::Padded.decode(salt)?;
    scrypt(params, salt, Base64::Padded.decode(hash)?)
}

/// Parses `ln=14,r=8,p=1$SALT$HASH$SEPARATOR$SIGNER-KEY`.
fn firescrypt(rest: &str, site: &Site) -> Parsed {
    let [params, salt, hash, separator, _signer_key] = parts(rest, '$')?;
    let [ln, r, p] = parts(params, ',')?;
    if site.secret.is_none() {
        return refuse_as(
            FormReason::NoSecret,
            "needs a secret of the old site: the last part of the text, which is not kept beside the \
             password; store it as a secret, and name it in password_secret",
        );
    }
    let project = Project {
        ln: number(after(ln, "ln=")?)?,
        r: number(after(r, "r=")?)?,
        p: number(after(p, "p=")?)?,
        separator: firebase::decode(separator)?,
    };
    of_project(
        project,
        &firebase::decode(salt)?,
        firebase::decode(hash)?,
        site,
    )
}

/// Parses `{SSHA}`, `{SSHA256}` and `{SSHA512}`: the digest, then the salt.
fn ssha(stored: &str) -> Parsed {
    let (scheme, hash) = stored.split_once('}').unwrap_or_default();
    let algorithm = match scheme {
        "{SSHA" => Algorithm::Sha1,
        "{SSHA256" => Algorithm::Sha256,
        "{SSHA512" => Algorithm::Sha512,
        _ => return refuse("is of a scheme that Kratos does not have"),
    };
    let octets = Base64::Padded.decode(hash)?;
    match octets.split_at_checked(algorithm.length()) {
        Some((hash, salt_octets)) => {
            let steps = vec![Step::Append(salt(salt_octets)?), raw_of(algorithm)];
            steps_only(steps, hash.to_vec())
        }
        None => refuse("has a digest of a wrong length"),
    }
}

/// Parses `HASH`, or `pf=TEMPLATE$SALT$HASH` whose template says where salt and password stand.
fn formatted(algorithm: Algorithm, rest: &str) -> Parsed {
    let Some((template, rest)) = rest.split_once('$') else {
        let steps = vec![raw_of(algorithm)];
        return steps_only(steps, of_length(algorithm, rest)?);
    };
    let [salt_text, hash] = parts(rest, '$')?;
    let template = Base64::Padded.decode(after(template, "pf=")?)?;
    let Ok(template) = String::from_utf8(template) else {
        return refuse("has a template that is not a text");
    };
    let Some((before, behind)) = template.split_once("{PASSWORD}") else {
        return refuse("has a template without the password");
    };
    if behind.contains("{PASSWORD}") {
        return refuse("has a template with the password twice");
    }
    let salt_octets = Base64::Padded.decode(salt_text)?;
    let mut steps = Vec::new();
    for (around, step) in [
        (before, Step::Prepend as fn(Octets) -> Step),
        (behind, Step::Append),
    ] {
        let parts: Vec<&[u8]> = around.split("{SALT}").map(str::as_bytes).collect();
        let filled = salt(parts.join(salt_octets.as_slice()))?;
        if !filled.0.is_empty() {
            steps.push(step(filled));
        }
    }
    steps.push(raw_of(algorithm));
    steps_only(steps, of_length(algorithm, hash)?)
}

fn of_length(algorithm: Algorithm, hash: &str) -> Result<Vec<u8>, FormError> {
    let octets = Base64::Padded.decode(hash)?;
    match octets.len() == algorithm.length() {
        true => Ok(octets),
        false => refuse("has a digest of a wrong length"),
    }
}

/// Parses the digits of an HMAC in base64, and its key in base64.
fn hmac(algorithm: Algorithm, rest: &str) -> Parsed {
    let [hash, key] = parts(rest, '$')?;
    let digits = Base64::Padded.decode(hash)?;
    let octets = lower_hex(str::from_utf8(&digits).unwrap_or_default())?;
    let key = salt(Base64::Padded.decode(key)?)?;
    match octets.len() == algorithm.length() {
        true => steps_only(vec![hmac_of(algorithm, &key.0, Encoding::Raw)], octets),
        false => refuse("has a digest of a wrong length"),
    }
}

/// Parses crypt(3) under names of Kratos' own.
fn crypt(scheme: &str, rest: &str) -> Parsed {
    let prefix = match scheme {
        "md5-crypt" => "$1$",
        "sha256-crypt" => "$5$",
        _ => "$6$",
    };
    super::passlib::context(&format!("{prefix}{rest}"))
}
