//! The schemas of published events: docs/events/, one file for each type (JSON Schema 2020-12).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use shared::observe::AuditEvent;

/// Whether an event has the id of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Session {
    Always,
    Sometimes,
    Never,
}

/// Writes the schemas into the folder docs/events below `root`; or, to `check`, only compares them.
///
/// # Errors
///
/// Returns an error if a file cannot be read or written, if the folder has another file, or, to
/// `check`, if one is missing or out of date.
pub fn write(root: &Path, check: bool) -> anyhow::Result<()> {
    let folder = root.join("docs/events");
    let mut names = BTreeSet::new();
    for event in AuditEvent::ALL {
        let Some((name, schema)) = schema(event) else {
            continue;
        };
        let path = folder.join(format!("{name}.json"));
        let shown = path.display();
        let text = format!("{schema:#}\n");
        names.insert(format!("{name}.json"));
        if fs::read_to_string(&path).ok().as_ref() == Some(&text) {
            continue;
        }
        if check {
            bail!("{shown} is out of date: run `cargo xtask generate`");
        }
        fs::write(&path, text).with_context(|| format!("cannot write {shown}"))?;
    }
    for file in fs::read_dir(&folder).context("there is no folder docs/events")? {
        let file = file?.file_name();
        let file = file.to_string_lossy();
        if !names.contains(&*file) {
            bail!("docs/events/{file} is the schema of no event that is published: delete it");
        }
    }
    Ok(())
}

/// Returns the type of an event and its schema, if it is published.
fn schema(event: AuditEvent) -> Option<(&'static str, Value)> {
    let name = event.published()?;
    let (when, session, causes) = facts(event)?;
    let mut required = vec!["user_id", "actor"];
    let mut data = json!({
        "user_id": uuid("The account. The same as `subject`."),
        "actor": {
            "description": "`operator`, if an administrator or somebody with the command line did it. \
                            Who it was is in the row of the event table.",
            "enum": ["owner", "operator"],
        },
        "by": word("What caused it."),
        "reason": word("Why it happened."),
    });
    if !causes.is_empty() {
        data["by"]["examples"] = json!(causes);
    }
    if session != Session::Never {
        data["session_id"] = uuid("The session that it is about, or in which it happened.");
    }
    if session == Session::Always {
        required.push("session_id");
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:latchkey:events:{name}"),
        "title": name,
        "description": format!(
            "{when} The `detail` of an event on the bus: CloudEvents 1.0, in JSON. Members may be added."
        ),
        "type": "object",
        "required": [
            "specversion", "id", "source", "type", "time", "subject", "datacontenttype", "data",
        ],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": uuid(
                "The event, the same each time it is published. A UUIDv7: identifiers of later events \
                 sort later.",
            ),
            "source": {
                "description": "The parameter Issuer, or else `urn:latchkey:` and the stack's name.",
                "type": "string",
                "minLength": 1,
            },
            "type": {"const": name},
            "time": {
                "description": "When it happened, in UTC.",
                "type": "string",
                "format": "date-time",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
            },
            "subject": uuid("The account."),
            "datacontenttype": {"const": "application/json"},
            "data": {"type": "object", "required": required, "properties": data},
        },
    });
    Some((name, schema))
}

fn uuid(description: &str) -> Value {
    json!({
        "description": description,
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    })
}

fn word(description: &str) -> Value {
    json!({
        "description": format!("{description} A word; a later version may have others."),
        "type": "string",
        "pattern": "^[a-z0-9_]{1,64}$",
    })
}

/// Returns when the event happens, whether it names a session, and its causes.
fn facts(event: AuditEvent) -> Option<(&'static str, Session, &'static [&'static str])> {
    use AuditEvent as Event;
    use Session::{Always, Never, Sometimes};
    const MAILS: &[&str] = &["password_reset", "password_changed", "new_source"];
    Some(match event {
        Event::Registered => ("An account was opened by its owner.", Never, &[]),
        Event::AccountInvited => ("An operator opened an account.", Never, &[]),
        Event::AccountDeleted => (
            "An account was deleted. It is gone, or will be within moments: look up nothing about it.",
            Sometimes,
            &[],
        ),
        Event::AccountDisabled => ("An account was disabled: nobody can log in.", Never, &[]),
        Event::AccountEnabled => ("A disabled account was enabled.", Never, &[]),
        Event::ProfileChanged => (
            "An operator changed names or the locale. Changes by the owner are not published.",
            Never,
            &[],
        ),
        Event::RolesChanged => (
            "The roles of an account were changed. Tokens that exist keep theirs until they expire.",
            Never,
            &[],
        ),
        Event::ClaimsChanged => ("The claims of an account were changed.", Never, &[]),
        Event::PasswordChanged => ("The owner changed the password.", Always, &[]),
        Event::PasswordReset => (
            "The password was set with a link from a mail, or by an operator.",
            Never,
            &["invitation"],
        ),
        Event::EmailChangeRequested => (
            "The owner asked for a link that moves the account to a new address.",
            Always,
            &[],
        ),
        Event::EmailChanged => ("The account has a new address.", Never, &[]),
        Event::EmailVerified => ("The address of the account was proven.", Never, &[]),
        Event::MailBounced => ("A mail to the account came back.", Never, MAILS),
        Event::MailComplained => ("A mail to the account was called spam.", Never, MAILS),
        Event::LoggedIn => ("Somebody logged in.", Always, &[]),
        Event::SessionEnded => ("One session ended.", Always, &["logout", "owner", "reuse"]),
        Event::SessionsEnded => (
            "All sessions of the account ended, or all but the one of the request.",
            Sometimes,
            &[
                "owner",
                "password_change",
                "password_reset",
                "email_change",
                "deletion",
                "disabling",
                "operator",
            ],
        ),
        Event::PasswordRefused => (
            "In a session, the password was asked for again, and it was wrong.",
            Always,
            &[],
        ),
        Event::RefreshTokenReused => (
            "A refresh token came again after its successor was used: somebody may have a copy. The \
             session has ended.",
            Always,
            &[],
        ),
        Event::EmailTaken
        | Event::LoginRefused
        | Event::AttemptRefused
        | Event::RefreshTokenRepeated
        | Event::RegistrationRequested
        | Event::PasswordResetRequested
        | Event::EmailVerificationRequested
        | Event::LinkRefused
        | Event::TokenRefused
        | Event::MailSent
        | Event::MailSkipped
        | Event::MailRejected
        | Event::MailFailed => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_has_a_schema_and_nothing_else_has() {
        for event in AuditEvent::ALL {
            let has_schema = schema(event).is_some();
            assert_eq!(has_schema, event.published().is_some(), "{}", event.name());
        }
    }
}
