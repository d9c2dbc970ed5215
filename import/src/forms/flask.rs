//! Flask-Bcrypt and Flask-Security.

use serde_json::Value;
use shared::domain::password::legacy::{Algorithm, Encoding, HmacKey, Step};

use super::common::{Parsed, after_steps, bcrypt, hex_of, secret};
use super::text::text;
use super::{Format, Site, passlib};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "flask-bcrypt",
        about: "Flask-Bcrypt",
        parse: |stored, _| bcrypt(text(stored)?),
    },
    Format {
        name: "flask-bcrypt:long",
        about: "Flask-Bcrypt 1.0 and later with BCRYPT_HANDLE_LONG_PASSWORDS",
        parse: |stored, _| after_steps(vec![hex_of(Algorithm::Sha256)], bcrypt(text(stored)?)),
    },
    Format {
        name: "flask-security",
        about: "Flask-Security; the secret is SECURITY_PASSWORD_SALT",
        parse: |stored, site| security(stored, site, true, true),
    },
    Format {
        name: "flask-security:single",
        about: "Flask-Security with SECURITY_PASSWORD_SINGLE_HASH",
        parse: |stored, site| security(stored, site, false, true),
    },
    Format {
        name: "flask-security:unnormalised",
        about: "Flask-Security with SECURITY_PASSWORD_NORMALIZE_FORM None, or rows that hash_password() made; \
                the secret is SECURITY_PASSWORD_SALT",
        parse: |stored, site| security(stored, site, true, false),
    },
    Format {
        name: "flask-security:single-unnormalised",
        about: "Flask-Security with SECURITY_PASSWORD_SINGLE_HASH, and as flask-security:unnormalised",
        parse: |stored, site| security(stored, site, false, false),
    },
];

/// Parses a hash of passlib, over base64(HMAC-SHA512(SECURITY_PASSWORD_SALT, password)) unless
/// `double` is false. The forms of Flask-Security normalise what is typed to NFKD.
fn security(stored: &Value, site: &Site, double: bool, normalised: bool) -> Parsed {
    let mut steps = Vec::new();
    if normalised {
        steps.push(Step::Nfkd);
    }
    if double {
        let key = HmacKey::Secret(secret(site, "its SECURITY_PASSWORD_SALT")?);
        steps.push(Step::Hmac(Algorithm::Sha512, key, Encoding::Base64));
    }
    after_steps(steps, passlib::context(text(stored)?))
}
