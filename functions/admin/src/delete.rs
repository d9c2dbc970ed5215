//! `DELETE /admin/users/{id}`: deletes an account.

use lambda_http::{Body, Request, Response};
use shared::domain::{Account, Event, Origin, Status};
use shared::http::{Preconditions, Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};
use shared::store::Administered;

use super::{Admin, tag};

impl Admin {
    /// Deletes an account in two steps, as its owner does with `DELETE /profile`. If a call finds
    /// the first step done, it does the second. No administrator deletes themselves.
    ///
    /// # Errors
    ///
    /// Returns 404 if there is no such account, 409 if it is the sender's own, and 412 if a
    /// precondition does not hold.
    pub(super) async fn delete(
        &self,
        actor: &Account,
        id: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let preconditions = Preconditions::of(request);
        let read = self.find(id).await?;
        if read.id == actor.id {
            return Err(Problem::OwnAccount);
        }
        if read.status != Status::Deleting {
            preconditions.check(&tag(&read)?)?;
            let origin = self.origin(request);
            let events = events(&read, actor, &origin);
            let unchanged = !preconditions.hold_for_any();
            let begun = self.store.begin_deletion_by_operator(
                Some(actor),
                &read,
                unchanged,
                origin.now(),
                &events,
            );
            match begun.await? {
                Administered::Done(_) => events.into_iter().for_each(Event::log),
                Administered::Stale => return Err(Problem::PreconditionFailed),
                Administered::Gone => return Err(Problem::NotFound),
                Administered::ActorGone => return Err(Problem::Forbidden),
            }
        }
        self.store.finish_deletion(read.id).await?;
        Ok(no_content())
    }
}

fn events(account: &Account, actor: &Account, origin: &Origin) -> [Event; 2] {
    let deleted = AuditEvent::AccountDeleted.of(account.id);
    // None can be refreshed any more. Their items are removed with the account.
    let ended = AuditEvent::SessionsEnded.of(account.id);
    let ended = ended.by(EndedBy::Deletion);
    [deleted, ended].map(|entry| Event::new(entry.actor(actor.id), account.id, origin))
}
