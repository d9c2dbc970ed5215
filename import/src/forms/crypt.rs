//! crypt(3), as /etc/shadow, libxcrypt, htpasswd and many others have it.

use shared::domain::password::legacy::crypt64::{self, Order};
use shared::domain::password::legacy::{Algorithm, Crypt, Derivation, Octets, Step, Yescrypt};

use super::common::{Parsed, after_steps, bcrypt, digest, scrypt};
use super::text::{lower_hex, number, parts, refuse, text};
use super::{FormError, Format, OldPassword, ldap};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "crypt",
        about: "crypt(3) of libxcrypt and glibc: /etc/shadow",
        parse: |stored, _| shadow(text(stored)?),
    },
    Format {
        name: "htpasswd",
        about: "Apache's htpasswd",
        parse: |stored, _| htpasswd(text(stored)?),
    },
];

/// Parses the second field of /etc/shadow. One that begins with `!` or `*` is locked, and with an
/// empty one no password is asked for.
fn shadow(stored: &str) -> Parsed {
    match stored.bytes().next() {
        None | Some(b'!' | b'*') => Ok(OldPassword::Unusable),
        _ if stored == "x" => refuse("is an x: the hash is in /etc/shadow"),
        _ => c_string(stored),
    }
}

fn htpasswd(stored: &str) -> Parsed {
    match stored.starts_with("{SHA}") {
        true => ldap::plain_or_salted(stored),
        false => c_string(stored),
    }
}

/// Parses a hash by a program that takes passwords for C strings.
pub(super) fn c_string(stored: &str) -> Parsed {
    after_steps(vec![Step::CutAtNul], any(stored))
}

/// Parses any hash of crypt(3).
pub(super) fn any(stored: &str) -> Parsed {
    let kind = stored
        .strip_prefix('$')
        .and_then(|rest| rest.split(['$', ',']).next());
    match kind {
        None if stored.starts_with('_') => bsdi(stored),
        None => des(stored),
        Some("1" | "apr1") => md5(stored),
        Some("2a" | "2b" | "2x" | "2y") => bcrypt(stored),
        Some("3") => nt(stored),
        Some("5" | "6") => sha2(stored),
        Some("7") => scrypt7(stored),
        Some("gy" | "y") => yescrypt(stored),
        Some("md5") => sun(stored),
        Some("sha1") => sha1(stored),
        Some(_) => refuse("is of a kind of crypt(3) that is not known here"),
    }
}

/// Returns a password of crypt(3).
fn crypt(crypt: Crypt, octets: Vec<u8>) -> Parsed {
    digest(Vec::new(), Derivation::Crypt(crypt), octets)
}

/// Decodes crypt(3)'s base64.
fn decode(text: &str, order: Order, length: usize) -> Result<Vec<u8>, FormError> {
    match crypt64::decode(text, order) {
        Some(octets) if octets.len() == length => Ok(octets),
        _ => refuse("has a digest that crypt(3) does not write"),
    }
}

/// Decodes a digest whose octets are written in the order `places`.
fn permuted(text: &str, places: &[usize]) -> Result<Vec<u8>, FormError> {
    let written = decode(text, Order::LowFirst, places.len())?;
    let mut octets = vec![0; places.len()];
    for (octet, &place) in written.into_iter().zip(places) {
        if let Some(target) = octets.get_mut(place) {
            *target = octet;
        }
    }
    Ok(octets)
}

fn salt_of(text: &str, most: usize) -> Result<Octets, FormError> {
    match text.len() <= most {
        true => Ok(Octets::from(text.as_bytes())),
        false => refuse("has a salt that is too long"),
    }
}

/// Parses a number in crypt(3)'s base64.
fn crypt_number(text: &str) -> Result<u32, FormError> {
    match crypt64::number(text) {
        Some(number) => Ok(number),
        None => refuse("has characters that crypt(3) does not write"),
    }
}

fn des(stored: &str) -> Parsed {
    let Some((salt, hash)) = stored.split_at_checked(2) else {
        return refuse("is not a hash of crypt(3)");
    };
    let Ok(salt) = u16::try_from(crypt_number(salt)?) else {
        return refuse("has an impossible salt");
    };
    crypt(Crypt::Des { salt }, decode(hash, Order::HighFirst, 8)?)
}

/// Parses BSDi's `_`, four characters of rounds, four of salt, and eleven of the digest.
fn bsdi(stored: &str) -> Parsed {
    let (Some(rounds), Some(salt), Some(hash)) =
        (stored.get(1..5), stored.get(5..9), stored.get(9..))
    else {
        return refuse("is too short");
    };
    let (rounds, salt) = (crypt_number(rounds)?, crypt_number(salt)?);
    match rounds {
        0 => refuse("has no rounds"),
        _ => crypt(
            Crypt::Bsdi { rounds, salt },
            decode(hash, Order::HighFirst, 8)?,
        ),
    }
}

/// Where md5-crypt writes the octets of its digest.
const MD5_PLACES: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

/// Parses `$1$salt$hash`, and Apache's `$apr1$`.
fn md5(stored: &str) -> Parsed {
    let [_, kind, salt, hash] = parts(stored, '$')?;
    let octets = permuted(hash, &MD5_PLACES)?;
    md5_of(kind == "apr1", salt_of(salt, 8)?, octets)
}

/// Returns an md5-crypt of its salt and its digest.
pub(super) fn md5_of(apache: bool, salt: Octets, octets: Vec<u8>) -> Parsed {
    crypt(Crypt::Md5 { salt, apache }, octets)
}

/// Parses `$5$salt$hash` and `$6$rounds=5000$salt$hash`.
fn sha2(stored: &str) -> Parsed {
    let fields: Vec<&str> = stored.split('$').collect();
    let (kind, rounds, salt, hash) = match fields.as_slice() {
        [_, kind, salt, hash] => (*kind, 5_000, *salt, *hash),
        [_, kind, rounds, salt, hash] => match rounds.strip_prefix("rounds=") {
            Some(rounds) => (*kind, number(rounds)?, *salt, *hash),
            None => return refuse("has a part too many"),
        },
        _ => return refuse("is not a hash of SHA-crypt"),
    };
    if !(1_000..=999_999_999).contains(&rounds) {
        return refuse("has a number of rounds that SHA-crypt does not take");
    }
    let salt = salt_of(salt, 16)?;
    match kind {
        "5" => crypt(
            Crypt::Sha256 { rounds, salt },
            permuted(hash, &sha256_places())?,
        ),
        _ => crypt(
            Crypt::Sha512 { rounds, salt },
            permuted(hash, &sha512_places())?,
        ),
    }
}

/// Where SHA-crypt writes the octets of its digest: groups of three that are `third` apart, turned
/// by one each time.
fn sha_places<const N: usize>(third: usize, turn: usize, last: &[usize]) -> [usize; N] {
    let groups = (0..third).flat_map(|group| {
        let first = (2 + turn * group) % 3;
        (0..3).map(move |each| (first + 2 * each) % 3 * third + group)
    });
    let mut places = [0; N];
    for (place, found) in places.iter_mut().zip(groups.chain(last.iter().copied())) {
        *place = found;
    }
    places
}

fn sha256_places() -> [usize; 32] {
    sha_places(10, 2, &[30, 31])
}

fn sha512_places() -> [usize; 64] {
    sha_places(21, 1, &[63])
}

/// Parses NetBSD's `$sha1$rounds$salt$hash`. The last group of the digest repeats its first octet.
fn sha1(stored: &str) -> Parsed {
    let [_, _, rounds, salt, hash] = parts(stored, '$')?;
    let mut octets = Vec::with_capacity(21);
    for group in decode(hash, Order::LowFirst, 21)?.chunks(3) {
        octets.extend(group.iter().rev());
    }
    if octets.pop() != octets.first().copied() {
        return refuse("has a digest that crypt(3) does not write");
    }
    let rounds = number(rounds)?;
    match rounds {
        0 => refuse("has no rounds"),
        _ => crypt(
            Crypt::Sha1 {
                rounds,
                salt: salt_of(salt, 64)?,
            },
            octets,
        ),
    }
}

/// Parses Solaris' `$md5,rounds=1000$salt$$hash`, and `$md5$salt$hash`, whose salt ends before the
/// last `$`.
fn sun(stored: &str) -> Parsed {
    let Some((settings, hash)) = stored.rsplit_once('$') else {
        return refuse("is not a hash of Solaris");
    };
    let rest = settings.get("$md5$".len()..).unwrap_or_default();
    let rounds = match rest.strip_prefix("rounds=") {
        Some(rest) => number(rest.split('$').next().unwrap_or_default())?,
        None => 0,
    };
    if settings.len() > 64 {
        return refuse("has a salt that is too long");
    }
    let settings = settings.to_owned();
    crypt(
        Crypt::Sun { rounds, settings },
        permuted(hash, &MD5_PLACES)?,
    )
}

/// Parses FreeBSD's `$3$$hash`.
fn nt(stored: &str) -> Parsed {
    let [_, _, nothing, hash] = parts(stored, '$')?;
    let octets = lower_hex(hash)?;
    match nothing.is_empty() && octets.len() == Algorithm::Md4.length() {
        true => crypt(Crypt::Nt, octets),
        false => refuse("is not an NT-Hash"),
    }
}

/// Parses `$7$`, one character of the logarithm of N, five each of r and p, the salt, and the
/// digest.
fn scrypt7(stored: &str) -> Parsed {
    let [_, _, settings, hash] = parts(stored, '$')?;
    let (Some(n), Some(r), Some(p), Some(salt)) = (
        settings.get(..1),
        settings.get(1..6),
        settings.get(6..11),
        settings.get(11..),
    ) else {
        return refuse("is too short");
    };
    let ln = u8::try_from(crypt_number(n)?).unwrap_or(u8::MAX);
    let params = (ln, crypt_number(r)?, crypt_number(p)?);
    scrypt(params, salt, decode(hash, Order::LowFirst, 32)?)
}

/// Parses `$y$params$salt$hash`, and `$gy$`.
fn yescrypt(stored: &str) -> Parsed {
    let [_, kind, params, salt, hash] = parts(stored, '$')?;
    if params.len() > 48 || salt.len() > 86 || crypt64::decode(salt, Order::LowFirst).is_none() {
        return refuse("has settings that yescrypt does not take");
    }
    let yescrypt = Yescrypt {
        params: params.to_owned(),
        salt: salt.to_owned(),
        gost: kind == "gy",
    };
    if !yescrypt.is_usable() {
        return refuse("has parameters of yescrypt that are not computed here");
    }
    crypt(
        Crypt::Yescrypt(yescrypt),
        decode(hash, Order::LowFirst, 32)?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha_crypt_writes_its_octets_in_the_order_of_its_specification() {
        let places = [20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3];
        assert_eq!(sha256_places()[..12], places);
        assert_eq!(sha256_places()[27..], [29, 19, 9, 30, 31]);
        let places = [42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3];
        assert_eq!(sha512_places()[..12], places);
        assert_eq!(sha512_places()[60..], [41, 20, 62, 63]);
    }
}
