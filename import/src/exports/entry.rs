//! What an export says of one account.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use shared::domain::{Account, CustomClaims, Email, Locale};

use super::fields::Fields;
use super::{Options, System};
use crate::record::{Fault, Record, User, language_tag, role_name};

/// What can be left out of what an export says, and what that is.
pub const OMITTED: &[(&str, &str)] = &[
    (
        "admin-role",
        "the role admin, whose owners administer Latchkey: give it by `latchkey users roles`",
    ),
    (
        "attributes",
        "attributes and metadata that the old system adds to an account",
    ),
    ("client-roles", "Keycloak's roles of clients"),
    ("locale", "a language that is not a tag such as de-CH"),
    (
        "permissions",
        "permissions that are assigned to the account itself",
    ),
    ("phone", "a telephone number"),
    ("photo", "the address of a picture"),
    ("provider", "a login through another provider"),
    (
        "required-action",
        "what the old system would have asked for at the next login",
    ),
    ("second-factor", "a second factor or a passkey"),
    ("username", "a user name that is not the address"),
];

/// What an export says of one account.
#[derive(Debug, Default)]
pub struct Entry {
    /// The line of the file where it begins, counted from 1.
    pub line: u64,
    /// What it says.
    pub record: Record,
    /// Why it cannot be imported, so far as the export tells.
    pub faults: Vec<Fault>,
    /// The codes of what it says and no account holds: those of [`OMITTED`].
    pub omitted: BTreeSet<&'static str>,
}

impl Entry {
    /// Returns the address, if it is one and the entry has no fault yet.
    pub fn address(&self) -> Option<Email> {
        let text = self.record.email.as_deref();
        let text = text.filter(|_| self.faults.is_empty())?;
        Email::parse(text.trim()).ok()
    }

    /// Checks the entry, as [`Record::parse`] does.
    ///
    /// # Errors
    ///
    /// Returns the record with its faults if there is any. If the export tells of a fault, what else
    /// may be wrong is not looked at.
    pub fn parse(self) -> Result<User, Box<Record>> {
        let Self { record, faults, .. } = self;
        match faults.is_empty() {
            true => record.parse(),
            false => Err(Box::new(Record { faults, ..record })),
        }
    }

    pub(super) fn at(line: u64) -> Self {
        Self {
            line,
            ..Self::default()
        }
    }

    /// Returns an entry of which nothing can be read.
    pub(super) fn broken(line: u64, fault: Fault) -> Self {
        Self {
            faults: vec![fault],
            ..Self::at(line)
        }
    }

    /// Adds what the options say of all entries. They are better than what is usual of `system`,
    /// and no better than what a line tells.
    pub(super) fn complete(&mut self, system: System, options: &Options) {
        let record = &mut self.record;
        if record.password_hash.is_some() {
            let tells = |told: &Option<String>| system == System::Latchkey && told.is_some();
            if let (Some(format), false) =
                (&options.password_format, tells(&record.password_format))
            {
                record.password_format = Some(format.clone());
            }
            if let (Some(name), false) = (&options.password_secret, tells(&record.password_secret))
            {
                record.password_secret = Some(name.clone());
            }
        }
        if options.assume_verified && record.email_verified.is_none() {
            record.email_verified = Some(true);
        }
    }

    /// Adds a fault.
    pub(super) fn refuse(&mut self, field: &str, code: &str, detail: &str) {
        self.faults.push(Fault::new(field, code, detail));
    }

    /// Tells that something is left out.
    pub(super) fn omit(&mut self, code: &'static str) {
        self.omitted.insert(code);
    }

    /// Tells that something is left out, if it is there.
    pub(super) fn omit_if(&mut self, there: bool, code: &'static str) {
        if there {
            self.omit(code);
        }
    }

    /// Adds a role of the old system. It never becomes the one whose owners administer Latchkey.
    pub(super) fn role(&mut self, name: &str) {
        if role_name(name) == Account::ADMINISTRATOR {
            self.omit("admin-role");
        } else if !name.trim().is_empty() {
            self.record.roles.push(name.to_owned());
        }
    }

    /// Sets the password, in the form of a system.
    pub(super) fn password(&mut self, format: &str, stored: Value) {
        self.record.password_hash = Some(stored);
        self.record.password_format = Some(format.to_owned());
    }

    /// Sets the language, if it is one.
    pub(super) fn locale(&mut self, text: Option<String>) {
        let Some(text) = text else { return };
        match Locale::parse(&language_tag(&text)) {
            Ok(_) => self.record.locale = Some(text),
            Err(_) => self.omit("locale"),
        }
    }

    /// Sets the user name aside, unless it is the address.
    pub(super) fn username(&mut self, name: Option<String>) {
        let address = self.record.email.as_deref().unwrap_or_default();
        let other = name.is_some_and(|name| !name.eq_ignore_ascii_case(address.trim()));
        self.omit_if(other, "username");
    }

    /// Makes claims of attributes that only administrators of the old system could set, if a prefix
    /// for their names is given.
    pub(super) fn attributes(&mut self, attributes: &Fields, options: &Options) {
        for (name, value) in attributes.0.iter().filter(|(_, value)| !value.is_null()) {
            let claim = options.claims_prefix.as_ref().map(|prefix| {
                let name = format!("{prefix}{name}");
                Map::from_iter([(name, value.clone())])
            });
            let is_claim =
                |claim: &Map<_, _>| CustomClaims::parse(&Value::Object(claim.clone())).is_ok();
            match claim.filter(is_claim) {
                Some(claim) => self.record.claims.extend(claim),
                None => self.omit("attributes"),
            }
        }
    }
}
