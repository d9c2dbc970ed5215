//! WordPress, MediaWiki, Drupal, DokuWiki, and phpass, which three of them use.

use shared::domain::password::legacy::crypt64::{self, Order};
use shared::domain::password::legacy::{Algorithm, Derivation, Encoding, Octets, Phpass, Step};

use super::common::{
    Parsed, after_steps, algorithm, argon2, argon2_parts, bcrypt, digest, hex_of, hmac_of, pbkdf2,
    raw_of, steps_only,
};
use super::text::{Base64, lower_hex, number, parts, refuse, refuse_as, text};
use super::{FormReason, Format, OldPassword, crypt, databases, django, ldap, php};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "phpass",
        about: "phpass: $P$ and $H$ (phpBB), and what it leaves to crypt()",
        parse: |stored, _| phpass(text(stored)?),
    },
    Format {
        name: "wordpress",
        about: "WordPress 6.8 and newer",
        parse: |stored, _| wordpress(text(stored)?),
    },
    Format {
        name: "wordpress-6.7",
        about: "WordPress 2.5 to 6.7, which takes $H$ of phpBB, too",
        parse: |stored, _| wordpress_6_7(text(stored)?),
    },
    Format {
        name: "mediawiki",
        about: "MediaWiki",
        parse: |stored, _| mediawiki(text(stored)?),
    },
    Format {
        name: "drupal",
        about: "Drupal 6 and newer",
        parse: |stored, _| drupal(text(stored)?),
    },
    Format {
        name: "dokuwiki",
        about: "DokuWiki",
        parse: |stored, _| dokuwiki(text(stored)?),
    },
];

/// Parses what phpass' `CheckPassword` takes.
fn phpass(stored: &str) -> Parsed {
    match stored.get(..3) {
        Some("$P$" | "$H$") => portable(stored),
        _ => crypt::c_string(stored),
    }
}

/// Parses phpass' portable hash: `$P$`, one character of the logarithm of the rounds, eight of salt,
/// and the digest.
pub(super) fn portable(stored: &str) -> Parsed {
    let (Some(cost), Some(salt), Some(hash)) =
        (stored.get(3..4), stored.get(4..12), stored.get(12..))
    else {
        return refuse("is too short");
    };
    let drupal = stored.starts_with("$S$");
    let cost = crypt64::number(cost).unwrap_or(0);
    if !(7..=30).contains(&cost) {
        return refuse("has a number of rounds that phpass does not take");
    }
    let octets = match drupal {
        false => crypt64::decode(hash, Order::LowFirst).filter(|octets| octets.len() == 16),
        true => drupal_digest(hash),
    };
    let Some(octets) = octets else {
        return refuse("has a digest that phpass does not write");
    };
    let salt = Octets::from(salt.as_bytes());
    let phpass = Phpass { cost, salt, drupal };
    digest(Vec::new(), Derivation::Phpass(phpass), octets)
}

/// Decodes 43 characters: 258 bits of a SHA-512.
fn drupal_digest(hash: &str) -> Option<Vec<u8>> {
    let (most, last) = hash
        .split_at_checked(42)
        .filter(|(_, last)| last.len() == 1)?;
    // A group of two characters would be one octet; these three have two octets and two bits.
    let (whole, two) = most.split_at_checked(40)?;
    let mut octets = crypt64::decode(whole, Order::LowFirst)?;
    let bits = crypt64::number(&format!("{two}{last}"))?;
    let [_, high, middle, low] = bits.to_be_bytes();
    octets.extend([low, middle, high]);
    Some(octets)
}

fn wordpress(stored: &str) -> Parsed {
    let parsed = match stored {
        _ if stored.starts_with("$wp") => {
            let step = hmac_of(Algorithm::Sha384, b"wp-sha384", Encoding::Base64);
            after_steps(vec![step], bcrypt(stored.get(3..).unwrap_or_default()))
        }
        _ if stored.starts_with("$P$") => portable(stored),
        _ if stored.starts_with("$H$") => {
            return refuse("is of phpBB, which WordPress 6.8 does not take: see wordpress-6.7");
        }
        _ if stored.starts_with("$argon2") => wrapped_argon2(stored),
        _ if stored.len() <= 32 => md5(stored),
        _ => crypt::c_string(stored),
    };
    slashed(parsed)
}

fn wordpress_6_7(stored: &str) -> Parsed {
    slashed(match stored.len() <= 32 {
        true => md5(stored),
        false => phpass(stored),
    })
}

/// Parses Argon2, which is not kept as it is: a login tries two passwords.
fn wrapped_argon2(stored: &str) -> Parsed {
    let parts = argon2_parts(stored)?;
    digest(Vec::new(), Derivation::Argon2(parts.argon2), parts.digest)
}

/// Marks a password that a form gave with backslashes, or a program without.
fn slashed(parsed: Parsed) -> Parsed {
    match parsed? {
        OldPassword::Digest { mut scheme, digest } => {
            scheme.or_slashed = true;
            match scheme.work() {
                Ok(_) => Ok(OldPassword::Digest { scheme, digest }),
                Err(too_costly) => refuse_as(FormReason::TooCostly, too_costly.to_string()),
            }
        }
        other => Ok(other),
    }
}

/// Parses an MD5 in hexadecimal digits.
fn md5(stored: &str) -> Parsed {
    hex_digest(Algorithm::Md5, Vec::new(), stored)
}

/// Parses a digest in hexadecimal digits, after `steps`.
fn hex_digest(algorithm: Algorithm, mut steps: Vec<Step>, stored: &str) -> Parsed {
    let octets = lower_hex(stored)?;
    if octets.len() != algorithm.length() {
        return refuse("has a digest of a wrong length");
    }
    steps.push(raw_of(algorithm));
    steps_only(steps, octets)
}

fn mediawiki(stored: &str) -> Parsed {
    let (kind, rest) = match stored
        .strip_prefix(':')
        .and_then(|rest| rest.split_once(':'))
    {
        Some(split) => split,
        None if stored.is_empty() => return Ok(OldPassword::Unusable),
        None => return refuse("does not begin with a type between colons"),
    };
    match kind {
        "A" => md5(rest),
        "B" => {
            let [salt, hash] = parts(rest, ':')?;
            hex_digest(Algorithm::Md5, mediawiki_b(salt)?, hash)
        }
        "argon2" => argon2(rest),
        "bcrypt" => mediawiki_bcrypt(rest),
        "pbkdf2" => {
            let [name, rounds, length, salt, hash] = parts(rest, ':')?;
            mediawiki_pbkdf2([name, rounds, length], salt, hash)
        }
        "pbkdf2-legacyA" => {
            let [params, salts, hash] = layers(rest, "")?;
            mediawiki_layer(vec![hex_of(Algorithm::Md5)], params, salts, hash)
        }
        "pbkdf2-legacyB" => {
            let [_, _, salt, _, _] = parts(rest, '!')?;
            let [params, salts, hash] = layers(rest, salt)?;
            let mut steps = mediawiki_b(salt)?;
            steps.push(hex_of(Algorithm::Md5));
            mediawiki_layer(steps, params, salts, hash)
        }
        "null" => Ok(OldPassword::Unusable),
        _ => refuse("is of a type of MediaWiki that is not known here"),
    }
}

/// The steps of `md5(SALT-md5hex(PASSWORD))`, without the last MD5.
fn mediawiki_b(salt: &str) -> Result<Vec<Step>, super::FormError> {
    let salt = super::common::salt(format!("{salt}-"))?;
    Ok(vec![hex_of(Algorithm::Md5), Step::Prepend(salt)])
}

/// Returns parameters, salt and digest of the outer of two layers: `!params!inner salt!salt!digest`.
fn layers<'a>(rest: &'a str, inner_salt: &str) -> Result<[&'a str; 3], super::FormError> {
    let [inner, params, inner_args, salt, hash] = parts(rest, '!')?;
    match inner.is_empty() && inner_args == inner_salt {
        true => Ok([params, salt, hash]),
        false => refuse("has parameters of the inner hash, which it does not take"),
    }
}

fn mediawiki_layer(steps: Vec<Step>, params: &str, salt: &str, hash: &str) -> Parsed {
    after_steps(steps, mediawiki_pbkdf2(parts(params, ':')?, salt, hash))
}

fn mediawiki_pbkdf2([name, rounds, length]: [&str; 3], salt: &str, hash: &str) -> Parsed {
    let octets = Base64::Padded.decode(hash)?;
    if u32::try_from(octets.len()) != Ok(number(length)?) {
        return refuse("has a digest of another length than it says");
    }
    pbkdf2(
        algorithm(name)?,
        number(rounds)?,
        Base64::Padded.decode(salt)?,
        octets,
    )
}

/// Parses `9$SALT$HASH`: a bcrypt whose cost has no leading zero.
fn mediawiki_bcrypt(rest: &str) -> Parsed {
    let [cost, salt, hash] = parts(rest, '$')?;
    let text = format!("$2y${:02}${salt}{hash}", number(cost)?);
    after_steps(vec![Step::CutAtNul], bcrypt(&text))
}

fn drupal(stored: &str) -> Parsed {
    match stored.strip_prefix('U') {
        // user_update_7000() hashed the MD5 of Drupal 6 once more.
        Some(inner) => after_steps(vec![hex_of(Algorithm::Md5)], drupal_7(inner)),
        None if stored.len() == 32 => md5(stored),
        None => drupal_7(stored),
    }
}

fn drupal_7(stored: &str) -> Parsed {
    match stored.get(..3) {
        Some("$S$" | "$P$" | "$H$") => portable(stored),
        _ => php::password_verify(stored),
    }
}

/// Parses what `PassHash::verify_hash` takes, which tells most methods apart by their length.
fn dokuwiki(stored: &str) -> Parsed {
    match stored {
        _ if stored.starts_with("U$") => drupal(stored),
        _ if stored.starts_with("$apr1$") => crypt::any(stored),
        _ if ["$S$", "$P$", "$H$"]
            .iter()
            .any(|kind| stored.starts_with(kind)) =>
        {
            portable(stored)
        }
        _ if stored.starts_with("{SSHA}") || stored.starts_with("{SMD5}") => {
            ldap::plain_or_salted(stored)
        }
        _ if stored.starts_with(":B:") => mediawiki(stored),
        _ if ["pbkdf2_sha", "sha1$", "md5$"]
            .iter()
            .any(|kind| stored.starts_with(kind)) =>
        {
            django::old(stored)
        }
        _ if stored.starts_with("PBKDF2SHA") => {
            refuse("is of seafilepbkdf2, which DokuWiki itself fails to verify")
        }
        _ if stored.starts_with('$') => php::password_verify(stored),
        _ => match stored.len() {
            32 => md5(stored),
            40 => hex_digest(Algorithm::Sha1, Vec::new(), stored),
            41 if stored.starts_with('*') => databases::mysql41(stored),
            16 => refuse("is of the method mysql, of which a PHP of 64 bits makes something else"),
            34 => refuse("is of the method kmd5"),
            _ => crypt::c_string(stored),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drupal_cuts_is_decoded_to_the_last_bit() {
        let octets = drupal_digest(&"z".repeat(43)).unwrap();
        assert_eq!(octets, [[255; 32].as_slice(), &[3]].concat());
        assert_eq!(drupal_digest(&"z".repeat(42)), None);
        assert_eq!(drupal_digest(&"z".repeat(44)), None);
    }
}
