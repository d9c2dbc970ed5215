//! Sessions as the owner of an account sees them.

use serde::Serialize;

use super::Session;
use crate::domain::account::rfc3339;
use crate::domain::id::SessionId;

/// An hour, to which `last_used_at` is rounded down: whoever has copied a session's tokens must not
/// learn here when its owner has just refreshed.
const HOUR: u64 = 60 * 60;

/// A session as its owner sees it.
#[derive(Debug, Serialize)]
pub struct SessionView<'a> {
    id: SessionId,
    created_at: String,
    last_used_at: String,
    ip: &'a str,
    user_agent: &'a str,
    /// Whether this session sent the request.
    current: bool,
}

impl Session {
    /// Returns the session as its owner sees it in a request of the session `current`.
    pub fn view(&self, current: SessionId) -> SessionView<'_> {
        let last_used_at = self.last_used_at - self.last_used_at % HOUR;
        let last_used_at = last_used_at.max(self.created_at);
        SessionView {
            id: self.id,
            created_at: rfc3339(self.created_at),
            last_used_at: rfc3339(last_used_at),
            ip: &self.device.ip,
            user_agent: &self.device.user_agent,
            current: self.id == current,
        }
    }
}
