//! What SES says of a mail after it was sent, as EventBridge passes it on ("Monitoring SES events
//! using Amazon EventBridge" in the SES developer guide).

use serde_json::Value;
use shared::domain::session::Device;
use shared::domain::{Email, EmailState, Event, Mail, Origin, Recipient, UserId};
use shared::observe::AuditEvent;

use crate::{Mailer, MailerError};

/// What SES says of a mail.
#[derive(Debug)]
pub struct Feedback {
    /// What is known against the addresses, if it lasts.
    state: Option<EmailState>,
    /// The account, as the mail's tag says.
    user_id: Option<UserId>,
    /// What the mail was, as its tag says.
    mail: Option<Mail>,
    addresses: Vec<Email>,
}

impl Feedback {
    /// Reads an event of EventBridge. Returns `None` if SES did not send it.
    pub fn read(event: &Value) -> Option<Self> {
        if event["source"] != "aws.ses" {
            return None;
        }
        let detail = &event["detail"];
        let (state, addresses) = match event["detail-type"].as_str()? {
            "Email Bounced" => {
                let bounce = &detail["bounce"];
                // Others, such as that of a full mailbox, pass.
                let is_permanent = bounce["bounceType"] == "Permanent";
                let state = is_permanent.then_some(EmailState::Bounced);
                (state, &bounce["bouncedRecipients"])
            }
            "Email Complaint Received" => (
                Some(EmailState::Complained),
                &detail["complaint"]["complainedRecipients"],
            ),
            _ => (None, &Value::Null),
        };
        let addresses = addresses.as_array().into_iter().flatten();
        let addresses = addresses.filter_map(|it| Email::parse(it["emailAddress"].as_str()?).ok());
        let tag = |name: &str| detail["mail"]["tags"][name][0].as_str();
        Some(Self {
            state,
            user_id: tag("user").and_then(|text| text.parse().ok()),
            mail: tag("purpose").and_then(|text| text.parse().ok()),
            addresses: addresses.collect(),
        })
    }
}

impl Mailer {
    /// Notes on the account that its address takes no mail, and records the event, if it still is
    /// its address. What passes is not noted.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Lambda then tries again.
    pub(crate) async fn hear(&self, feedback: &Feedback) -> Result<(), MailerError> {
        let Some(state) = feedback.state else {
            return Ok(());
        };
        let kind = match state {
            EmailState::Bounced => AuditEvent::MailBounced,
            EmailState::Complained => AuditEvent::MailComplained,
        };
        let entry = match feedback.user_id {
            Some(user_id) => kind.of(user_id),
            None => kind.of_nobody(),
        };
        let entry = match feedback.mail {
            Some(mail) => entry.by(mail),
            None => entry,
        };
        let recipient = match feedback.user_id {
            Some(user_id) => self.store.recipient(user_id).await?,
            None => None,
        };
        // The mail may have gone to an address that the account does not have, or no longer. Its
        // owner chooses such addresses, and must not read of them in the account's activity.
        let has_come_back = |recipient: &Recipient| {
            let fingerprint = recipient.email.fingerprint();
            let mut addresses = feedback.addresses.iter();
            addresses.any(|address| address.fingerprint() == fingerprint)
        };
        let Some(recipient) = recipient.filter(has_come_back) else {
            entry.log();
            return Ok(());
        };
        self.store.note_email_state(&recipient, state).await?;
        let origin = Origin {
            device: Device::default(),
            millis: self.clock.millis(),
        };
        let event = Event::new(entry, recipient.user_id, &origin);
        self.store.record([&event]).await?;
        event.log();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, detail: Value) -> Value {
        json!({"source": "aws.ses", "detail-type": kind, "detail": detail})
    }

    #[test]
    fn what_ses_says_is_read_whatever_is_missing() {
        let user = UserId::from_bytes([1; 16]);
        let recipients = json!([{"emailAddress": "Ada@example.com"}, {"emailAddress": "?"}, {}]);
        let bounce = json!({
            "mail": {"tags": {"user": [user.to_string()], "purpose": ["password_reset"]}},
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": recipients},
        });
        let read = Feedback::read(&event("Email Bounced", bounce.clone())).unwrap();
        assert_eq!(read.state, Some(EmailState::Bounced));
        assert_eq!(
            (read.user_id, read.mail),
            (Some(user), Some(Mail::PasswordReset))
        );
        assert_eq!(read.addresses.len(), 1);

        for passing in ["Transient", "Undetermined"] {
            let mut bounce = bounce.clone();
            bounce["bounce"]["bounceType"] = json!(passing);
            let read = Feedback::read(&event("Email Bounced", bounce)).unwrap();
            assert_eq!(read.state, None, "{passing}");
        }
        let complaint = event("Email Complaint Received", json!({}));
        let read = Feedback::read(&complaint).unwrap();
        assert_eq!(read.state, Some(EmailState::Complained));
        assert_eq!((read.user_id, read.mail), (None, None));
        let other = Feedback::read(&event("Email Delivered", json!({}))).unwrap();
        assert_eq!(other.state, None);
        for foreign in [json!({}), json!({"source": "aws.s3"}), Value::Null] {
            assert!(Feedback::read(&foreign).is_none());
        }
    }
}
