//! Lucia's tables as the members of one JSON object: `user` and, up to version 2, `key`. In version 3
//! the site keeps the password itself, by convention in the table of users.

use std::ops::ControlFlow;
use std::path::Path;

use super::fields::Fields;
use super::input::{Again, ExportError};
use super::places::Places;
use super::{Each, Entry, Options, json};

const USERS: [&str; 3] = ["user", "users", "auth_user"];
const KEYS: [&str; 5] = ["key", "keys", "user_key", "auth_key", "user_keys"];
const PASSWORDS: [&str; 4] = [
    "hashed_password",
    "hashedPassword",
    "password_hash",
    "passwordHash",
];

pub(super) fn read(path: &Path, _: &Options, each: Each<'_>) -> Result<(), ExportError> {
    let keys = keys(path)?;
    let mut file = Again::open(path)?;
    json::tables(path, &USERS, &mut |item| {
        let line = item.line;
        Ok(each(match item.object {
            Ok(user) => entry(line, &user, &keys, &mut file)?,
            Err(fault) => Entry::broken(line, fault),
        }))
    })
}

fn keys(path: &Path) -> Result<Places, ExportError> {
    let mut keys = Places::default();
    let walked = json::tables(path, &KEYS, &mut |item| {
        let key = item.object.unwrap_or_default();
        if let Some(user) = owner(&key) {
            keys.add(&user, item.offset);
        }
        Ok(ControlFlow::Continue(()))
    });
    match walked {
        // There is none in version 3.
        Err(ExportError::Other(_)) => {}
        walked => walked?,
    }
    keys.sort();
    Ok(keys)
}

fn owner(key: &Fields) -> Option<String> {
    key.first(&["user_id", "userId"])
}

fn entry(line: u64, user: &Fields, keys: &Places, file: &mut Again) -> Result<Entry, ExportError> {
    let mut entry = Entry::at(line);
    let id = user.text("id");
    let record = &mut entry.record;
    record.email = user.text("email");
    let verified = user.truth("email_verified").or(user.truth("emailVerified"));
    record.email_verified = verified;
    record.first_name = user.first(&["first_name", "firstName"]);
    record.last_name = user.first(&["last_name", "lastName"]);
    record.name = user.first(&["name", "full_name", "fullName"]);
    record.date_joined = user.first_raw(&["created_at", "createdAt"]);
    let mut password = user.first_raw(&PASSWORDS);
    let mut is_of_key = false;
    let mut provider = false;
    for place in keys.of(id.as_deref().unwrap_or_default()) {
        let key = json::object_at(file, place)?.unwrap_or_default();
        if owner(&key) != id {
            continue;
        }
        // The identifier of a key is the provider, a colon, and the user there.
        let name = key.text("id").unwrap_or_default();
        let address = name.strip_prefix("email:").map(str::to_owned);
        let stored = key.first_raw(&PASSWORDS);
        provider |= stored.is_none();
        if stored.is_some() && (password.is_none() || address.is_some()) {
            password = stored;
            is_of_key = true;
            if record.email.is_none() {
                record.email = address;
            }
        }
    }
    record.id = id;
    if let Some(stored) = password {
        let format = match stored.as_str().unwrap_or_default() {
            // Argon2id and Bcrypt of oslo, by the authors of Lucia.
            text if text.starts_with('$') => "oslo",
            text if is_of_key || text.starts_with("s2:") => "lucia-2",
            _ => "lucia",
        };
        entry.password(format, stored);
    }
    entry.omit_if(provider, "provider");
    entry.username(user.text("username"));
    Ok(entry)
}
