//! Checks what an export says of an account.

use serde_json::Value;
use shared::domain::{
    Account, CustomClaims, Email, ExternalId, Locale, Name, Role, Status, UserId, Violation,
};

use super::date;
use super::{Fault, Record, User};
use crate::forms::{self, FormError, FormReason, OldPassword, Site};

impl Record {
    /// Checks every member, by the rules of an account that is opened here.
    ///
    /// The two names become what `latchkey users create` makes of them: an empty first name is the
    /// part of the address before the `@`. A `name` is used if there is neither of the two, and its
    /// last word is the last name. Roles are written in lower case, and languages
    /// with hyphens.
    ///
    /// # Errors
    ///
    /// Returns the record with all its faults if there is any.
    pub fn parse(self) -> Result<User, Box<Self>> {
        let mut faults = Vec::new();
        let user = self.checked(&mut faults);
        match user {
            Some(user) if faults.is_empty() => Ok(user),
            _ => Err(Box::new(Self { faults, ..self })),
        }
    }

    fn checked(&self, faults: &mut Vec<Fault>) -> Option<User> {
        let (id, external_id) = self.identifiers(faults);
        let email = self.address(faults);
        let (first_name, last_name) = self.names(email.as_ref(), faults);
        let locale = self.locale(faults);
        let mut time = |field: &str, value: &Option<Value>| {
            let value = value.as_ref()?;
            let seconds = date::seconds(value);
            let refused = |error: date::InvalidTime| {
                faults.push(Fault::new(field, "invalid-time", error.to_string()));
            };
            seconds.map_err(refused).ok().flatten()
        };
        let date_joined = time("date_joined", &self.date_joined);
        let last_login = time("last_login", &self.last_login);
        let roles = self.roles(faults);
        let claims = CustomClaims::parse(&Value::Object(self.claims.clone()));
        let claims = claims.map_err(|reason| faults.push(refused("claims", reason)));
        let status = self.status(faults);
        let password = self.password(faults);
        Some(User {
            id,
            external_id,
            email: email?,
            email_verified: self.email_verified.unwrap_or(false),
            first_name: first_name?,
            last_name: last_name?,
            locale,
            date_joined,
            last_login,
            roles,
            claims: claims.ok()?,
            status: status?,
            password,
        })
    }

    /// Returns the identifier, if it is a UUID, and the one of the old system.
    fn identifiers(&self, faults: &mut Vec<Fault>) -> (Option<UserId>, Option<String>) {
        let given = self.id.as_deref().filter(|id| !id.is_empty());
        // Neither is one that a system has assigned to one person (RFC 9562 sections 5.9 and 5.10).
        let assigned =
            |id: &UserId| !matches!(id.as_bytes(), [0, ..] | [255, ..] if is_uniform(id));
        let id = given.and_then(|id| UserId::given(id).ok().filter(assigned));
        let other = self.external_id.as_deref().filter(|id| !id.is_empty());
        let external = match (given, id, other) {
            (Some(_), None, Some(_)) => {
                let detail = "is not a UUID, and there is an external_id";
                faults.push(Fault::new("id", "invalid-id", detail));
                None
            }
            (Some(given), None, None) => Some(("id", given)),
            (_, _, other) => other.map(|other| ("external_id", other)),
        };
        let external = external.and_then(|(field, text)| {
            let parsed = ExternalId::parse(text);
            let parsed = parsed.map_err(|reason| faults.push(refused(field, reason)));
            parsed.ok().map(|_| text.to_owned())
        });
        (id, external)
    }

    fn address(&self, faults: &mut Vec<Fault>) -> Option<Email> {
        let Some(text) = self.email.as_deref().filter(|text| !text.trim().is_empty()) else {
            faults.push(Fault::new("email", "no-address", "is missing"));
            return None;
        };
        let email = Email::parse(text.trim());
        email
            .map_err(|reason| faults.push(refused("email", reason)))
            .ok()
    }

    fn names(
        &self,
        email: Option<&Email>,
        faults: &mut Vec<Fault>,
    ) -> (Option<Name>, Option<Name>) {
        let given = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
        let (mut first, mut last) = (given(&self.first_name), given(&self.last_name));
        let mut fields = ("first_name", "last_name");
        if first.is_empty() && last.is_empty() {
            let whole = given(&self.name);
            let (before, after) = match whole.rsplit_once(char::is_whitespace) {
                Some((before, after)) => (before.trim_end(), after),
                None => (whole.as_str(), ""),
            };
            (first, last) = (before.to_owned(), after.to_owned());
            fields = ("name", "name");
        }
        if first.is_empty() {
            let local_part = email.and_then(|email| email.ascii().split('@').next());
            first = local_part.unwrap_or_default().to_owned();
        }
        // Without an address, there is nothing to make a name of, and that is a fault already.
        let unknown = first.is_empty() && email.is_none();
        let mut checked = |field, name: Result<Name, Violation>| {
            let name = name.map_err(|reason| faults.push(refused(field, reason)));
            name.ok()
        };
        let first = match unknown {
            true => None,
            false => checked(fields.0, Name::parse(&first)),
        };
        (first, checked(fields.1, Name::parse_last(&last)))
    }

    fn locale(&self, faults: &mut Vec<Fault>) -> Option<Locale> {
        let text = self.locale.as_deref().filter(|text| !text.is_empty())?;
        let locale = Locale::parse(&language_tag(text));
        locale
            .map_err(|reason| faults.push(refused("locale", reason)))
            .ok()
    }

    fn roles(&self, faults: &mut Vec<Fault>) -> Vec<Role> {
        let mut roles = Vec::new();
        let mut fits = true;
        for name in &self.roles {
            match role_name(name).parse::<Role>() {
                Ok(role) if roles.contains(&role) => {}
                Ok(role) => roles.push(role),
                Err(_) => fits = false,
            }
        }
        if !fits {
            let detail = "has a role that is not 1 to 64 of the characters a-z 0-9 . _ : -";
            faults.push(Fault::new("roles", "invalid-role", detail));
        }
        if roles.len() > Account::MAX_ROLES {
            let detail = format!("has more than {} roles", Account::MAX_ROLES);
            faults.push(Fault::new("roles", "too-long", detail));
        }
        roles
    }

    fn status(&self, faults: &mut Vec<Fault>) -> Option<Status> {
        let status = self.status.as_deref().unwrap_or_default();
        let known = [Status::Active, Status::Disabled];
        let known = known.into_iter().find(|known| known.name() == status);
        match known {
            None if status.is_empty() => Some(Status::Active),
            None => {
                let detail = "is neither \"active\" nor \"disabled\"";
                faults.push(Fault::new("status", "invalid-status", detail));
                None
            }
            known => known,
        }
    }

    fn password(&self, faults: &mut Vec<Fault>) -> Option<OldPassword> {
        let stored = self.password_hash.as_ref().filter(|stored| {
            let empty = stored.as_str().is_some_and(str::is_empty);
            !(empty || stored.is_null())
        })?;
        let Some(format) = self.password_format.as_deref() else {
            let detail = "is missing, and there is a password_hash";
            faults.push(Fault::new("password_format", "no-format", detail));
            return None;
        };
        let mut site = Site::default();
        if let Some(name) = &self.password_secret {
            match name.parse() {
                Ok(name) => site.secret = Some(name),
                Err(reason) => {
                    faults.push(Fault::new("password_secret", "invalid-name", reason));
                }
            }
        }
        let password = forms::parse(format, stored, &site);
        let refused = |error: FormError| {
            let (field, code) = match error.reason {
                FormReason::UnknownFormat => ("password_format", "unknown-format"),
                FormReason::NoSecret => ("password_secret", "no-secret"),
                FormReason::TooCostly => ("password_hash", "too-costly"),
                FormReason::Unusable => ("password_hash", "unusable-password"),
            };
            faults.push(Fault::new(field, code, error.detail));
        };
        password.map_err(refused).ok()
    }
}

fn refused(field: &str, reason: Violation) -> Fault {
    Fault::new(field, reason.code, reason.detail)
}

/// Returns whether all octets are equal, as in the nil and the max UUID.
fn is_uniform(id: &UserId) -> bool {
    let octets = id.as_bytes();
    octets.iter().all(|octet| Some(octet) == octets.first())
}

/// Returns the name of a role here: in lower case, with a hyphen for a blank and a colon for a
/// slash. Whether what results is a role is not looked at.
pub(crate) fn role_name(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let mapped = name.chars().map(|c| match c {
        c if c.is_whitespace() => '-',
        '/' => ':',
        c => c,
    });
    mapped.collect()
}

/// Returns a name of POSIX, such as `de_CH`, as a language tag.
pub(crate) fn language_tag(text: &str) -> String {
    text.trim().replace('_', "-")
}

#[cfg(test)]
mod tests;
