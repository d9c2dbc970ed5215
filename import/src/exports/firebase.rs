//! Firebase's `auth:export`, as JSON or as CSV, and the password hash parameters of the project.

use std::path::Path;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::fields::Fields;
use super::input::{self, ExportError};
use super::{Each, Entry, Options, csv, json as files};

/// The password hash parameters of a project, as Firebase's console shows them.
#[derive(Debug, Clone)]
pub struct HashConfig {
    rounds: u32,
    mem_cost: u32,
    salt_separator: String,
    signer_key: SecretString,
}

/// An error: the text is not what the console shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHashConfig {
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter is not a number.
    #[error("the parameter {0} is not a number")]
    NotNumber(&'static str),
    /// Another algorithm. Firebase itself uses SCRYPT only.
    #[error("the algorithm is not SCRYPT")]
    Algorithm,
}

impl HashConfig {
    /// The name of the secret that the signer key is kept under.
    pub const SECRET: &'static str = "firebase";

    /// Parses the text that the console shows (Authentication, Users, Password hash parameters).
    ///
    /// # Errors
    ///
    /// Returns an error if a parameter is missing or is not one of Firebase's.
    pub fn parse(text: &str) -> Result<Self, InvalidHashConfig> {
        let find = |name: &'static str| {
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            let quotes = [' ', '\t', '\r', ',', '"', '\''];
            let mut found = lines.filter(|(key, _)| key.trim_matches(quotes) == name);
            let found = found.next().map(|(_, value)| value.trim_matches(quotes));
            found.ok_or(InvalidHashConfig::Missing(name))
        };
        let number = |name| {
            let number = find(name)?.parse();
            number.map_err(|_| InvalidHashConfig::NotNumber(name))
        };
        if find("algorithm")? != "SCRYPT" {
            return Err(InvalidHashConfig::Algorithm);
        }
        Ok(Self {
            rounds: number("rounds")?,
            mem_cost: number("mem_cost")?,
            salt_separator: find("base64_salt_separator")?.to_owned(),
            signer_key: find("base64_signer_key")?.to_owned().into(),
        })
    }

    /// Returns the signer key in base64, as it is kept among the secrets of the site.
    pub fn signer_key(&self) -> &SecretString {
        &self.signer_key
    }
}

pub(super) fn read(path: &Path, options: &Options, each: Each<'_>) -> Result<(), ExportError> {
    match input::first_octet(path)? {
        Some(b'{' | b'[') => files::objects(path, &["users"], &mut |item| {
            Ok(each(match item.object {
                Ok(user) => entry(item.line, &user, options)?,
                Err(fault) => Entry::broken(item.line, fault),
            }))
        }),
        _ => csv::unnamed_rows(path, &mut |line, row| {
            let row = row.and_then(|row| named(row).map_err(broken_row));
            Ok(each(match row {
                Ok(user) => entry(line, &user, options)?,
                Err(fault) => Entry::broken(line, fault),
            }))
        }),
    }
}

/// The columns of the CSV that are read, which does not name them (firebase-tools 15.34).
const COLUMNS: [(usize, &str); 12] = [
    (0, "localId"),
    (1, "email"),
    (2, "emailVerified"),
    (3, "passwordHash"),
    (4, "salt"),
    (5, "displayName"),
    (6, "photoUrl"),
    (23, "createdAt"),
    (24, "lastSignedInAt"),
    (25, "phoneNumber"),
    (26, "disabled"),
    (27, "customAttributes"),
];
/// The columns in which the blocks of other providers begin.
const PROVIDERS: [usize; 10] = [7, 11, 15, 19, 28, 32, 36, 40, 44, 48];

/// Names the columns of a row. Returns an error if there are too few.
fn named(row: Vec<String>) -> Result<Fields, TooFew> {
    if row.len() <= 27 {
        return Err(TooFew);
    }
    let text = |column: usize| row.get(column).cloned().unwrap_or_default();
    let columns = COLUMNS.iter();
    let mut user: serde_json::Map<_, _> = columns
        .map(|(column, name)| ((*name).to_owned(), Value::String(text(*column))))
        .collect();
    let mut providers = PROVIDERS.iter().map(|column| text(*column));
    if providers.any(|provider| !provider.is_empty()) {
        user.insert("providerUserInfo".to_owned(), json!(["provider"]));
    }
    Ok(Fields(user))
}

struct TooFew;

fn broken_row(_: TooFew) -> crate::Fault {
    crate::Fault::new("", "broken", "has fewer than 28 columns")
}

fn entry(line: u64, user: &Fields, options: &Options) -> Result<Entry, ExportError> {
    let mut entry = Entry::at(line);
    let record = &mut entry.record;
    record.id = user.text("localId");
    record.email = user.text("email");
    record.email_verified = user.truth("emailVerified");
    record.name = user.text("displayName");
    record.date_joined = user.first_raw(&["createdAt"]);
    record.last_login = user.first_raw(&["lastSignedInAt", "lastLoginAt"]);
    if user.truth("disabled") == Some(true) {
        record.status = Some("disabled".to_owned());
    }
    if let (Some(hash), Some(salt)) = (user.text("passwordHash"), user.text("salt")) {
        let config = options.hash_config.as_ref();
        let config = config.ok_or(ExportError::NoHashConfig)?;
        record.password_secret = Some(HashConfig::SECRET.to_owned());
        let stored = json!({
            "passwordHash": hash,
            "salt": salt,
            "rounds": config.rounds,
            "memCost": config.mem_cost,
            "saltSeparator": config.salt_separator,
        });
        entry.password("firebase", stored);
    }
    if let Some(attributes) = user.object("customAttributes") {
        entry.attributes(&attributes, options);
    }
    entry.omit_if(user.says("phoneNumber"), "phone");
    entry.omit_if(user.says("photoUrl"), "photo");
    entry.omit_if(user.says("providerUserInfo"), "provider");
    entry.omit_if(user.says("mfaInfo"), "second-factor");
    Ok(entry)
}
