//! `POST /email/change/confirm`: moves an account to a new address.

use lambda_http::{Body, Request, Response};
use shared::domain::throttle::{AttemptKey, Attempts, Place};
use shared::domain::{Event, LinkRefusal, LinkToken, Mail, Origin, Password, Purpose};
use shared::http::{Fields, Media, Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};
use shared::store::Credential;
use shared::store::email_changes::{EmailChange, Moved};

use super::{Found, Links, Refused};

impl Links {
    /// Moves the account to the address of the link, if somebody who knows its password has the link.
    pub(super) async fn change_email(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let mut fields = Fields::read(request, Media::Json)?;
        let token = fields.required("token", |text| Ok(LinkToken::parse(text)));
        let password = fields.required("password", Password::presented);
        let (token, password) = fields.finish(|| Some((token?, password?)))?;
        let origin = self.throttle.origin(request, self.clock.millis());
        let purpose = &[Purpose::EmailChange];
        let found = self.find(token, purpose, origin.now()).await?;
        let found = found.map_err(Refused::answer)?;
        // A link that was minted after its request was deleted with the account has no old address.
        if found.link.from.as_ref() != Some(&found.account.email) {
            let (reason, user) = (LinkRefusal::AccountChanged, Some(found.account.id));
            return Err(Refused { reason, user }.answer());
        }
        let (attempt, credential) = self.verify_owner(&found, &password, &origin).await?;
        let moved = self.move_account(&found, &credential, &origin).await;
        if moved.is_err() {
            attempt.refund().await;
        }
        moved
    }

    /// Moves the account. All sessions end but the one that asked for the link, and so do all other
    /// links.
    ///
    /// # Errors
    ///
    /// Returns 409 if the address has an account by now.
    async fn move_account(
        &self,
        found: &Found,
        credential: &Credential,
        origin: &Origin,
    ) -> Result<Response<Body>, Problem> {
        let Found {
            token,
            link,
            account,
        } = found;
        let user = account.id;
        let now = origin.now();
        let key = AttemptKey::new(&link.email, Place::Address, &origin.source());
        // The owner can log in from here, however often somebody guessed at the address before.
        let attempts = Attempts::of_new_account(&key, now);
        let changed = AuditEvent::EmailChanged.of(user);
        let ended = AuditEvent::SessionsEnded.of(user);
        let events = [
            // The link holds the old address, which the notice goes to.
            Event::new(changed, user, origin)
                .of_link(link.id)
                .mail(Mail::EmailChanged),
            Event::new(ended.by(EndedBy::EmailChange), user, origin),
        ];
        let change = EmailChange {
            token,
            link,
            account,
            credential,
            attempts: (&key, &attempts),
            now,
        };
        match self.store.change_email(&change, &events).await? {
            Ok(Moved::Done(session)) => {
                events.into_iter().for_each(Event::log);
                self.store.remove_ended_sessions(user, session).await;
                Ok(no_content())
            }
            Ok(Moved::EmailTaken) => Err(self.email_taken(&link.email, origin).await?),
            Err(reason) => {
                let user = Some(user);
                Err(Refused { reason, user }.answer())
            }
        }
    }
}
