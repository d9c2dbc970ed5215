//! Keycloak's export of a realm, or of the users of a realm.

use std::path::Path;

use serde_json::{Value, json};

use super::fields::{Fields, as_text};
use super::input::ExportError;
use super::{Each, Entry, Options, json as files};

/// The realm roles that every user has, besides `default-roles-` and the name of the realm.
const OF_ALL: [&str; 2] = ["offline_access", "uma_authorization"];

pub(super) fn read(path: &Path, _: &Options, each: Each<'_>) -> Result<(), ExportError> {
    files::objects(path, &["users"], &mut |item| {
        Ok(each(match item.object {
            Ok(user) => entry(item.line, &user),
            Err(fault) => Entry::broken(item.line, fault),
        }))
    })
}

fn entry(line: u64, user: &Fields) -> Entry {
    let mut entry = Entry::at(line);
    let record = &mut entry.record;
    record.id = user.text("id");
    record.email = user.text("email");
    record.email_verified = user.truth("emailVerified");
    record.first_name = user.text("firstName");
    record.last_name = user.text("lastName");
    record.date_joined = user.first_raw(&["createdTimestamp"]);
    if user.truth("enabled") == Some(false) {
        record.status = Some("disabled".to_owned());
    }
    if user.says("serviceAccountClientId") {
        entry.refuse(
            "email",
            "service-account",
            "is of a service, not of a person",
        );
    }
    for credential in user.objects("credentials") {
        match credential.text("type").as_deref() {
            Some("password") => entry.password("keycloak", stored(&credential)),
            _ => entry.omit("second-factor"),
        }
    }
    for role in user.list("realmRoles").iter().filter_map(as_text) {
        if !role.starts_with("default-roles-") && !OF_ALL.contains(&role.as_str()) {
            entry.role(&role);
        }
    }
    // So that no group becomes a role of the same name.
    for group in user.list("groups").iter().filter_map(as_text) {
        entry.role(&format!("group:{}", group.trim_start_matches('/')));
    }
    let attributes = user.object("attributes").unwrap_or_default();
    let locale = attributes.list("locale").first().and_then(as_text);
    entry.locale(locale.or_else(|| attributes.text("locale")));
    entry.omit_if(
        attributes.0.keys().any(|name| name != "locale"),
        "attributes",
    );
    let clients = user.object("clientRoles").unwrap_or_default();
    entry.omit_if(
        clients.0.keys().any(|client| client != "account"),
        "client-roles",
    );
    entry.omit_if(user.says("federatedIdentities"), "provider");
    entry.omit_if(user.says("requiredActions"), "required-action");
    entry.omit_if(user.says("totp"), "second-factor");
    entry.username(user.text("username"));
    entry
}

/// Returns what the form of the password is read from. Up to version 3, there were members in place
/// of the two JSON texts.
fn stored(credential: &Fields) -> Value {
    if credential.has("secretData") {
        let member = |name| credential.raw(name).cloned().unwrap_or_default();
        return json!({
            "secretData": member("secretData"),
            "credentialData": member("credentialData"),
        });
    }
    let member = |name| credential.raw(name).cloned().unwrap_or_default();
    let secret = json!({"value": member("hashedSaltedValue"), "salt": member("salt")});
    let data = json!({
        "hashIterations": member("hashIterations"),
        "algorithm": member("algorithm"),
    });
    json!({"secretData": secret.to_string(), "credentialData": data.to_string()})
}
