//! passlib and libpass: the schemes on PBKDF2, bcrypt, scrypt and Argon2.

use shared::domain::password::legacy::{Algorithm, Derivation, Encoding, Iterated, Step};

use super::common::{Parsed, after_steps, argon2, bcrypt, digest, hmac_of, pbkdf2, salt, scrypt};
use super::text::{Base64, after, hex, number, parts, refuse, text};
use super::{Format, django, passlib_old};

pub(super) const FORMATS: &[Format] = &[Format {
    name: "passlib",
    about: "passlib and libpass: the schemes that the text tells apart",
    parse: |stored, _| context(text(stored)?),
}];

/// Parses a hash whose text tells the scheme.
pub(super) fn context(stored: &str) -> Parsed {
    match stored {
        _ if stored.starts_with("$2") => after_steps(vec![Step::RefuseNul], bcrypt(stored)),
        _ if stored.starts_with("$argon2") => argon2(stored),
        _ if stored.starts_with("$pbkdf2") => pbkdf2_of(stored),
        _ if stored.starts_with("$bcrypt-sha256$") => bcrypt_sha256(stored),
        _ if stored.starts_with("$scrypt$") => scrypt_of(stored),
        _ if stored.starts_with("$p5k2$") => p5k2(stored),
        _ if stored.starts_with("grub.pbkdf2.sha512.") => grub(stored),
        _ if stored.starts_with("{PKCS5S2}") => atlassian(stored),
        _ if stored.starts_with("{PBKDF2") => ldap_pbkdf2(stored),
        _ if stored.starts_with("{FSHP") => fshp(stored),
        _ if is_django(stored) => django::old(stored),
        _ => passlib_old::old(stored),
    }
}

fn is_django(stored: &str) -> bool {
    const HASHERS: [&str; 8] = [
        "pbkdf2_sha256$",
        "pbkdf2_sha1$",
        "argon2$",
        "bcrypt_sha256$",
        "bcrypt$",
        "sha1$",
        "md5$",
        "!",
    ];
    HASHERS.iter().any(|hasher| stored.starts_with(hasher))
}

/// Parses `$pbkdf2-sha512$25000$SALT$HASH`; `$pbkdf2$` is SHA-1.
pub(super) fn pbkdf2_of(stored: &str) -> Parsed {
    let [_, name, rounds, salt, hash] = parts(stored, '$')?;
    let algorithm = match name {
        "pbkdf2" => Algorithm::Sha1,
        "pbkdf2-sha256" => Algorithm::Sha256,
        "pbkdf2-sha512" => Algorithm::Sha512,
        _ => return refuse("is of a PBKDF2 that passlib does not have"),
    };
    of_length(algorithm, rounds, salt, hash)
}

fn of_length(algorithm: Algorithm, rounds: &str, salt: &str, hash: &str) -> Parsed {
    let octets = Base64::Adapted.decode(hash)?;
    match octets.len() == algorithm.length() {
        true => pbkdf2(
            algorithm,
            number(rounds)?,
            Base64::Adapted.decode(salt)?,
            octets,
        ),
        false => refuse("has a digest of a wrong length"),
    }
}

/// Parses `{PBKDF2-SHA256}10000$SALT$HASH`; `{PBKDF2}` is SHA-1.
pub(super) fn ldap_pbkdf2(stored: &str) -> Parsed {
    let (name, rest) = stored.split_once('}').unwrap_or_default();
    let algorithm = match name.to_ascii_uppercase().as_str() {
        "{PBKDF2" | "{PBKDF2-SHA1" => Algorithm::Sha1,
        "{PBKDF2-SHA256" => Algorithm::Sha256,
        "{PBKDF2-SHA512" => Algorithm::Sha512,
        _ => return refuse("is of an unknown PBKDF2"),
    };
    let [rounds, salt, hash] = parts(rest, '$')?;
    of_length(algorithm, rounds, salt, hash)
}

/// Parses `$bcrypt-sha256$v=2,t=2b,r=12$SALT$HASH`, whose key is an HMAC under the text of the salt,
/// and version 1, `$bcrypt-sha256$2b,12$SALT$HASH`, whose key is a digest.
fn bcrypt_sha256(stored: &str) -> Parsed {
    let [_, _, params, salt_text, hash] = parts(stored, '$')?;
    let params: Vec<&str> = params.split(',').collect();
    let (step, kind, rounds) = match params.as_slice() {
        ["v=2", kind, rounds] => (
            hmac_of(Algorithm::Sha256, salt_text.as_bytes(), Encoding::Base64),
            after(kind, "t=")?,
            after(rounds, "r=")?,
        ),
        [kind, rounds] => (
            Step::Digest(Algorithm::Sha256, Encoding::Base64),
            *kind,
            *rounds,
        ),
        _ => return refuse("is not a bcrypt_sha256 of passlib"),
    };
    let rounds = number(rounds)?;
    after_steps(
        vec![step],
        bcrypt(&format!("${kind}${rounds:02}${salt_text}{hash}")),
    )
}

/// Parses `$scrypt$ln=16,r=8,p=1$SALT$HASH`.
fn scrypt_of(stored: &str) -> Parsed {
    let [_, _, params, salt, hash] = parts(stored, '$')?;
    let [ln, r, p] = parts(params, ',')?;
    let ln = u8::try_from(number(after(ln, "ln=")?)?);
    let Ok(ln) = ln else {
        return refuse("has a cost parameter that is too large");
    };
    let params = (ln, number(after(r, "r=")?)?, number(after(p, "p=")?)?);
    let salt = Base64::Unpadded.decode(salt)?;
    scrypt(params, salt, Base64::Unpadded.decode(hash)?)
}

/// Parses PBKDF2 of Cryptacular, whose hash is padded, and of Dwayne Litzenberger, whose salt is the
/// text up to the hash. The rounds are hexadecimal; the latter leaves out 400.
fn p5k2(stored: &str) -> Parsed {
    let [_, _, rounds_text, salt, hash] = parts(stored, '$')?;
    let rounds = match rounds_text {
        "" => 400,
        _ => match u32::from_str_radix(rounds_text, 16) {
            Ok(rounds) if !rounds_text.starts_with('+') => rounds,
            _ => return refuse("has a number of rounds that is not hexadecimal"),
        },
    };
    match hash.ends_with('=') {
        true => {
            let octets = Base64::UrlPadded.decode(hash)?;
            pbkdf2(
                Algorithm::Sha1,
                rounds,
                Base64::UrlPadded.decode(salt)?,
                octets,
            )
        }
        false => {
            let text = format!("$p5k2${rounds_text}${salt}");
            pbkdf2(Algorithm::Sha1, rounds, text, Base64::Adapted.decode(hash)?)
        }
    }
}

/// Parses `grub.pbkdf2.sha512.10000.SALT.HASH`.
fn grub(stored: &str) -> Parsed {
    let [_, _, _, rounds, salt, hash] = parts(stored, '.')?;
    pbkdf2(Algorithm::Sha512, number(rounds)?, hex(salt)?, hex(hash)?)
}

/// Parses `{PKCS5S2}` of Atlassian: PBKDF2-SHA1 with 10000 rounds; 16 octets of salt, then 32.
pub(super) fn atlassian(stored: &str) -> Parsed {
    let octets = Base64::Padded.decode(after(stored, "{PKCS5S2}")?)?;
    match octets.split_at_checked(16) {
        Some((salt, hash)) if hash.len() == 32 => {
            pbkdf2(Algorithm::Sha1, 10_000, salt, hash.to_vec())
        }
        _ => refuse("has a wrong length"),
    }
}

/// Parses `{FSHP1|16|480000}`, then base64 of the salt and the digest: a hash function that is
/// applied many times to the salt and the password.
fn fshp(stored: &str) -> Parsed {
    let (params, data) = after(stored, "{FSHP")?.split_once('}').unwrap_or_default();
    let [kind, length, rounds] = parts(params, '|')?;
    let algorithm = match kind {
        "0" => Algorithm::Sha1,
        "1" => Algorithm::Sha256,
        "2" => Algorithm::Sha384,
        "3" => Algorithm::Sha512,
        _ => return refuse("is of an unknown kind of FSHP"),
    };
    let octets = Base64::Padded.decode(data)?;
    let length = usize::try_from(number(length)?).unwrap_or(usize::MAX);
    match octets.split_at_checked(length) {
        Some((salt_octets, hash)) if hash.len() == algorithm.length() => {
            let iterated = Iterated::plain(algorithm, number(rounds)?);
            let steps = vec![Step::Prepend(salt(salt_octets)?)];
            match iterated.rounds {
                0 => refuse("has no rounds"),
                _ => digest(steps, Derivation::Iterated(iterated), hash.to_vec()),
            }
        }
        _ => refuse("has a wrong length"),
    }
}
