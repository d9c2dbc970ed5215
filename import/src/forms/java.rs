//! Keycloak.

use serde_json::Value;
use shared::domain::password::legacy::{Algorithm, Argon2Kind, LegacyArgon2};

use super::common::{Argon2Parts, Parsed, argon2_of, pbkdf2, salt};
use super::text::{Base64, field, number_field, optional, refuse, text};
use super::{FormError, Format, Site};

pub(super) const FORMATS: &[Format] = &[Format {
    name: "keycloak",
    about: "Keycloak: a credential of a realm export (secretData and credentialData)",
    parse,
}];

fn parse(stored: &Value, _: &Site) -> Parsed {
    // Keycloak before 8 kept the fields in the credential itself.
    let secret_data = part(stored, "secretData")?.unwrap_or_else(|| stored.clone());
    let credential_data = part(stored, "credentialData")?.unwrap_or_else(|| stored.clone());
    let value = Base64::Padded.decode(field(&secret_data, &["value", "hashedSaltedValue"])?)?;
    let salt_octets = Base64::Padded.decode(field(&secret_data, &["salt"])?)?;
    let rounds = match optional(&credential_data, &["hashIterations"]) {
        Some(_) => number_field(&credential_data, &["hashIterations"], 0)?,
        None => return refuse("has no field hashIterations"),
    };
    let algorithm = match field(&credential_data, &["algorithm"])? {
        "pbkdf2" => Algorithm::Sha1,
        "pbkdf2-sha256" => Algorithm::Sha256,
        "pbkdf2-sha512" => Algorithm::Sha512,
        "argon2" => return argon2(&credential_data, rounds, salt_octets, value),
        _ => return refuse("is of an algorithm that Keycloak does not have"),
    };
    pbkdf2(algorithm, rounds, salt_octets, value)
}

/// Returns a field that is an object, or the text of one.
fn part(stored: &Value, name: &str) -> Result<Option<Value>, FormError> {
    match optional(stored, &[name]) {
        None => Ok(None),
        Some(Value::String(inner)) => match serde_json::from_str(inner) {
            Ok(inner @ Value::Object(_)) => Ok(Some(inner)),
            _ => refuse(format!("has a {name} that is not the text of an object")),
        },
        Some(inner) => Ok(Some(inner.clone())),
    }
}

/// Parses Argon2, whose parameters are lists of texts.
fn argon2(data: &Value, passes: u32, salt_octets: Vec<u8>, value: Vec<u8>) -> Parsed {
    let params = optional(data, &["additionalParameters"]);
    let first = |name: &str| {
        let value = params?.get(name)?;
        Some(value.get(0).unwrap_or(value).clone())
    };
    let number = |name: &str, usual| {
        let wrapped = first(name).map(|value| serde_json::json!({ "n": value }));
        number_field(&wrapped.unwrap_or_default(), &["n"], usual)
    };
    let kind = first("type").unwrap_or_else(|| "id".into());
    let kind = match text(&kind)? {
        "d" => Argon2Kind::D,
        "i" => Argon2Kind::I,
        "id" => Argon2Kind::Id,
        _ => return refuse("is of an unknown kind of Argon2"),
    };
    let version = first("version").unwrap_or_else(|| "1.3".into());
    let v = match text(&version)? {
        "1.3" => 19,
        "1.0" => 16,
        _ => return refuse("is of an unknown version of Argon2"),
    };
    let argon2 = LegacyArgon2 {
        kind,
        v,
        m: number("memory", 7168)?,
        t: passes,
        p: number("parallelism", 1)?,
        salt: salt(salt_octets)?,
        data: None,
        secret: None,
        length: u32::try_from(value.len()).unwrap_or(u32::MAX),
    };
    match argon2.is_usable() {
        true => argon2_of(Argon2Parts {
            argon2,
            has_key_id: false,
            digest: value,
        }),
        false => refuse("has parameters that Argon2 does not take"),
    }
}
