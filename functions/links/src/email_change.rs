//! `POST /email/change/confirm`: moves an account to a new address.

use lambda_http::{Body, Request, Response};
use shared::domain::throttle::{AttemptKey, Attempts, Place};
use shared::domain::{Event, LinkRefusal, LinkToken, Mail, Purpose};
use shared::http::{Fields, Media, Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};
use shared::store::email_changes::{EmailChange, Moved};

use super::{Found, Links, Refused};

impl Links {
    /// Moves the account to the address of the link. All sessions end but the one that asked for
    /// the link, and so do all other links.
    pub(super) async fn change_email(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let mut fields = Fields::read(request, Media::Json)?;
        let token = fields.required("token", |text| Ok(LinkToken::parse(text)));
        let token = fields.finish(|| token)?;
        let origin = self.throttle.origin(request, self.clock.millis());
        let now = origin.now();
        let found = self.find(token, &[Purpose::EmailChange], now).await?;
        let Found {
            token,
            link,
            account,
        } = found.map_err(Refused::answer)?;
        let user = account.id;
        let refused = |reason| {
            let user = Some(user);
            Refused { reason, user }.answer()
        };
        // A link that was minted after its request was deleted with the account has no old address.
        if link.from.as_ref() != Some(&account.email) {
            return Err(refused(LinkRefusal::AccountChanged));
        }
        let key = AttemptKey::new(&link.email, Place::Address, &origin.source());
        // The owner can log in from here, however often somebody guessed at the address before.
        let attempts = Attempts::of_new_account(&key, now);
        let changed = AuditEvent::EmailChanged.of(user);
        let ended = AuditEvent::SessionsEnded.of(user);
        let events = [
            // The link holds the old address, which the notice goes to.
            Event::new(changed, user, &origin)
                .of_link(link.id)
                .mail(Mail::EmailChanged),
            Event::new(ended.by(EndedBy::EmailChange), user, &origin),
        ];
        let change = EmailChange {
            token: &token,
            link: &link,
            account: &account,
            attempts: (&key, &attempts),
            now,
        };
        match self.store.change_email(&change, &events).await? {
            Ok(Moved::Done(session)) => {
                events.into_iter().for_each(Event::log);
                self.store.remove_ended_sessions(user, session).await;
                Ok(no_content())
            }
            Ok(Moved::EmailTaken) => Err(self.email_taken(&link.email, &origin).await?),
            Err(reason) => Err(refused(reason)),
        }
    }
}
