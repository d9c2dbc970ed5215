//! Events as the owner of an account and administrators see them.

use serde::Serialize;

use super::StoredEvent;
use crate::domain::account::rfc3339;
use crate::domain::id::{EventId, SessionId};
use crate::observe::AuditEvent;

/// The age at which a repeat of a refresh token is shown, in seconds. Whoever has copied a session's
/// tokens and refreshes in step with its owner causes one at each refresh of the owner, and must not
/// learn here when that was.
const AGE_OF_REPEATS: u64 = 60 * 60;

/// What caused the events that an operator did, as the account's owner sees it.
const OPERATOR: &str = "operator";

/// An event as somebody sees it.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    id: EventId,
    event: &'a str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    ip: &'a str,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
}

impl StoredEvent {
    /// Returns the event as administrators see it, with the operator who did it.
    pub fn operator_view(&self) -> EventView<'_> {
        EventView {
            id: self.id,
            event: &self.name,
            at: rfc3339(self.id.millis() / 1000),
            session_id: self.session_id,
            ip: &self.device.ip,
            user_agent: &self.device.user_agent,
            reason: self.reason.as_deref(),
            by: self.by.as_deref(),
            actor: self.actor.as_deref(),
        }
    }

    /// Returns the event as the account's owner sees it at `now`, in seconds since the epoch: that an
    /// operator did it, but not who and from where. Returns `None` if it is not shown yet.
    pub fn owner_view(&self, now: u64) -> Option<EventView<'_>> {
        let is_repeat = self.name == AuditEvent::RefreshTokenRepeated.name();
        let is_shown = !is_repeat || self.id.millis() / 1000 + AGE_OF_REPEATS <= now;
        is_shown.then(|| self.without_operator())
    }

    fn without_operator(&self) -> EventView<'_> {
        let view = self.operator_view();
        match view.actor {
            None => view,
            Some(_) => EventView {
                ip: "",
                user_agent: "",
                by: Some(OPERATOR),
                actor: None,
                ..view
            },
        }
    }
}
