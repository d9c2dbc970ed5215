//! Firebase Authentication, and those who took its form over.

use serde_json::Value;
use shared::domain::password::legacy::{Derivation, Firebase};

use super::common::{Parsed, digest, salt, secret};
use super::text::{Base64, field, number_field, optional, refuse};
use super::{FormError, Format, Site};

pub(super) const FORMATS: &[Format] = &[Format {
    name: "firebase",
    about: "Firebase Authentication: passwordHash and salt of the export, and saltSeparator, rounds and \
            memCost of the project; the secret is its base64_signer_key",
    parse,
}];

/// The parameters of a project, or of one of its passwords.
pub(super) struct Project {
    /// `mem_cost`.
    pub ln: u32,
    /// `rounds`.
    pub r: u32,
    /// Always 1 in Firebase.
    pub p: u32,
    /// `base64_salt_separator`, decoded.
    pub separator: Vec<u8>,
}

fn parse(stored: &Value, site: &Site) -> Parsed {
    let present = |names: &[&str]| match optional(stored, names) {
        Some(_) => number_field(stored, names, 0),
        None => refuse(format!(
            "has no {}, a parameter of the project",
            names.join(" or ")
        )),
    };
    let project = Project {
        ln: present(&["memCost", "mem_cost"])?,
        r: present(&["rounds"])?,
        p: 1,
        separator: decode(field(stored, &["saltSeparator", "base64_salt_separator"])?)?,
    };
    let hash = decode(field(stored, &["passwordHash"])?)?;
    of_project(project, &decode(field(stored, &["salt"])?)?, hash, site)
}

/// Decodes base64 of either alphabet. The console writes the standard one, the Admin SDK the other.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, FormError> {
    Base64::Lenient.decode(&text.replace('-', "+").replace('_', "/"))
}

/// Returns a password of a project whose signer key is the site's secret.
pub(super) fn of_project(
    project: Project,
    salt_octets: &[u8],
    hash: Vec<u8>,
    site: &Site,
) -> Parsed {
    let Project {
        ln,
        r,
        p,
        separator,
    } = project;
    let signer = secret(site, "the project's base64_signer_key")?;
    let Ok(ln) = u8::try_from(ln) else {
        return refuse("has a mem_cost that is too large");
    };
    if ln == 0 || r == 0 || p == 0 {
        return refuse("has a parameter of scrypt that is 0");
    }
    let firebase = Firebase {
        ln,
        r,
        p,
        salt: salt([salt_octets, &separator].concat())?,
        signer,
    };
    digest(Vec::new(), Derivation::Firebase(firebase), hash)
}
