//! The stream of the event table, as Lambda passes it on: rows in DynamoDB's JSON.

use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::StoreError;
use super::item::{Attributes, PK, Reader, SK};
use crate::domain::event::Subject;
use crate::domain::mail::MailRequest;
use crate::domain::published::PublishedEvent;
use crate::domain::session::Device;
use crate::observe::AuditEvent;

/// Returns the mail that a row of the event table asks for, from the `NewImage` of a stream's
/// record, or `None` if it asks for none.
///
/// # Errors
///
/// Returns an error that names the attribute if the row is unreadable. A later version of Latchkey
/// may have written it.
pub fn mail_request(new_image: &Value) -> Result<Option<MailRequest>, StoreError> {
    let attributes = texts(new_image);
    let row = Reader {
        item: "event",
        attributes: &attributes,
    };
    if !row.has("mail") {
        return Ok(None);
    }
    Ok(Some(MailRequest {
        id: row.parsed(SK)?,
        subject: row.text(PK, subject)?,
        mail: row.parsed("mail")?,
        pending: row.optional_text("pending")?,
        link: row.optional_text("link")?,
        device: Device {
            ip: row.parsed("ip")?,
            user_agent: row.parsed("user_agent")?,
        },
    }))
}

/// Returns what a row of the event table tells others, from the `NewImage` of a stream's record, or
/// `None` if it is not for others: it is about an address and no account, or its event is not
/// published.
///
/// # Errors
///
/// Returns an error that names the attribute if the row is unreadable. A later version of Latchkey
/// may have written it.
pub fn published_event(new_image: &Value) -> Result<Option<PublishedEvent>, StoreError> {
    let attributes = texts(new_image);
    let row = Reader {
        item: "event",
        attributes: &attributes,
    };
    let Subject::User(user_id) = row.text(PK, subject)? else {
        return Ok(None);
    };
    let event = row.text("event", |name| AuditEvent::named(name).ok_or(()))?;
    let Some(name) = event.published() else {
        return Ok(None);
    };
    let word = |name: &'static str| {
        let text = row.optional_text(name)?;
        Ok::<_, StoreError>(text.and_then(PublishedEvent::word))
    };
    Ok(Some(PublishedEvent {
        id: row.parsed(SK)?,
        name,
        user_id,
        session_id: row.optional_text("session_id")?,
        by: word("by")?,
        reason: word("reason")?,
        is_by_operator: row.has("actor"),
    }))
}

/// Returns the attributes of an image that are strings.
fn texts(image: &Value) -> Attributes {
    let members = image.as_object().into_iter().flatten();
    let texts = members.filter_map(|(name, value)| {
        let text = value.get("S")?.as_str()?;
        Some((name.clone(), AttributeValue::S(text.to_owned())))
    });
    texts.collect()
}

/// Parses the partition key of an event.
pub(super) fn subject(pk: &str) -> Result<Subject, ()> {
    if let Some(user) = pk.strip_prefix("USER#") {
        return FromStr::from_str(user).map(Subject::User).map_err(drop);
    }
    let is_hash = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let address = pk.strip_prefix("EMAIL#").filter(is_hash).ok_or(())?;
    Ok(Subject::Address(address.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::id::{EventId, SessionId, UserId};
    use crate::domain::mail::Mail;

    fn image() -> Value {
        json!({
            "pk": {"S": format!("USER#{}", UserId::from_bytes([1; 16]))},
            "sk": {"S": EventId::from_bytes([2; 16]).to_string()},
            "event": {"S": "password_changed"},
            "ip": {"S": "203.0.113.7"},
            "user_agent": {"S": ""},
            "mail": {"S": "password_changed"},
            "expires_at": {"N": "1"},
        })
    }

    #[test]
    fn a_row_of_the_stream_is_read_as_it_was_written() {
        let request = mail_request(&image()).unwrap().unwrap();
        assert_eq!(request.id, EventId::from_bytes([2; 16]));
        assert_eq!(request.subject, UserId::from_bytes([1; 16]).into());
        assert_eq!(request.mail, Mail::PasswordChanged);
        assert_eq!((request.pending, request.link), (None, None));
        let mut of_address = image();
        of_address["pk"]["S"] = json!(format!("EMAIL#{}", "a".repeat(64)));
        of_address["pending"] = json!({"S": UserId::from_bytes([3; 16]).to_string()});
        let request = mail_request(&of_address).unwrap().unwrap();
        assert_eq!(request.subject, Subject::Address("a".repeat(64)));
        assert_eq!(request.pending, Some(UserId::from_bytes([3; 16])));
    }

    #[test]
    fn a_row_tells_others_ids_and_words_and_neither_where_from_nor_by_whom() {
        let mut row = image();
        row["session_id"] = json!({"S": SessionId::from_bytes([4; 16]).to_string()});
        row["by"] = json!({"S": "password_change"});
        row["reason"] = json!({"S": "said ada@example.com"});
        row["actor"] = json!({"S": "arn:aws:iam::123456789012:user/ada"});
        let expected = PublishedEvent {
            id: EventId::from_bytes([2; 16]),
            name: "account.password_changed",
            user_id: UserId::from_bytes([1; 16]),
            session_id: Some(SessionId::from_bytes([4; 16])),
            by: Some("password_change".to_owned()),
            reason: None,
            is_by_operator: true,
        };
        assert_eq!(published_event(&row).unwrap(), Some(expected));
        let mut of_address = image();
        of_address["pk"]["S"] = json!(format!("EMAIL#{}", "a".repeat(64)));
        assert_eq!(published_event(&of_address).unwrap(), None);
        let mut unpublished = image();
        unpublished["event"]["S"] = json!("refresh_token_repeated");
        assert_eq!(published_event(&unpublished).unwrap(), None);
        for (name, value) in [
            ("pk", json!({"S": "USER#x"})),
            ("sk", json!({"S": "x"})),
            ("event", json!({"S": "of_a_later_version"})),
            ("event", json!({"N": "1"})),
            ("session_id", json!({"S": "x"})),
        ] {
            let mut image = image();
            image[name] = value;
            let error = published_event(&image).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{name}\"")), "{error}");
        }
        assert!(published_event(&Value::Null).is_err());
    }

    #[test]
    fn a_row_that_asks_for_no_mail_is_none_and_one_that_is_malformed_is_an_error() {
        let mut none = image();
        none.as_object_mut().unwrap().remove("mail");
        assert_eq!(mail_request(&none).unwrap(), None);
        assert_eq!(mail_request(&Value::Null).unwrap(), None);
        for (name, value) in [
            ("pk", json!({"S": "USER#x"})),
            ("pk", json!({"S": "EMAIL#../.."})),
            ("pk", json!({"S": "OTHER#x"})),
            ("sk", json!({"S": "x"})),
            ("sk", json!({"N": "1"})),
            ("mail", json!({"S": "of_a_later_version"})),
            ("link", json!({"S": ""})),
            ("ip", json!(null)),
        ] {
            let mut image = image();
            image[name] = value;
            let error = mail_request(&image).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{name}\"")), "{error}");
        }
    }
}
