//! `DELETE /admin/users/{id}/sessions`: ends all sessions of an account.

use lambda_http::{Body, Request, Response};
use shared::domain::{Account, Event};
use shared::http::{Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};
use shared::store::Administered;

use super::Admin;

impl Admin {
    /// Ends all sessions of an account and voids its links. An administrator may do this to
    /// themselves.
    ///
    /// # Errors
    ///
    /// Returns 404 if there is no such account or it is being deleted.
    pub(super) async fn sign_out(
        &self,
        actor: &Account,
        id: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let read = self.find(id).await?;
        let ended = AuditEvent::SessionsEnded.of(read.id).by(EndedBy::Operator);
        let events = [Event::new(
            ended.actor(actor.id),
            read.id,
            &self.origin(request),
        )];
        match self.store.sign_out(Some(actor), &read, &events).await? {
            Administered::Done(_) => events.into_iter().for_each(Event::log),
            // Nothing changes so often.
            Administered::Stale => {
                return Err(Problem::Unavailable(
                    "the account changes all the time".into(),
                ));
            }
            Administered::Gone => return Err(Problem::NotFound),
            Administered::ActorGone => return Err(Problem::Forbidden),
        }
        self.store.remove_ended_sessions(read.id, None).await;
        Ok(no_content())
    }
}
