//! Small systems in Python, and libraries that add nothing to bcrypt and Argon2.

use serde_json::Value;
use shared::domain::password::legacy::Step;

use super::common::{Parsed, after_steps, argon2, bcrypt, bcrypt_or_argon2, steps_only};
use super::text::{refuse, text};
use super::{Format, OldPassword, Site, passlib};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "bcrypt",
        about: "bcrypt of the password and nothing else, in any language",
        parse: |stored, _| bcrypt(text(stored)?),
    },
    Format {
        name: "argon2",
        about: "Argon2 of the password and nothing else, in any language",
        parse: |stored, _| argon2(text(stored)?),
    },
    Format {
        name: "pwdlib",
        about: "pwdlib",
        parse: |stored, _| bcrypt_or_argon2(text(stored)?),
    },
    Format {
        name: "fastapi-users",
        about: "FastAPI-Users",
        parse: |stored, _| bcrypt_or_argon2(text(stored)?),
    },
    Format {
        name: "odoo",
        about: "Odoo (res_users.password)",
        parse: odoo,
    },
    Format {
        name: "synapse",
        about: "Matrix Synapse; the secret is password_config.pepper, if there is one",
        parse: synapse,
    },
];

/// Parses PBKDF2 of passlib, or a plain password, which Odoo takes too.
fn odoo(stored: &Value, _: &Site) -> Parsed {
    let stored = text(stored)?;
    match stored {
        "" => Ok(OldPassword::Unusable),
        _ if stored.starts_with("$pbkdf2-sha512$") => passlib::pbkdf2_of(stored),
        _ if stored.starts_with('$') => refuse("is not of the hasher that Odoo uses"),
        _ => steps_only(vec![Step::RefuseNul], stored.into()),
    }
}

/// Parses a bcrypt of the password in NFKC with the pepper after it.
fn synapse(stored: &Value, site: &Site) -> Parsed {
    let mut steps = vec![Step::Nfkc];
    steps.extend(site.secret.clone().map(Step::AppendSecret));
    after_steps(steps, bcrypt(text(stored)?))
}
