//! Spring Security: `DelegatingPasswordEncoder`, and each encoder without an id.

use serde_json::Value;
use shared::domain::password::legacy::{Algorithm, Derivation, Iterated, Pbkdf2, Step};

use super::common::{Parsed, algorithm, argon2, bcrypt, digest, raw_of, salt, scrypt, steps_only};
use super::text::{Base64, field, hex, number_field, optional, parts, refuse, text};
use super::{FormError, Format, OldPassword, Site};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "spring",
        about: "Spring Security: a text with its id in braces, such as {bcrypt}",
        parse: |stored, site| delegating(text(stored)?, site),
    },
    Format {
        name: "spring:bcrypt",
        about: "Spring Security: BCryptPasswordEncoder",
        parse: |stored, _| bcrypt(text(stored)?),
    },
    Format {
        name: "spring:argon2",
        about: "Spring Security: Argon2PasswordEncoder",
        parse: |stored, _| argon2(text(stored)?),
    },
    Format {
        name: "spring:scrypt",
        about: "Spring Security: SCryptPasswordEncoder",
        parse: |stored, _| spring_scrypt(text(stored)?),
    },
    Format {
        name: "spring:pbkdf2",
        about: "Spring Security: Pbkdf2PasswordEncoder as of 5.8; or an object of hash, algorithm, \
                iterations and salt_length; the secret is its own, if it has one",
        parse: |stored, site| spring_pbkdf2(stored, site, (Algorithm::Sha256, 310_000, 16)),
    },
    Format {
        name: "spring:pbkdf2-5.5",
        about: "Spring Security: Pbkdf2PasswordEncoder up to 5.7, likewise",
        parse: |stored, site| spring_pbkdf2(stored, site, (Algorithm::Sha1, 185_000, 8)),
    },
    Format {
        name: "spring:standard",
        about: "Spring Security: StandardPasswordEncoder; the secret is its own, if it has one",
        parse: |stored, site| standard(text(stored)?, site),
    },
    Format {
        name: "spring:md4",
        about: "Spring Security: Md4PasswordEncoder",
        parse: |stored, _| message_digest(Algorithm::Md4, stored),
    },
    Format {
        name: "spring:md5",
        about: "Spring Security: MessageDigestPasswordEncoder with MD5; or an object of hash and iterations",
        parse: |stored, _| message_digest(Algorithm::Md5, stored),
    },
    Format {
        name: "spring:sha-1",
        about: "Spring Security: MessageDigestPasswordEncoder with SHA-1, likewise",
        parse: |stored, _| message_digest(Algorithm::Sha1, stored),
    },
    Format {
        name: "spring:sha-256",
        about: "Spring Security: MessageDigestPasswordEncoder with SHA-256, likewise",
        parse: |stored, _| message_digest(Algorithm::Sha256, stored),
    },
    Format {
        name: "spring:sha-512",
        about: "Spring Security: MessageDigestPasswordEncoder with SHA-512, likewise",
        parse: |stored, _| message_digest(Algorithm::Sha512, stored),
    },
    Format {
        name: "spring:ldap",
        about: "Spring Security: LdapShaPasswordEncoder",
        parse: |stored, _| ldap(text(stored)?),
    },
];

fn delegating(stored: &str, site: &Site) -> Parsed {
    let id_and_rest = stored
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'));
    let Some((id, rest)) = id_and_rest else {
        return refuse("does not begin with the id of an encoder in braces");
    };
    let value = Value::from(rest);
    match id {
        "bcrypt" => bcrypt(rest),
        "argon2" | "argon2@SpringSecurity_v5_8" => argon2(rest),
        "scrypt" | "scrypt@SpringSecurity_v5_8" => spring_scrypt(rest),
        "pbkdf2" => spring_pbkdf2(&value, site, (Algorithm::Sha1, 185_000, 8)),
        "pbkdf2@SpringSecurity_v5_8" => {
            spring_pbkdf2(&value, site, (Algorithm::Sha256, 310_000, 16))
        }
        "sha256" => standard(rest, site),
        "MD4" => message_digest(Algorithm::Md4, &value),
        "MD5" => message_digest(Algorithm::Md5, &value),
        "SHA-1" => message_digest(Algorithm::Sha1, &value),
        "SHA-256" => message_digest(Algorithm::Sha256, &value),
        "ldap" => ldap(rest),
        "noop" => plain(rest),
        _ => refuse("is of an encoder that Spring Security does not have"),
    }
}

fn plain(stored: &str) -> Parsed {
    match stored.is_empty() {
        true => Ok(OldPassword::Unusable),
        false => steps_only(Vec::new(), stored.into()),
    }
}

/// Parses `$100801$SALT$KEY`: the binary logarithm of N, and r and p, in hexadecimal digits.
fn spring_scrypt(stored: &str) -> Parsed {
    let [nothing, params, salt, key] = parts(stored, '$')?;
    let Ok(params) = u32::from_str_radix(params, 16) else {
        return refuse("has parameters that are not hexadecimal");
    };
    let [_, ln, r, p] = params.to_be_bytes();
    if !nothing.is_empty() || params >> 24 != 0 {
        return refuse("is not of SCryptPasswordEncoder");
    }
    let salt = Base64::Padded.decode(salt)?;
    scrypt((ln, r.into(), p.into()), salt, Base64::Padded.decode(key)?)
}

/// Returns the octets of hexadecimal digits, or of base64 if it is not that.
fn octets(stored: &str) -> Result<Vec<u8>, FormError> {
    hex(stored).or_else(|_| Base64::Padded.decode(stored))
}

/// Parses a salt and the key after it. The salt that was used has the secret behind it.
fn spring_pbkdf2(stored: &Value, site: &Site, usual: (Algorithm, u32, u32)) -> Parsed {
    let (hash, algorithm, rounds, salt_length) = match stored {
        Value::String(_) => (text(stored)?, usual.0, usual.1, usual.2),
        _ => (
            field(stored, &["hash"])?,
            match optional(stored, &["algorithm"]) {
                Some(name) => algorithm(text(name)?)?,
                None => usual.0,
            },
            number_field(stored, &["iterations"], usual.1)?,
            number_field(stored, &["salt_length"], usual.2)?,
        ),
    };
    let octets = octets(hash)?;
    let salt_length = usize::try_from(salt_length).unwrap_or(usize::MAX);
    let Some((salt_octets, key)) = octets.split_at_checked(salt_length) else {
        return refuse("is shorter than its salt");
    };
    if rounds == 0 || key.len() < 16 {
        return refuse("has no rounds, or a key of a wrong length");
    }
    let derivation = Derivation::Pbkdf2(Pbkdf2 {
        algorithm,
        rounds,
        salt: salt(salt_octets)?,
        salt_secret: site.secret.clone(),
        length: u32::try_from(key.len()).unwrap_or(u32::MAX),
    });
    digest(Vec::new(), derivation, key.to_vec())
}

/// Parses a salt of 8 octets and 1024 times SHA-256 of the salt, the secret and the password.
fn standard(stored: &str, site: &Site) -> Parsed {
    let octets = hex(stored)?;
    match octets.split_at_checked(8) {
        Some((salt_octets, hash)) if hash.len() == 32 => {
            let mut steps = Vec::new();
            steps.extend(site.secret.clone().map(Step::PrependSecret));
            steps.push(Step::Prepend(salt(salt_octets)?));
            let iterated = Iterated::plain(Algorithm::Sha256, 1024);
            digest(steps, Derivation::Iterated(iterated), hash.to_vec())
        }
        _ => refuse("has a wrong length"),
    }
}

/// Parses `{SALT}HASH` or `HASH`. The salt is put after the password with its braces.
fn message_digest(algorithm: Algorithm, stored: &Value) -> Parsed {
    let (stored, rounds) = match stored {
        Value::String(_) => (text(stored)?, 1),
        _ => (
            field(stored, &["hash"])?,
            number_field(stored, &["iterations"], 1)?,
        ),
    };
    let end = stored.starts_with('{').then(|| stored.find('}')).flatten();
    let split = end.and_then(|end| stored.split_at_checked(end + 1));
    let (salt_text, hash) = split.unwrap_or(("", stored));
    let octets = octets(hash)?;
    if octets.len() != algorithm.length() || rounds == 0 {
        return refuse("has no rounds, or a digest of a wrong length");
    }
    let mut steps = Vec::new();
    if !salt_text.is_empty() {
        steps.push(Step::Append(salt(salt_text)?));
    }
    match rounds {
        1 => {
            steps.push(raw_of(algorithm));
            steps_only(steps, octets)
        }
        _ => {
            let iterated = Iterated::plain(algorithm, rounds);
            digest(steps, Derivation::Iterated(iterated), octets)
        }
    }
}

/// Parses `{SSHA}` and `{SHA}` in either case, or a plain password.
fn ldap(stored: &str) -> Parsed {
    let Some((scheme, hash)) = stored
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
    else {
        return plain(stored);
    };
    let octets = Base64::Padded.decode(hash)?;
    match (scheme, octets.split_at_checked(20)) {
        ("SSHA" | "ssha", Some((hash, salt_octets))) => {
            let steps = vec![Step::Append(salt(salt_octets)?), raw_of(Algorithm::Sha1)];
            steps_only(steps, hash.to_vec())
        }
        ("SHA" | "sha", Some((hash, []))) => {
            steps_only(vec![raw_of(Algorithm::Sha1)], hash.to_vec())
        }
        _ => refuse("is of a scheme that LdapShaPasswordEncoder does not have"),
    }
}
