//! Directories and mail servers, which put the scheme between braces.

use shared::domain::password::legacy::{Algorithm, Derivation, Mysql323, Scram, Step};

use super::common::{Parsed, after_steps, algorithm, argon2, digest, pbkdf2, raw_of, steps_only};
use super::text::{Base64, hex, lower_hex, number, parts, refuse, text};
use super::{FormError, Format, crypt, databases, passlib};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "openldap",
        about: "OpenLDAP: userPassword",
        parse: |stored, _| openldap(text(stored)?),
    },
    Format {
        name: "zope",
        about: "Zope and Plone: AuthEncoding",
        parse: |stored, _| zope(text(stored)?),
    },
    Format {
        name: "dovecot",
        about: "Dovecot: {SCHEME} or {SCHEME.ENCODING}, and the password",
        parse: |stored, _| dovecot(text(stored)?),
    },
];

/// Splits `{SCHEME}rest`. The scheme is in upper case.
fn scheme(stored: &str) -> Option<(String, &str)> {
    let (scheme, rest) = stored.strip_prefix('{')?.split_once('}')?;
    Some((scheme.to_ascii_uppercase(), rest))
}

/// Returns a password that was stored in clear.
pub(super) fn clear(password: &str) -> Parsed {
    match password {
        "" => refuse("is empty"),
        _ => steps_only(Vec::new(), password.into()),
    }
}

/// Parses the schemes that are a hash function: `{SHA}`, `{SSHA256}`, `{MD5}`, `{SMD5}` and so on.
pub(super) fn plain_or_salted(stored: &str) -> Parsed {
    match scheme(stored) {
        Some((scheme, rest)) => match function(&scheme) {
            Some((algorithm, salted)) => {
                let octets = base64_or_hex(rest, algorithm, salted)?;
                hash_function(algorithm, salted, octets)
            }
            None => refuse("is of a scheme that is not known here"),
        },
        None => refuse("has no scheme between braces"),
    }
}

/// Returns the hash function of a scheme, and whether it has a salt.
fn function(scheme: &str) -> Option<(Algorithm, bool)> {
    let (name, salted) = match scheme {
        "SMD5" => ("MD5", true),
        _ => match scheme.strip_prefix('S') {
            Some(name) if name.starts_with("SHA") => (name, true),
            _ => (scheme, false),
        },
    };
    let known = ["MD5", "SHA", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"].contains(&name);
    let algorithm = algorithm(name).ok().filter(|_| known)?;
    Some((algorithm, salted))
}

/// Decodes a digest, and the salt after it. passlib and Dovecot write a digest without a salt in
/// hexadecimal digits, too; its length tells.
fn base64_or_hex(rest: &str, algorithm: Algorithm, salted: bool) -> Result<Vec<u8>, FormError> {
    match !salted && rest.len() == 2 * algorithm.length() {
        true => hex(rest),
        false => Base64::Lenient.decode(rest),
    }
}

/// Returns a digest of the password, and of the salt that stands after it.
fn hash_function(algorithm: Algorithm, salted: bool, octets: Vec<u8>) -> Parsed {
    let Some((digest, salt)) = octets.split_at_checked(algorithm.length()) else {
        return refuse("has a digest of a wrong length");
    };
    let steps = match (salted, salt) {
        (false, []) => vec![raw_of(algorithm)],
        (true, [_, ..]) => vec![Step::Append(super::common::salt(salt)?), raw_of(algorithm)],
        (false, _) => return refuse("has a digest of a wrong length"),
        (true, []) => return refuse("has no salt"),
    };
    steps_only(steps, digest.to_vec())
}

/// Parses a value of `userPassword`. Without a scheme, it is the password. Modules take passwords for
/// octets; crypt(3) is not asked if there is a NUL.
fn openldap(stored: &str) -> Parsed {
    let Some((scheme, rest)) = scheme(stored) else {
        return clear(stored);
    };
    match scheme.as_str() {
        "CLEARTEXT" => clear(rest),
        "CRYPT" => after_steps(vec![Step::RefuseNul], crypt::any(rest)),
        "ARGON2" => argon2(rest),
        "APR1" | "BSDMD5" => {
            let octets = Base64::Lenient.decode(rest)?;
            match octets.split_at_checked(16) {
                Some((digest, salt)) if !salt.is_empty() => {
                    let salt = super::common::salt(salt)?;
                    crypt::md5_of(scheme == "APR1", salt, digest.to_vec())
                }
                _ => refuse("has a digest of a wrong length, or no salt"),
            }
        }
        "SASL" | "KERBEROS" | "UNIX" => {
            refuse("tells where the password is verified; it is not stored here")
        }
        _ if scheme.starts_with("PBKDF2") => passlib::ldap_pbkdf2(stored),
        _ => plain_or_salted(stored),
    }
}

/// Parses a value of AuthEncoding. Without one of its schemes, it is the password.
fn zope(stored: &str) -> Parsed {
    let (scheme, rest) = match stored.split_once('}') {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", stored),
    };
    match scheme {
        "{SSHA" | "{SHA" => {
            let (algorithm, salted) = (Algorithm::Sha1, scheme == "{SSHA");
            let octets = Base64::Lenient.decode(&rest.replace('-', "+").replace('_', "/"))?;
            hash_function(algorithm, salted, octets)
        }
        "{SHA256" => hash_function(Algorithm::Sha256, false, lower_hex(rest)?),
        "{BCRYPT" => super::common::bcrypt(rest),
        "{CRYPT" => after_steps(vec![Step::RefuseNul], crypt::any(rest)),
        "{MYSQL" => databases::mysql323(rest, Mysql323 { code_points: true }),
        _ => clear(stored),
    }
}

/// Parses a password of Dovecot, which takes passwords for C strings.
fn dovecot(stored: &str) -> Parsed {
    let Some((scheme, rest)) = scheme(stored) else {
        return match stored.starts_with('$') {
            true => crypt::c_string(stored),
            false => refuse("has no scheme; put the default of the site before it, as {PLAIN}"),
        };
    };
    let (scheme, encoding) = match scheme.split_once('.') {
        Some((scheme, encoding)) => (scheme, encoding),
        None => (scheme.as_str(), ""),
    };
    let decode = |usual| match encoding {
        "HEX" => hex(rest),
        "B64" | "BASE64" => Base64::Padded.decode(rest),
        "" => usual,
        _ => refuse("has an unknown encoding"),
    };
    let clear_octets = Ok(rest.as_bytes().to_vec());
    match scheme {
        "PLAIN" | "CLEAR" | "CLEARTEXT" => match decode(clear_octets)?.as_slice() {
            [] => refuse("is empty"),
            password => steps_only(Vec::new(), password.to_vec()),
        },
        "MD5" if rest.starts_with("$1$") => crypt::c_string(rest),
        "MD5" | "PLAIN-MD5" | "LDAP-MD5" => {
            let usual = base64_or_hex(rest, Algorithm::Md5, false);
            hash_function(Algorithm::Md5, false, decode(usual)?)
        }
        "PLAIN-MD4" => {
            let usual = base64_or_hex(rest, Algorithm::Md4, false);
            hash_function(Algorithm::Md4, false, decode(usual)?)
        }
        "NTLM" => databases::nthash(rest),
        "CRYPT" | "MD5-CRYPT" | "DES-CRYPT" | "BLF-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" => {
            crypt::c_string(rest)
        }
        "ARGON2" | "ARGON2I" | "ARGON2ID" => argon2(rest),
        "PBKDF2" => dovecot_pbkdf2(rest),
        "SCRAM-SHA-1" => scram(Algorithm::Sha1, rest),
        "SCRAM-SHA-256" => scram(Algorithm::Sha256, rest),
        "CRAM-MD5" | "HMAC-MD5" | "DIGEST-MD5" | "OTP" | "SKEY" | "RPA" => {
            refuse("is of a scheme for logins by challenge, which cannot be verified here")
        }
        "PLAIN-TRUNC" => refuse("is a password that was cut"),
        _ => match function(scheme) {
            Some((algorithm, salted)) => {
                let usual = base64_or_hex(rest, algorithm, salted);
                hash_function(algorithm, salted, decode(usual)?)
            }
            None => refuse("is of a scheme that is not known here"),
        },
    }
}

/// Parses `$1$SALT$5000$HASH`: PBKDF2-SHA1 with the salt as text.
fn dovecot_pbkdf2(rest: &str) -> Parsed {
    let [nothing, kind, salt, rounds, hash] = parts(rest, '$')?;
    let octets = hex(hash)?;
    match (nothing, kind, octets.len()) {
        ("", "1", 20) => pbkdf2(Algorithm::Sha1, number(rounds)?, salt, octets),
        _ => refuse("is not a PBKDF2 of Dovecot"),
    }
}

/// Parses `4096,SALT,STOREDKEY,SERVERKEY`.
fn scram(algorithm: Algorithm, rest: &str) -> Parsed {
    let [rounds, salt, stored_key, server_key] = parts(rest, ',')?;
    scram_of(algorithm, rounds, salt, [stored_key, server_key])
}

/// Returns a SCRAM of the parts in base64.
pub(super) fn scram_of(
    algorithm: Algorithm,
    rounds: &str,
    salt: &str,
    [stored_key, server_key]: [&str; 2],
) -> Parsed {
    let rounds = number(rounds)?;
    let keys = [stored_key, server_key].map(|key| Base64::Padded.decode(key));
    let [stored_key, server_key] = keys;
    let (stored_key, server_key) = (stored_key?, server_key?);
    let length = algorithm.length();
    if rounds == 0
        || [&stored_key, &server_key]
            .iter()
            .any(|key| key.len() != length)
    {
        return refuse("is not a SCRAM of its hash function");
    }
    let scram = Scram {
        algorithm,
        rounds,
        salt: super::common::salt(Base64::Padded.decode(salt)?)?,
    };
    digest(Vec::new(), Derivation::Scram(scram), stored_key)
}

/// Parses what passlib and libpass write with a scheme between braces.
pub(super) fn passlib_braces(stored: &str) -> Parsed {
    let Some((scheme, rest)) = scheme(stored) else {
        return refuse("has no scheme between braces");
    };
    match scheme.as_str() {
        "CRYPT" => after_steps(vec![Step::RefuseNul], crypt::any(rest)),
        "PLAINTEXT" => clear(rest),
        _ => plain_or_salted(stored),
    }
}
