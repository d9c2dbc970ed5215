//! Amazon Cognito: `aws cognito-idp list-users` as JSON, or a CSV with the columns of a user pool.
//! Nobody but Cognito has the passwords.

use std::path::Path;

use shared::domain::UserId;

use super::fields::Fields;
use super::input::{self, ExportError};
use super::{Each, Entry, Options, csv, json};

pub(super) fn read(path: &Path, options: &Options, each: Each<'_>) -> Result<(), ExportError> {
    let mut take = |line, user: Result<Fields, _>| {
        Ok(each(match user {
            Ok(user) => entry(line, &with_attributes(user), options),
            Err(fault) => Entry::broken(line, fault),
        }))
    };
    match input::first_octet(path)? {
        Some(b'{' | b'[') => {
            let lists = &["Users", "users"];
            json::objects(path, lists, &mut |item| take(item.line, item.object))
        }
        _ => csv::rows(path, &["email"], &mut take),
    }
}

/// Puts the attributes beside the other members, where a CSV has them.
fn with_attributes(mut user: Fields) -> Fields {
    for list in ["Attributes", "UserAttributes"] {
        let attributes: Vec<_> = user.objects(list).collect();
        for attribute in attributes {
            if let (Some(name), Some(value)) = (attribute.text("Name"), attribute.raw("Value")) {
                user.0.insert(name, value.clone());
            }
        }
    }
    user
}

fn entry(line: u64, user: &Fields, options: &Options) -> Entry {
    let mut entry = Entry::at(line);
    let username = user.first(&["cognito:username", "Username"]);
    let id = user.text("sub").or_else(|| username.clone());
    let record = &mut entry.record;
    record.external_id = username.clone().filter(|name| Some(name) != id.as_ref());
    record.id = id;
    record.email = user.text("email");
    record.email_verified = user.truth("email_verified");
    record.first_name = user.text("given_name");
    record.last_name = user.text("family_name");
    record.name = user.text("name");
    record.date_joined = user.first_raw(&["UserCreateDate"]);
    let status = user.first(&["UserStatus", "cognito:user_status"]);
    let disabled = user.truth("Enabled") == Some(false)
        || matches!(status.as_deref(), Some("ARCHIVED" | "COMPROMISED"));
    if disabled {
        record.status = Some("disabled".to_owned());
    }
    entry.locale(user.text("locale"));
    let attributes = user.0.iter();
    let attributes = attributes.filter(|(_, value)| value.as_str() != Some(""));
    let attributes = attributes.filter_map(|(name, value)| {
        let name = name.strip_prefix("custom:")?;
        Some((name.to_owned(), value.clone()))
    });
    entry.attributes(&Fields(attributes.collect()), options);
    entry.omit_if(user.says("phone_number"), "phone");
    entry.omit_if(user.says("picture"), "photo");
    let factor = user.says("MFAOptions") || user.truth("cognito:mfa_enabled") == Some(true);
    entry.omit_if(factor, "second-factor");
    let provider = status.as_deref() == Some("EXTERNAL_PROVIDER") || user.says("identities");
    entry.omit_if(provider, "provider");
    // Pools in which people log in with their address have made the user name up.
    entry.username(username.filter(|name| UserId::given(name).is_err()));
    entry
}
