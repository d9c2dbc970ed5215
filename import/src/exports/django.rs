//! Django's `dumpdata`: a list of objects of all models, or one a line (`--format jsonl`).

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::fields::{Fields, as_text};
use super::input::ExportError;
use super::places::Places;
use super::{Each, Entry, Options, json};

/// What the first pass collects.
#[derive(Default)]
struct Site {
    /// The models of users.
    models: BTreeSet<String>,
    /// The names of groups, by their keys.
    groups: HashMap<String, String>,
    /// Which addresses of which users are proven. (django-allauth keeps this.)
    verified: Places,
    /// Whether the site keeps that.
    has_verified: bool,
}

pub(super) fn read(path: &Path, _: &Options, each: Each<'_>) -> Result<(), ExportError> {
    let site = site(path)?;
    json::objects(path, &[], &mut |item| {
        let line = item.line;
        Ok(match item.object {
            Err(fault) => each(Entry::broken(line, fault)),
            Ok(object) => match object.text("model") {
                Some(model) if site.models.contains(&model) => each(entry(line, &object, &site)),
                _ => ControlFlow::Continue(()),
            },
        })
    })
}

fn site(path: &Path) -> Result<Site, ExportError> {
    let mut site = Site::default();
    // A model of users has a last login, unless somebody has removed it.
    let (mut with_login, mut without) = (BTreeSet::new(), BTreeSet::new());
    json::objects(path, &[], &mut |item| {
        let object = item.object.unwrap_or_default();
        let model = object.text("model").unwrap_or_default();
        let fields = object.object("fields").unwrap_or_default();
        let key = object.text("pk").unwrap_or_default();
        if fields.has("password") && fields.has("email") {
            match fields.has("last_login") {
                true => with_login.insert(model),
                false => without.insert(model),
            };
        } else if model == "auth.group" {
            site.groups
                .insert(key, fields.text("name").unwrap_or_default());
        } else if model == "account.emailaddress" {
            site.has_verified = true;
            let user = fields.text("user").unwrap_or_default();
            let address = fields.text("email").unwrap_or_default();
            if fields.truth("verified") == Some(true) {
                site.verified.add(&proven(&user, &address), 0);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    site.verified.sort();
    site.models = match with_login.is_empty() {
        true => without,
        false => with_login,
    };
    match site.models.is_empty() {
        true => Err(ExportError::Other(
            "no model has the fields password and email".to_owned(),
        )),
        false => Ok(site),
    }
}

fn proven(user: &str, address: &str) -> String {
    format!("{user} {}", address.trim().to_ascii_lowercase())
}

fn entry(line: u64, object: &Fields, site: &Site) -> Entry {
    let mut entry = Entry::at(line);
    let fields = object.object("fields").unwrap_or_default();
    let key = object.text("pk");
    let record = &mut entry.record;
    record.email = fields.text("email");
    if site.has_verified {
        let address = record.email.clone().unwrap_or_default();
        let proven = proven(&key.clone().unwrap_or_default(), &address);
        record.email_verified = Some(site.verified.of(&proven).next().is_some());
    }
    record.id = key;
    record.first_name = fields.text("first_name");
    record.last_name = fields.text("last_name");
    record.name = fields.first(&["name", "full_name"]);
    record.date_joined = fields.first_raw(&["date_joined", "created_at", "created"]);
    record.last_login = fields.first_raw(&["last_login"]);
    if fields.truth("is_active") == Some(false) {
        record.status = Some("disabled".to_owned());
    }
    if let Some(password) = fields.raw("password") {
        entry.password("django", password.clone());
    }
    for group in fields.list("groups") {
        // A natural key is a list of the name.
        let name = match group {
            Value::Array(natural) => natural.first().and_then(as_text),
            key => as_text(key).and_then(|key| site.groups.get(&key).cloned()),
        };
        match name {
            Some(name) => entry.role(&name),
            None => entry.refuse(
                "roles",
                "unknown-group",
                "is in a group that the file lacks",
            ),
        }
    }
    for (field, role) in [("is_superuser", "superuser"), ("is_staff", "staff")] {
        if fields.truth(field) == Some(true) {
            entry.role(role);
        }
    }
    entry.omit_if(fields.says("user_permissions"), "permissions");
    entry.username(fields.text("username"));
    entry
}
