//! Supabase Auth: `internal/crypto/password.go` of supabase/auth.

use shared::domain::password::legacy::Argon2Kind;

use super::common::{Parsed, argon2_of, argon2_parts, bcrypt};
use super::firebase::{self, Project, of_project};
use super::text::{after, number, parts, refuse, refuse_as, text};
use super::{FormError, FormReason, Format, OldPassword, Site};

pub(super) const FORMATS: &[Format] = &[Format {
    name: "supabase",
    about: "Supabase Auth (encrypted_password); for users from Firebase, the secret is the sk of the text",
    parse: |stored, site| parse(text(stored)?, site),
}];

fn parse(stored: &str, site: &Site) -> Parsed {
    if stored.is_empty() {
        // Accounts of OAuth and magic links.
        return Ok(OldPassword::Unusable);
    }
    if let Some(rest) = stored.strip_prefix("$fbscrypt$") {
        return fbscrypt(rest, site);
    }
    if !stored.starts_with("$argon2") {
        return bcrypt(stored);
    }
    let parts = argon2_parts(stored)?;
    let argon2 = &parts.argon2;
    let known = argon2.v == 19 && argon2.kind != Argon2Kind::D && argon2.p < 256;
    match known && !parts.has_key_id && argon2.data.is_none() {
        true => argon2_of(parts),
        false => refuse("is an Argon2 hash of a kind that Supabase does not take"),
    }
}

/// Parses `v=1,n=14,r=8,p=1,ss=SEPARATOR,sk=SIGNER-KEY$SALT$HASH`.
fn fbscrypt(rest: &str, site: &Site) -> Parsed {
    let [params, salt, hash] = parts(rest, '$')?;
    let mut members = params.split(',');
    let mut next =
        |name: &str| -> Result<&str, FormError> { after(members.next().unwrap_or_default(), name) };
    if next("v=")? != "1" {
        return refuse("is of a version of fbscrypt that Supabase does not take");
    }
    let (ln, r, p) = (next("n=")?, next("r=")?, next("p=")?);
    let project = Project {
        ln: number(ln)?,
        r: number(r)?,
        p: number(p)?,
        separator: firebase::decode(next("ss=")?)?,
    };
    let _signer_key = next("sk=")?;
    if project.p > 255 {
        return refuse("has a parameter of scrypt that is too large");
    }
    if site.secret.is_none() {
        return refuse_as(
            FormReason::NoSecret,
            "needs a secret of the old site: the value of sk= in the text, which is not kept beside \
             the password; store it as a secret, and name it in password_secret",
        );
    }
    of_project(
        project,
        &firebase::decode(salt)?,
        firebase::decode(hash)?,
        site,
    )
}
