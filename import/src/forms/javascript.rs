//! JavaScript: what is stored as one text.

use shared::domain::password::legacy::{Algorithm, Derivation, Iterated, ScryptFile, Step};

use super::Format;
use super::common::{
    Parsed, after_steps, algorithm, argon2, bcrypt, bcrypt_of, bcrypt_or_argon2, digest, hex_of,
    salt, scrypt,
};
use super::text::{Base64, after, logarithm, lower_hex, number, parts, refuse, text};

/// What most code for Node takes: Node's own defaults.
const USUAL: (u8, u32, u32) = (14, 8, 1);

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "better-auth",
        about: "better-auth (account.password)",
        parse: |stored, _| noble_scrypt(text(stored)?, 16),
    },
    Format {
        name: "lucia",
        about: "Lucia 3 and oslo: Scrypt",
        parse: |stored, _| lucia(text(stored)?, 16),
    },
    Format {
        name: "lucia-2",
        about: "Lucia 1 and 2, and LegacyScrypt of Lucia 3",
        parse: |stored, _| lucia(text(stored)?, 8),
    },
    Format {
        name: "oslo",
        about: "oslo: Argon2id, Bcrypt and Scrypt",
        parse: |stored, _| match text(stored)? {
            stored if stored.starts_with('$') => {
                after_steps(vec![Step::Nfkc], bcrypt_or_argon2(stored))
            }
            stored => noble_scrypt(stored, 16),
        },
    },
    Format {
        name: "convex",
        about: "Convex Auth: Password",
        parse: |stored, _| noble_scrypt(text(stored)?, 16),
    },
    Format {
        name: "adonis",
        about: "AdonisJS",
        parse: |stored, _| adonis(text(stored)?),
    },
    Format {
        name: "nuxt-auth-utils",
        about: "nuxt-auth-utils",
        parse: |stored, _| adonis(text(stored)?),
    },
    Format {
        name: "medusa",
        about: "Medusa 2 (auth-emailpass), and scrypt-kdf in base64",
        parse: |stored, _| medusa(text(stored)?),
    },
    Format {
        name: "secure-password",
        about: "secure-password in base64 (Blitz.js)",
        parse: |stored, _| secure_password(text(stored)?),
    },
    Format {
        name: "meteor",
        about: "Meteor accounts-password, which hashes on the client first",
        parse: |stored, _| {
            after_steps(
                vec![hex_of(Algorithm::Sha256)],
                bcrypt_or_argon2(text(stored)?),
            )
        },
    },
    Format {
        name: "accounts-js",
        about: "accounts-js without hashing on the client",
        parse: |stored, _| bcrypt(text(stored)?),
    },
    Format {
        name: "directus",
        about: "Directus",
        parse: |stored, _| argon2(text(stored)?),
    },
    Format {
        name: "feathers",
        about: "FeathersJS authentication-local",
        parse: |stored, _| bcrypt(text(stored)?),
    },
    Format {
        name: "ghost",
        about: "Ghost",
        parse: |stored, _| bcrypt(text(stored)?),
    },
    Format {
        name: "keystone",
        about: "KeystoneJS 6",
        parse: |stored, _| after_steps(vec![Step::RefuseLonger(72)], bcrypt(text(stored)?)),
    },
    Format {
        name: "loopback",
        about: "LoopBack 3",
        parse: |stored, _| after_steps(vec![Step::RefuseLonger(72)], bcrypt(text(stored)?)),
    },
    Format {
        name: "parse",
        about: "Parse Server",
        parse: |stored, _| bcrypt_or_argon2(text(stored)?),
    },
    Format {
        name: "strapi",
        about: "Strapi",
        parse: |stored, _| bcrypt(text(stored)?),
    },
    Format {
        name: "password-hash",
        about: "password-hash (npm)",
        parse: |stored, _| password_hash(text(stored)?),
    },
    Format {
        name: "node:scrypt",
        about: "Node's scrypt with its defaults, as SALT:HASH or HASH.SALT",
        parse: |stored, _| node_scrypt(text(stored)?),
    },
];

/// Parses `SALT:KEY`, of which the salt is used as text, with the password in NFKC.
fn noble_scrypt(stored: &str, r: u32) -> Parsed {
    let [salt, key] = parts(stored, ':')?;
    let key = lower_hex(key)?;
    match key.len() {
        64 => after_steps(vec![Step::Nfkc], scrypt((14, r, 1), salt, key)),
        _ => refuse("has a key of a wrong length"),
    }
}

/// Parses `s2:SALT:KEY`, or without the version, for which the block size is `unversioned`.
fn lucia(stored: &str, unversioned: u32) -> Parsed {
    match stored.strip_prefix("s2:") {
        Some(rest) => noble_scrypt(rest, 16),
        None => noble_scrypt(stored, unversioned),
    }
}

/// Parses the PHC strings of AdonisJS: bcrypt in standard base64, scrypt whose `n` is the number.
fn adonis(stored: &str) -> Parsed {
    if let Some(rest) = stored.strip_prefix("$bcrypt$") {
        let [version, rounds, salt, hash] = parts(rest, '$')?;
        if !matches!(version, "v=97" | "v=98" | "v=121") {
            return refuse("has an unknown version of bcrypt");
        }
        let octets = (
            Base64::Unpadded.decode(salt)?,
            Base64::Unpadded.decode(hash)?,
        );
        return bcrypt_of(number(after(rounds, "r=")?)?, octets, false);
    }
    if let Some(rest) = stored.strip_prefix("$scrypt$") {
        let [params, salt, hash] = parts(rest, '$')?;
        let [n, r, p] = parts(params, ',')?;
        let n = logarithm(number(after(n, "n=")?)?)?;
        let params = (n, number(after(r, "r=")?)?, number(after(p, "p=")?)?);
        let salt = Base64::Unpadded.decode(salt)?;
        return scrypt(params, salt, Base64::Unpadded.decode(hash)?);
    }
    bcrypt_or_argon2(stored)
}

/// Parses the header of a file of `scrypt`: 96 octets in base64.
fn medusa(stored: &str) -> Parsed {
    let octets = Base64::Padded.decode(stored)?;
    let number = |from: usize| -> Option<u32> {
        let octets = octets.get(from..from.checked_add(4)?)?;
        octets.try_into().ok().map(u32::from_be_bytes)
    };
    let fields = || {
        Some((
            *octets.get(7)?,
            number(8)?,
            number(12)?,
            octets.get(16..48)?,
        ))
    };
    let (Some((ln, r, p, salt_octets)), 96) = (fields(), octets.len()) else {
        return refuse("is not the header that scrypt-kdf writes");
    };
    let file = ScryptFile {
        ln,
        r,
        p,
        salt: salt(salt_octets)?,
    };
    match octets.split_at_checked(64) {
        Some((header, mac)) if header == file.header() && r != 0 && p != 0 && ln != 0 => {
            digest(Vec::new(), Derivation::ScryptFile(file), mac.to_vec())
        }
        _ => refuse("is a header of scrypt-kdf that was altered"),
    }
}

/// Parses 128 octets in base64: an Argon2 hash, and NULs after it.
fn secure_password(stored: &str) -> Parsed {
    let octets = Base64::Padded.decode(stored)?;
    let text = str::from_utf8(&octets).unwrap_or_default();
    match octets.len() {
        128 => argon2(text.trim_end_matches('\0')),
        _ => refuse("is not of secure-password"),
    }
}

/// Parses `sha1$SALT$ROUNDS$HASH`: HMACs under the salt, of the digits of each other.
fn password_hash(stored: &str) -> Parsed {
    let [name, salt_text, rounds, hash] = parts(stored, '$')?;
    let algorithm = algorithm(name)?;
    let octets = lower_hex(hash)?;
    let iterated = Iterated {
        key: Some(salt(salt_text)?),
        hex: true,
        ..Iterated::plain(algorithm, number(rounds)?)
    };
    match octets.len() == algorithm.length() && iterated.rounds > 0 {
        true => digest(Vec::new(), Derivation::Iterated(iterated), octets),
        false => refuse("has no rounds, or a digest of a wrong length"),
    }
}

fn node_scrypt(stored: &str) -> Parsed {
    let (salt, hash) = match stored.split_once(':') {
        Some(both) => both,
        None => {
            let [hash, salt] = parts(stored, '.')?;
            (salt, hash)
        }
    };
    scrypt(USUAL, salt, lower_hex(hash)?)
}
