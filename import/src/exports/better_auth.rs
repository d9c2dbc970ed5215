//! better-auth's tables `user` and `account`, as the members of one JSON object.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::fields::Fields;
use super::input::{Again, ExportError};
use super::places::Places;
use super::{Each, Entry, Options, json};
use crate::record::seconds;

const USERS: [&str; 2] = ["user", "users"];
const ACCOUNTS: [&str; 2] = ["account", "accounts"];
/// Tables of second factors and passkeys.
const FACTORS: [&str; 4] = ["twoFactor", "two_factor", "passkey", "passkeys"];

/// What the first pass collects.
#[derive(Default)]
struct Site {
    passwords: Places,
    others: Places,
    factors: Places,
}

pub(super) fn read(path: &Path, options: &Options, each: Each<'_>) -> Result<(), ExportError> {
    let site = site(path)?;
    let mut file = Again::open(path)?;
    json::tables(path, &USERS, &mut |item| {
        let line = item.line;
        Ok(each(match item.object {
            Ok(user) => entry(line, &user, options, &site, &mut file)?,
            Err(fault) => Entry::broken(line, fault),
        }))
    })
}

fn site(path: &Path) -> Result<Site, ExportError> {
    let mut site = Site::default();
    json::tables(path, &ACCOUNTS, &mut |item| {
        let row = item.object.unwrap_or_default();
        let places = match password(&row) {
            Some(_) => &mut site.passwords,
            None => &mut site.others,
        };
        places.add(&owner(&row).unwrap_or_default(), item.offset);
        Ok(ControlFlow::Continue(()))
    })?;
    let walked = json::tables(path, &FACTORS, &mut |item| {
        let row = item.object.unwrap_or_default();
        let user = owner(&row).unwrap_or_default();
        site.factors.add(&user, item.offset);
        Ok(ControlFlow::Continue(()))
    });
    match walked {
        // Most sites have none of these tables.
        Err(ExportError::Other(_)) => {}
        walked => walked?,
    }
    for places in [&mut site.passwords, &mut site.others, &mut site.factors] {
        places.sort();
    }
    Ok(site)
}

fn owner(row: &Fields) -> Option<String> {
    row.first(&["userId", "user_id"])
}

/// Returns the password of an account, if it is one with a password.
fn password(account: &Fields) -> Option<Value> {
    let provider = account.first(&["providerId", "provider_id"])?;
    let stored = account.first_raw(&["password"])?;
    (provider == "credential").then_some(stored)
}

fn entry(
    line: u64,
    user: &Fields,
    options: &Options,
    site: &Site,
    file: &mut Again,
) -> Result<Entry, ExportError> {
    let mut entry = Entry::at(line);
    let id = user.text("id").unwrap_or_default();
    let record = &mut entry.record;
    record.id = user.text("id");
    record.email = user.text("email");
    record.email_verified = user.truth("emailVerified").or(user.truth("email_verified"));
    record.name = user.text("name");
    record.date_joined = user.first_raw(&["createdAt", "created_at"]);
    if user.truth("banned") == Some(true) {
        let until = user.first_raw(&["banExpires", "ban_expires"]);
        let until = until.and_then(|until| seconds(&until).ok().flatten());
        if until.is_none_or(|until| until > options.now) {
            record.status = Some("disabled".to_owned());
        }
    }
    for place in site.passwords.of(&id) {
        let account = json::object_at(file, place)?.unwrap_or_default();
        let same = owner(&account).as_deref() == Some(&*id);
        if let (true, Some(stored)) = (same, password(&account)) {
            entry.password("better-auth", stored);
            break;
        }
    }
    for role in user.text("role").unwrap_or_default().split(',') {
        // The plugin of roles gives this one to everybody.
        if role.trim() != "user" {
            entry.role(role);
        }
    }
    let anonymous = user.truth("isAnonymous").or(user.truth("is_anonymous"));
    if anonymous == Some(true) {
        entry.refuse("email", "anonymous", "is invented: the user is anonymous");
    }
    let factor = user.says("twoFactorEnabled") || user.says("two_factor_enabled");
    entry.omit_if(
        factor || site.factors.of(&id).next().is_some(),
        "second-factor",
    );
    entry.omit_if(site.others.of(&id).next().is_some(), "provider");
    entry.omit_if(user.says("image"), "photo");
    entry.omit_if(
        user.says("phoneNumber") || user.says("phone_number"),
        "phone",
    );
    entry.username(user.text("username"));
    Ok(entry)
}
