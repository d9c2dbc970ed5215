//! The forms in which other systems store passwords.
//!
//! One file is one family of systems. [`parse`] is pure: it computes nothing costly, and refuses what
//! would be.

mod aspnet;
mod cms;
mod common;
mod crypt;
mod databases;
mod django;
mod firebase;
mod flask;
mod java;
mod javascript;
mod kratos;
mod latchkey;
mod ldap;
mod passlib;
mod passlib_old;
mod php;
mod python;
mod ruby;
mod spring;
mod supabase;
mod tables;
mod text;
mod werkzeug;

use serde_json::Value;
use shared::domain::password::legacy::{Digest, LegacyScheme, SecretName, Step};
use shared::domain::{PasswordHash, StoredPassword};

/// A password as another system stored it.
#[derive(Debug)]
pub enum OldPassword {
    /// A digest, and how it is made. It is stored as Argon2id of the digest.
    Digest {
        /// How the digest is made.
        scheme: LegacyScheme,
        /// The digest.
        digest: Digest,
    },
    /// An Argon2id hash that is at least as strong as ours. It is stored as it is.
    Argon2id {
        /// What happens to the typed octets first.
        steps: Vec<Step>,
        /// The hash.
        hash: PasswordHash,
    },
    /// What another Latchkey stored. It is stored as it is.
    Stored(StoredPassword),
    /// No password can match, such as Django's `!`.
    Unusable,
}

/// What the stored form does not tell: settings of the old site.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// The name of the site's secret, if it has one: a pepper, or Firebase's signer key.
    pub secret: Option<SecretName>,
}

/// An error: the stored form cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct FormError {
    /// The kind of reason, for counting.
    pub reason: FormReason,
    /// What is wrong, in words.
    pub detail: String,
}

/// Why a stored form cannot be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormReason {
    /// No format has this name.
    UnknownFormat,
    /// It needs a secret of the old site.
    NoSecret,
    /// It would take too much work.
    TooCostly,
    /// It is not of the format.
    Unusable,
}

/// How a system stores passwords.
#[derive(Debug)]
pub struct Format {
    /// The name, such as `django`.
    pub name: &'static str,
    /// Which systems store so, in words.
    pub about: &'static str,
    /// Parses what is stored.
    parse: fn(&Value, &Site) -> Result<OldPassword, FormError>,
}

/// The formats, a list a family of systems.
const FAMILIES: &[&[Format]] = &[
    python::FORMATS,
    django::FORMATS,
    werkzeug::FORMATS,
    flask::FORMATS,
    passlib::FORMATS,
    javascript::FORMATS,
    tables::FORMATS,
    firebase::FORMATS,
    kratos::FORMATS,
    supabase::FORMATS,
    ruby::FORMATS,
    spring::FORMATS,
    java::FORMATS,
    aspnet::FORMATS,
    crypt::FORMATS,
    php::FORMATS,
    cms::FORMATS,
    ldap::FORMATS,
    databases::FORMATS,
    passlib_old::FORMATS,
    latchkey::FORMATS,
];

/// Returns all formats.
pub fn formats() -> impl Iterator<Item = &'static Format> {
    FAMILIES.iter().copied().flatten()
}

/// Parses the password that a system stored: a text, or an object of the fields that it keeps.
///
/// # Errors
///
/// Returns an error if the form is not one of this system, or asks for too much work.
pub fn parse(format: &str, stored: &Value, site: &Site) -> Result<OldPassword, FormError> {
    let known = formats().find(|known| known.name == format);
    let known = known.ok_or_else(|| FormError {
        reason: FormReason::UnknownFormat,
        detail: format!("{format} is not a known format"),
    })?;
    (known.parse)(stored, site)
}
