//! The identities of Ory Kratos, as its admin API or its command line write them.

use std::path::Path;

use super::fields::{Fields, as_text};
use super::input::ExportError;
use super::{Each, Entry, Options, json};

pub(super) fn read(path: &Path, options: &Options, each: Each<'_>) -> Result<(), ExportError> {
    json::objects(path, &["identities"], &mut |item| {
        Ok(each(match item.object {
            Ok(identity) => entry(item.line, &identity, options),
            Err(fault) => Entry::broken(item.line, fault),
        }))
    })
}

fn entry(line: u64, identity: &Fields, options: &Options) -> Entry {
    let mut entry = Entry::at(line);
    let traits = identity.object("traits").unwrap_or_default();
    let credentials = identity.object("credentials").unwrap_or_default();
    let password = credentials.object("password").unwrap_or_default();
    let record = &mut entry.record;
    record.id = identity.text("id");
    // Without a trait of this name, the address is what a person logs in with.
    let mut identifiers = password.list("identifiers").iter().filter_map(as_text);
    let identifier = identifiers.find(|identifier| identifier.contains('@'));
    record.email = traits.text("email").or(identifier);
    let address = record.email.clone().unwrap_or_default();
    let mut addresses = identity.objects("verifiable_addresses");
    let known = addresses.find(|known| {
        let value = known.text("value").unwrap_or_default();
        value.eq_ignore_ascii_case(address.trim())
    });
    record.email_verified = Some(known.and_then(|known| known.truth("verified")) == Some(true));
    let name = traits.object("name").unwrap_or_default();
    let first = name.first(&["first", "first_name", "given_name"]);
    record.first_name = first.or_else(|| traits.first(&["first_name", "given_name"]));
    let last = name.first(&["last", "last_name", "family_name"]);
    record.last_name = last.or_else(|| traits.first(&["last_name", "family_name"]));
    record.name = traits.text("name");
    record.date_joined = identity.first_raw(&["created_at"]);
    if identity.text("state").as_deref() == Some("inactive") {
        record.status = Some("disabled".to_owned());
    }
    let config = password.object("config").unwrap_or_default();
    if let Some(stored) = config.first_raw(&["hashed_password"]) {
        entry.password("kratos", stored);
    }
    entry.locale(traits.first(&["locale", "lang"]));
    for name in ["metadata_public", "metadata_admin"] {
        if let Some(attributes) = identity.object(name) {
            entry.attributes(&attributes, options);
        }
    }
    entry.omit_if(traits.says("phone"), "phone");
    entry.omit_if(
        credentials.says("oidc") || credentials.says("saml"),
        "provider",
    );
    let factors = ["totp", "lookup_secret", "webauthn", "passkey"];
    entry.omit_if(
        factors.iter().any(|name| credentials.says(name)),
        "second-factor",
    );
    entry.username(traits.text("username"));
    entry
}
