//! `DELETE /admin/users/{id}/sessions`: ends all sessions of an account.

use lambda_http::{Body, Request, Response};
use shared::domain::{Account, Event, Status};
use shared::http::{Preconditions, Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};
use shared::store::Administered;

use super::{Admin, tag};

impl Admin {
    /// The number of tries for an account that changes in the meantime.
    const TRIES_TO_SIGN_OUT: usize = 5;

    /// Ends all sessions of an account and voids its links. An administrator may do this to
    /// themselves.
    ///
    /// # Errors
    ///
    /// Returns 404 if there is no such account or it is being deleted, and 412 if a precondition does
    /// not hold.
    pub(super) async fn sign_out(
        &self,
        actor: &Account,
        id: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let preconditions = Preconditions::of(request);
        let unchanged = !preconditions.hold_for_any();
        for _ in 0..Self::TRIES_TO_SIGN_OUT {
            let read = self.find(id).await?;
            if read.status == Status::Deleting {
                return Err(Problem::NotFound);
            }
            preconditions.check(&tag(&read)?)?;
            let ended = AuditEvent::SessionsEnded.of(read.id).by(EndedBy::Operator);
            let origin = self.origin(request);
            let events = [Event::new(ended.actor(actor.id), read.id, &origin)];
            let ended = self.store.sign_out(Some(actor), &read, unchanged, &events);
            match ended.await? {
                Administered::Done(_) => {
                    events.into_iter().for_each(Event::log);
                    self.store.remove_ended_sessions(read.id, None).await;
                    return Ok(no_content());
                }
                // What has changed may be nothing that the tag is about, such as the password.
                Administered::Stale => {}
                Administered::Gone => return Err(Problem::NotFound),
                Administered::ActorGone => return Err(Problem::Forbidden),
            }
        }
        // Nothing changes so often.
        Err(Problem::Unavailable(
            "the account changes all the time".into(),
        ))
    }
}
