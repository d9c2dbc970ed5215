//! Latchkey's own lines: what `latchkey users export` writes, and what a report of an import holds.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fields::Fields;
use super::input::{self, ExportError};
use super::{Each, Entry, json};
use crate::record::{Fault, Record};

pub(super) fn read(path: &Path, each: Each<'_>) -> Result<(), ExportError> {
    let take = &mut |item: json::Item| {
        Ok(each(match item.object {
            Ok(members) => entry(item.line, members),
            Err(fault) => Entry::broken(item.line, fault),
        }))
    };
    match input::first_octet(path)? {
        Some(b'[') => json::objects(path, &[], take),
        _ => json::lines(path, take),
    }
}

/// Reads each member by itself, so that all faults are told at once.
fn entry(line: u64, Fields(members): Fields) -> Entry {
    let mut record = Record::default();
    let mut faults = Vec::new();
    for (name, value) in members {
        if value.is_null() {
            continue;
        }
        let member = &mut Member {
            name: &name,
            value,
            faults: &mut faults,
        };
        match name.as_str() {
            "id" => record.id = member.read("a text"),
            "external_id" => record.external_id = member.read("a text"),
            "email" => record.email = member.read("a text"),
            "email_verified" => record.email_verified = member.read("true or false"),
            "first_name" => record.first_name = member.read("a text"),
            "last_name" => record.last_name = member.read("a text"),
            "name" => record.name = member.read("a text"),
            "locale" => record.locale = member.read("a text"),
            "date_joined" => record.date_joined = member.read("a time"),
            "last_login" => record.last_login = member.read("a time"),
            "roles" => record.roles = member.read("a list of texts").unwrap_or_default(),
            "claims" => record.claims = member.read("an object").unwrap_or_default(),
            "status" => record.status = member.read("a text"),
            "password_hash" => record.password_hash = member.read("a text or an object"),
            "password_format" => record.password_format = member.read("a text"),
            "password_secret" => record.password_secret = member.read("a text"),
            // A report tells these of what was refused.
            "faults" | "line" => {}
            _ => faults.push(Fault::new(
                &name,
                "unknown",
                "is not a member that is known here",
            )),
        }
    }
    Entry {
        line,
        record,
        faults,
        ..Entry::default()
    }
}

struct Member<'a> {
    name: &'a str,
    value: Value,
    faults: &'a mut Vec<Fault>,
}

impl Member<'_> {
    fn read<T: DeserializeOwned>(&mut self, wanted: &str) -> Option<T> {
        let read = serde_json::from_value(self.value.take());
        read.map_err(|_| {
            let fault = Fault::new(self.name, "wrong-type", format!("is not {wanted}"));
            self.faults.push(fault);
        })
        .ok()
    }
}
