//! `POST /admin/users/{id}/password-reset`: sends a link that sets a new password.

use lambda_http::{Body, Request, Response};
use shared::domain::{Account, Event, Mail};
use shared::http::{Preconditions, Problem, accepted};
use shared::observe::AuditEvent;

use super::{Admin, tag};

impl Admin {
    /// Asks for the mail that `POST /password/forgot` asks for too, and counts it in the same way.
    /// The password stays good until the link is used. An account that is not active gets no mail.
    ///
    /// # Errors
    ///
    /// Returns 404 if there is no such account or the deployment sends no mail, 412 if a precondition
    /// does not hold, and 429 if too many mails were asked for.
    pub(super) async fn reset(
        &self,
        actor: &Account,
        id: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        if !self.sends_mail {
            return Err(Problem::NotFound);
        }
        let account = self.find(id).await?;
        Preconditions::of(request).check(&tag(&account)?)?;
        let mail = Mail::PasswordReset;
        let counted = self.mails.count(
            &self.store,
            (mail, &account.email),
            request,
            self.clock.millis(),
        );
        let origin = counted.await?;
        let requested = AuditEvent::PasswordResetRequested.of(account.id);
        let requested = Event::new(requested.actor(actor.id), account.id, &origin);
        let events = [requested.mail(mail)];
        if !self.store.record_of(actor, &events).await? {
            return Err(Problem::Forbidden);
        }
        events.into_iter().for_each(Event::log);
        Ok(accepted())
    }
}
