//! ASP.NET Core Identity: `PasswordHasher`.

use shared::domain::password::legacy::Algorithm;

use super::Format;
use super::common::{Parsed, pbkdf2};
use super::text::{Base64, refuse, text};

pub(super) const FORMATS: &[Format] = &[Format {
    name: "aspnet",
    about: "ASP.NET Identity, versions 2 and 3 (AspNetUsers.PasswordHash)",
    parse: |stored, _| parse(text(stored)?),
}];

/// Parses a version octet and its fields. Octets that are missing or left over are a fault.
fn parse(stored: &str) -> Parsed {
    let octets = Base64::Padded.decode(stored)?;
    match octets.split_first() {
        Some((0, rest)) => match rest.split_at_checked(16) {
            Some((salt, key)) if key.len() == 32 => {
                pbkdf2(Algorithm::Sha1, 1000, salt, key.to_vec())
            }
            _ => refuse("has a wrong length"),
        },
        Some((1, rest)) => version_3(rest),
        _ => refuse("is of an unknown version"),
    }
}

/// Parses the hash function, the rounds and the length of the salt, in 32 bits each with the big end
/// first; then the salt and the key.
fn version_3(rest: &[u8]) -> Parsed {
    let Some((header, rest)) = rest.split_first_chunk::<12>() else {
        return refuse("has a wrong length");
    };
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *header;
    let algorithm = match u32::from_be_bytes([a, b, c, d]) {
        0 => Algorithm::Sha1,
        1 => Algorithm::Sha256,
        2 => Algorithm::Sha512,
        _ => return refuse("has an unknown hash function"),
    };
    let rounds = u32::from_be_bytes([e, f, g, h]);
    let length = usize::try_from(u32::from_be_bytes([i, j, k, l])).unwrap_or(usize::MAX);
    match rest.split_at_checked(length) {
        Some((salt, key)) if salt.len() >= 16 && key.len() >= 16 => {
            pbkdf2(algorithm, rounds, salt, key.to_vec())
        }
        _ => refuse("has a wrong length"),
    }
}
