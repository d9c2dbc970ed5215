//! Sessions.

use super::item::{Key, Writer};
use super::{Store, StoreError, unavailable};
use crate::people::session::Session;

impl Store {
    /// Keeps a new session: the hash of its refresh token, never the token.
    ///
    /// # Errors
    ///
    /// Where DynamoDB does not answer; then the session may be there, and nobody has its token.
    pub async fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let item = Writer::new(Key::session(session.user_id, session.id))
            .octets("refresh_hash", &session.refresh_hash)
            .number("counter", session.counter)
            .octets("nonce", &session.nonce)
            .number("created_at", session.created_at)
            .number("last_used_at", session.last_used_at)
            .number("expires_at", session.expires_at)
            .text("ip", &session.device.ip)
            .text("user_agent", &session.device.user_agent)
            .finish();
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item));
        request
            .send()
            .await
            .map_err(unavailable("keep the session"))?;
        Ok(())
    }
}
