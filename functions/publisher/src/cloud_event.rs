//! The form in which an event is published: CloudEvents 1.0, in JSON.

use serde::Serialize;
use shared::domain::{EventId, PublishedEvent, SessionId, UserId, rfc3339_millis};

/// An event in the JSON format of CloudEvents 1.0 (structured mode). docs/events/ has a schema for
/// each `type`.
///
/// Each member is an id, a word, a time or the configured source, so an event has less than 2 KB, far
/// below the 256 KB that EventBridge takes.
#[derive(Debug, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: EventId,
    source: &'a str,
    r#type: &'static str,
    time: String,
    subject: UserId,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    user_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    actor: &'static str,
}

impl<'a> CloudEvent<'a> {
    /// Returns an event of the deployment `source`.
    pub fn new(event: &'a PublishedEvent, source: &'a str) -> Self {
        Self {
            specversion: "1.0",
            id: event.id,
            source,
            r#type: event.name,
            time: rfc3339_millis(event.id.millis()),
            subject: event.user_id,
            datacontenttype: "application/json",
            data: Data {
                user_id: event.user_id,
                session_id: event.session_id,
                by: event.by.as_deref(),
                reason: event.reason.as_deref(),
                actor: if event.is_by_operator {
                    "operator"
                } else {
                    "owner"
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> PublishedEvent {
        PublishedEvent {
            id: EventId::new(1_800_000_000_042),
            name: "session.ended",
            user_id: UserId::from_bytes([1; 16]),
            session_id: Some(SessionId::from_bytes([2; 16])),
            by: Some("logout".to_owned()),
            reason: None,
            is_by_operator: false,
        }
    }

    #[test]
    fn an_event_has_the_attributes_of_cloudevents_and_its_data() {
        let event = event();
        let user = event.user_id.to_string();
        let written = serde_json::to_value(CloudEvent::new(&event, "urn:latchkey:test")).unwrap();
        let expected = json!({
            "specversion": "1.0",
            "id": event.id.to_string(),
            "source": "urn:latchkey:test",
            "type": "session.ended",
            "time": "2027-01-15T08:00:00.042Z",
            "subject": user,
            "datacontenttype": "application/json",
            "data": {
                "user_id": user,
                "session_id": event.session_id.map(|id| id.to_string()),
                "by": "logout",
                "actor": "owner",
            },
        });
        assert_eq!(written, expected);
    }

    #[test]
    fn the_longest_event_is_far_below_what_eventbridge_takes() {
        let longest = PublishedEvent {
            name: "account.email_change_requested",
            by: Some("b".repeat(64)),
            reason: Some("r".repeat(64)),
            is_by_operator: true,
            ..event()
        };
        // Lambda's environment has 4 KB in all.
        let source = "s".repeat(1024);
        let written = serde_json::to_string(&CloudEvent::new(&longest, &source)).unwrap();
        assert!(written.len() < 2048, "{}", written.len());
    }
}
