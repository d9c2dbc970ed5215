//! Auth0: the password hashes that its support sends (a line each), and its bulk user export.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::fields::Fields;
use super::input::{self, Again, ExportError};
use super::json::object_at;
use super::places::Places;
use super::{Each, Entry, Options, csv, json};

/// The member that holds the hash: bcrypt, as Node.js writes it.
const HASHES: &str = "passwordHash";

pub(super) fn read(path: &Path, options: &Options, each: Each<'_>) -> Result<(), ExportError> {
    let mut hashes = match &options.passwords {
        Some(path) => Some(Hashes::of(path)?),
        None => None,
    };
    let mut take = |line, user: Result<Fields, _>| {
        Ok(each(match user {
            Ok(user) => entry(line, &user, options, hashes.as_mut())?,
            Err(fault) => Entry::broken(line, fault),
        }))
    };
    match input::first_octet(path)? {
        Some(b'{') => json::lines(path, &mut |item| take(item.line, item.object)),
        Some(b'[') => json::objects(path, &[], &mut |item| take(item.line, item.object)),
        _ => csv::rows(path, &["email"], &mut take),
    }
}

/// The file of password hashes, beside a bulk user export.
struct Hashes {
    file: Again,
    places: Places,
}

impl Hashes {
    fn of(path: &Path) -> Result<Self, ExportError> {
        let mut places = Places::default();
        json::lines(path, &mut |item| {
            let row = item.object.unwrap_or_default();
            if let (Some(id), true) = (identifier(&row), row.has(HASHES)) {
                places.add(&id, item.offset);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        places.sort();
        let file = Again::open(path)?;
        Ok(Self { file, places })
    }

    fn of_user(&mut self, id: &str) -> Result<Option<Value>, ExportError> {
        for place in self.places.of(id) {
            let row = object_at(&mut self.file, place)?.unwrap_or_default();
            if identifier(&row).as_deref() == Some(id) {
                return Ok(row.first_raw(&[HASHES]));
            }
        }
        Ok(None)
    }
}

/// Returns the identifier of a user: `auth0|` and MongoDB's object identifier, or that of another
/// provider.
fn identifier(user: &Fields) -> Option<String> {
    let given = user.first(&["user_id", "Id"]);
    given.or_else(|| {
        let object = user.object("_id").and_then(|id| id.text("$oid"));
        object
            .or_else(|| user.text("_id"))
            .map(|id| format!("auth0|{id}"))
    })
}

fn entry(
    line: u64,
    user: &Fields,
    options: &Options,
    hashes: Option<&mut Hashes>,
) -> Result<Entry, ExportError> {
    let mut entry = Entry::at(line);
    let id = identifier(user);
    let record = &mut entry.record;
    record.email = user.first(&["email", "Email"]);
    record.email_verified = user
        .truth("email_verified")
        .or(user.truth("Email Verified"));
    record.first_name = user.first(&["given_name", "Given Name"]);
    record.last_name = user.first(&["family_name", "Family Name"]);
    // Without a name, Auth0 shows the address in its place.
    let name = user.first(&["name", "Name"]);
    record.name = name.filter(|name| !name.contains('@'));
    record.date_joined = user.first_raw(&["created_at", "Created At"]);
    record.last_login = user.first_raw(&["last_login", "Last Login"]);
    if user.truth("blocked") == Some(true) {
        record.status = Some("disabled".to_owned());
    }
    let hash = match (user.first_raw(&[HASHES]), hashes, &id) {
        (None, Some(hashes), Some(id)) => hashes.of_user(id)?,
        (hash, _, _) => hash,
    };
    record.id = id;
    if let Some(hash) = hash {
        entry.password("bcrypt", hash);
    }
    entry.locale(user.text("locale"));
    if let Some(attributes) = user.object("app_metadata") {
        entry.attributes(&attributes, options);
    }
    entry.omit_if(user.says("user_metadata"), "attributes");
    entry.omit_if(user.says("phone_number"), "phone");
    entry.omit_if(
        user.says("mfa_factors") || user.says("multifactor"),
        "second-factor",
    );
    entry.username(user.first(&["username", "Username"]));
    let mut identities = user.objects("identities");
    let other = identities.any(|identity| identity.text("provider").as_deref() != Some("auth0"));
    entry.omit_if(other, "provider");
    Ok(entry)
}
