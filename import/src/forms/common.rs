//! Forms that many systems share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use shared::domain::PasswordHash;
use shared::domain::password::legacy::{
    Algorithm, Argon2Kind, Bcrypt, Derivation, Encoding, HmacKey, LegacyArgon2, LegacyScheme,
    Octets, Pbkdf2, Scrypt, SecretName, Step,
};

use super::text::{Base64, after, number, parts, refuse, refuse_as};
use super::{FormError, FormReason, OldPassword, Site};

/// What a form is parsed into.
pub(super) type Parsed = Result<OldPassword, FormError>;

/// The longest salt or digest, in octets.
pub(super) const LONGEST: usize = 1024;

/// Returns a password of which `octets` are the digest, after its cost was checked.
pub(super) fn digest(steps: Vec<Step>, derivation: Derivation, octets: Vec<u8>) -> Parsed {
    if octets.is_empty() || octets.len() > LONGEST {
        return refuse(format!("has a digest of {} octets", octets.len()));
    }
    let scheme = LegacyScheme {
        steps,
        derivation,
        or_slashed: false,
    };
    if let Err(too_costly) = scheme.work() {
        return refuse_as(FormReason::TooCostly, too_costly.to_string());
    }
    Ok(OldPassword::Digest {
        scheme,
        digest: octets.into(),
    })
}

/// Returns a password whose digest is what the steps make.
pub(super) fn steps_only(steps: Vec<Step>, octets: Vec<u8>) -> Parsed {
    digest(steps, Derivation::Plain, octets)
}

/// Puts `steps` before those of a password.
pub(super) fn after_steps(mut steps: Vec<Step>, parsed: Parsed) -> Parsed {
    Ok(match parsed? {
        OldPassword::Digest { mut scheme, digest } => {
            steps.append(&mut scheme.steps);
            scheme.steps = steps;
            OldPassword::Digest { scheme, digest }
        }
        OldPassword::Argon2id {
            steps: mut last,
            hash,
        } => {
            steps.append(&mut last);
            OldPassword::Argon2id { steps, hash }
        }
        // No other system's password is one of ours.
        OldPassword::Stored(stored) => OldPassword::Stored(stored),
        OldPassword::Unusable => OldPassword::Unusable,
    })
}

/// Returns octets that are no longer than a salt may be.
pub(super) fn salt(octets: impl Into<Vec<u8>>) -> Result<Octets, FormError> {
    let octets = octets.into();
    match octets.len() <= LONGEST {
        true => Ok(Octets(octets)),
        false => refuse(format!("has a salt of {} octets", octets.len())),
    }
}

/// The step of a digest in hexadecimal digits.
pub(super) const fn hex_of(algorithm: Algorithm) -> Step {
    Step::Digest(algorithm, Encoding::Hex)
}

/// The step of a digest in octets.
pub(super) const fn raw_of(algorithm: Algorithm) -> Step {
    Step::Digest(algorithm, Encoding::Raw)
}

/// The step of an HMAC with a key that is known.
pub(super) fn hmac_of(algorithm: Algorithm, key: &[u8], encoding: Encoding) -> Step {
    Step::Hmac(algorithm, HmacKey::Octets(Octets(key.to_vec())), encoding)
}

/// Returns the name of the site's secret.
pub(super) fn secret(site: &Site, what: &str) -> Result<SecretName, FormError> {
    match &site.secret {
        Some(name) => Ok(name.clone()),
        None => refuse_as(
            FormReason::NoSecret,
            format!("needs a secret of the old site, which is {what}; name it in password_secret"),
        ),
    }
}

/// Parses the name of a hash function, such as `sha256`, `SHA-256` or `sha-256`.
pub(super) fn algorithm(name: &str) -> Result<Algorithm, FormError> {
    Ok(match name.to_ascii_lowercase().replace('-', "").as_str() {
        "md4" => Algorithm::Md4,
        "md5" => Algorithm::Md5,
        "sha1" | "sha" => Algorithm::Sha1,
        "sha224" => Algorithm::Sha224,
        "sha256" => Algorithm::Sha256,
        "sha384" => Algorithm::Sha384,
        "sha512" => Algorithm::Sha512,
        "sha3_224" => Algorithm::Sha3_224,
        "sha3_256" => Algorithm::Sha3_256,
        "sha3_384" => Algorithm::Sha3_384,
        "sha3_512" => Algorithm::Sha3_512,
        _ => return refuse("has an unknown hash function"),
    })
}

/// Returns a PBKDF2 whose length is that of the digest.
pub(super) fn pbkdf2(
    algorithm: Algorithm,
    rounds: u32,
    salt_octets: impl Into<Vec<u8>>,
    octets: Vec<u8>,
) -> Parsed {
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    if rounds == 0 {
        return refuse("has no rounds");
    }
    let derivation = Derivation::Pbkdf2(Pbkdf2 {
        algorithm,
        rounds,
        salt: salt(salt_octets)?,
        salt_secret: None,
        length,
    });
    digest(Vec::new(), derivation, octets)
}

/// Returns an scrypt whose length is that of the digest.
pub(super) fn scrypt(
    (ln, r, p): (u8, u32, u32),
    salt_octets: impl Into<Vec<u8>>,
    octets: Vec<u8>,
) -> Parsed {
    if ln == 0 || r == 0 || p == 0 {
        return refuse("has a parameter of scrypt that is 0");
    }
    let derivation = Derivation::Scrypt(Scrypt {
        ln,
        r,
        p,
        salt: salt(salt_octets)?,
        length: u32::try_from(octets.len()).unwrap_or(u32::MAX),
    });
    digest(Vec::new(), derivation, octets)
}

/// Parses a bcrypt in the form of crypt(3): `$2b$12$`, 22 characters of salt, and 31 of the digest.
/// The letters a, b and y mean the same; x is crypt_blowfish before 1.1.
pub(super) fn bcrypt(text: &str) -> Parsed {
    let [nothing, version, cost, rest] = parts(text, '$')?;
    if !nothing.is_empty() || !matches!(version, "2a" | "2b" | "2x" | "2y") || cost.len() != 2 {
        return refuse("is not a bcrypt hash");
    }
    let Some((salt_text, digest_text)) = rest.split_at_checked(22) else {
        return refuse("is not a bcrypt hash");
    };
    if digest_text.len() != 31 {
        return refuse("is a bcrypt hash of a wrong length");
    }
    let octets = (
        Base64::BcryptSalt.decode(salt_text)?,
        Base64::Bcrypt.decode(digest_text)?,
    );
    bcrypt_of(number(cost)?, octets, version == "2x")
}

/// Returns a bcrypt of its cost, its salt and its digest.
pub(super) fn bcrypt_of(
    cost: u32,
    (salt_octets, octets): (Vec<u8>, Vec<u8>),
    sign_extended: bool,
) -> Parsed {
    let length = octets.len() == Bcrypt::LENGTH && salt_octets.len() == 16;
    if !length || !(4..=31).contains(&cost) {
        return refuse("is a bcrypt hash of a wrong cost or length");
    }
    let bcrypt = Bcrypt {
        cost,
        salt: Octets(salt_octets),
        sign_extended,
    };
    digest(Vec::new(), Derivation::Bcrypt(bcrypt), octets)
}

/// The parts of an Argon2 hash in the PHC string format.
pub(super) struct Argon2Parts {
    /// The parameters.
    pub argon2: LegacyArgon2,
    /// Whether it names a key.
    pub has_key_id: bool,
    /// The digest.
    pub digest: Vec<u8>,
}

/// Parses an Argon2 hash: `$argon2id$v=19$m=65536,t=3,p=4$salt$digest`. Without `v=`, it is
/// version 16.
pub(super) fn argon2_parts(text: &str) -> Result<Argon2Parts, FormError> {
    let rest = after(text, "$argon2")?;
    let (kind, rest) = rest.split_once('$').unwrap_or_default();
    let kind = match kind {
        "d" => Argon2Kind::D,
        "i" => Argon2Kind::I,
        "id" => Argon2Kind::Id,
        _ => return refuse("is not an Argon2 hash"),
    };
    let (v, rest) = match rest.strip_prefix("v=") {
        Some(rest) => rest.split_once('$').unwrap_or_default(),
        None => ("16", rest),
    };
    let [params, salt_text, digest_text] = parts(rest, '$')?;
    let digest = Base64::Unpadded.decode(digest_text)?;
    let mut argon2 = LegacyArgon2 {
        kind,
        v: number(v)?,
        m: 0,
        t: 0,
        p: 0,
        salt: salt(Base64::Unpadded.decode(salt_text)?)?,
        data: None,
        secret: None,
        length: u32::try_from(digest.len()).unwrap_or(u32::MAX),
    };
    let mut has_key_id = false;
    for param in params.split(',') {
        match param.split_once('=') {
            Some(("m", m)) => argon2.m = number(m)?,
            Some(("t", t)) => argon2.t = number(t)?,
            Some(("p", p)) => argon2.p = number(p)?,
            Some(("data", data)) => argon2.data = Some(salt(Base64::Unpadded.decode(data)?)?),
            Some(("keyid", _)) => has_key_id = true,
            _ => return refuse("has an unknown parameter of Argon2"),
        }
    }
    match argon2.is_usable() {
        true => Ok(Argon2Parts {
            argon2,
            has_key_id,
            digest,
        }),
        false => refuse("has parameters that Argon2 does not take"),
    }
}

/// Parses an Argon2 hash. One that is as strong as ours is kept as it is.
pub(super) fn argon2(text: &str) -> Parsed {
    argon2_of(argon2_parts(text)?)
}

/// Returns an Argon2 hash of its parts.
pub(super) fn argon2_of(parts: Argon2Parts) -> Parsed {
    let Argon2Parts {
        argon2,
        digest: octets,
        ..
    } = parts;
    let kept = kept(&argon2, &octets);
    let wrapped = digest(Vec::new(), Derivation::Argon2(argon2), octets)?;
    Ok(match kept {
        Some(hash) => OldPassword::Argon2id {
            steps: Vec::new(),
            hash,
        },
        None => wrapped,
    })
}

/// Returns the hash if it is Argon2id and no weaker than OWASP's Password Storage Cheat Sheet asks.
fn kept(argon2: &LegacyArgon2, octets: &[u8]) -> Option<PasswordHash> {
    const LEAST: [(u32, u32); 5] = [(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)];
    let LegacyArgon2 { m, t, p, .. } = *argon2;
    let strong = LEAST
        .into_iter()
        .any(|(memory, passes)| m >= memory && t >= passes);
    let lengths = (8..=64).contains(&argon2.salt.0.len()) && (16..=64).contains(&octets.len());
    let plain = argon2.data.is_none() && argon2.secret.is_none();
    let kind = argon2.kind == Argon2Kind::Id && argon2.v == 19;
    if !(strong && lengths && plain && kind && p <= 16) {
        return None;
    }
    let salt_text = STANDARD_NO_PAD.encode(&argon2.salt.0);
    let digest_text = STANDARD_NO_PAD.encode(octets);
    let text = format!("$argon2id$v=19$m={m},t={t},p={p}${salt_text}${digest_text}");
    PasswordHash::imported(&text).ok()
}

/// Parses a bcrypt or Argon2 hash, as many systems take either.
pub(super) fn bcrypt_or_argon2(text: &str) -> Parsed {
    match text.starts_with("$argon2") {
        true => argon2(text),
        false => bcrypt(text),
    }
}
