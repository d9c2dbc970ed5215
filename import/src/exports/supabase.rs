//! Supabase Auth: the table `auth.users`, as CSV or JSON.

use std::path::Path;

use super::fields::Fields;
use super::firebase::HashConfig;
use super::input::{self, ExportError};
use super::{Each, Entry, Options, csv, json};
use crate::record::seconds;

pub(super) fn read(path: &Path, options: &Options, each: Each<'_>) -> Result<(), ExportError> {
    let mut take = |line, user: Result<Fields, _>| {
        Ok(each(match user {
            Ok(user) => entry(line, &user, options),
            Err(fault) => Entry::broken(line, fault),
        }))
    };
    match input::first_octet(path)? {
        Some(b'{' | b'[') => {
            let lists = &["users", "auth.users"];
            json::objects(path, lists, &mut |item| take(item.line, item.object))
        }
        _ => csv::rows(path, &["id", "email", "encrypted_password"], &mut take),
    }
}

fn entry(line: u64, user: &Fields, options: &Options) -> Entry {
    let mut entry = Entry::at(line);
    let record = &mut entry.record;
    record.id = user.text("id");
    record.email = user.text("email");
    let verified = user.says("email_confirmed_at") || user.says("confirmed_at");
    record.email_verified = Some(verified);
    let profile = user.object("raw_user_meta_data").unwrap_or_default();
    record.first_name = profile.first(&["first_name", "given_name", "firstName"]);
    record.last_name = profile.first(&["last_name", "family_name", "lastName"]);
    record.name = profile.first(&["full_name", "name", "display_name"]);
    record.date_joined = user.first_raw(&["created_at"]);
    record.last_login = user.first_raw(&["last_sign_in_at"]);
    if let Some(until) = user.first_raw(&["banned_until"]) {
        // What is no time, such as `infinity`, has not come.
        let ended = seconds(&until).is_ok_and(|until| until.unwrap_or(0) <= options.now);
        if !ended {
            record.status = Some("disabled".to_owned());
        }
    }
    if let Some(stored) = user.first_raw(&["encrypted_password"]) {
        if stored
            .as_str()
            .is_some_and(|text| text.starts_with("$fbscrypt$"))
        {
            record.password_secret = Some(HashConfig::SECRET.to_owned());
        }
        entry.password("supabase", stored);
    }
    if user.says("deleted_at") {
        entry.refuse("email", "deleted", "was deleted in the old system");
    }
    if user.truth("is_anonymous") == Some(true) {
        entry.refuse("email", "anonymous", "is missing: the user is anonymous");
    }
    let mut attributes = user.object("raw_app_meta_data").unwrap_or_default();
    let providers = attributes.list("providers").iter();
    let other = providers.filter(|name| !matches!(name.as_str(), Some("email" | "phone")));
    let other = other.count() > 0 || user.truth("is_sso_user") == Some(true);
    attributes
        .0
        .retain(|name, _| name != "provider" && name != "providers");
    entry.attributes(&attributes, options);
    entry.omit_if(other, "provider");
    entry.omit_if(user.says("phone"), "phone");
    entry
}
