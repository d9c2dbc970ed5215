//! `POST /password/reset`: sets a new password.

use lambda_http::{Body, Request, Response};
use shared::domain::throttle::{AttemptKey, Attempts, Place};
use shared::domain::{Account, Event, LinkToken, Mail, Origin, Purpose, personal_words};
use shared::http::{Fields, Media, Problem, no_content};
use shared::observe::{AuditEvent, EndedBy};

use super::{Found, Links, Refused};

/// The links that set a password. Of an account that an operator has opened, nobody knows the
/// password that it has before.
const GOOD_FOR: [Purpose; 2] = [Purpose::PasswordReset, Purpose::Invitation];

impl Links {
    /// Sets a new password with a link. Whoever reads the mail of the address owns the account, so
    /// all of its sessions end, the address is proven, and whoever guessed at it does not make the
    /// owner wait.
    ///
    /// A password against the policy does not use the link up.
    pub(super) async fn reset(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let origin = self.throttle.origin(request, self.clock.millis());
        let now = origin.now();
        let mut fields = Fields::read(request, Media::Json)?;
        let token = fields.required("token", |text| Ok(LinkToken::parse(text)));
        let found = match token {
            Some(token) => Some(self.find(token, &GOOD_FOR, now).await?),
            None => None,
        };
        let account = found.as_ref().and_then(|found| found.as_ref().ok());
        let personal_words = account.map_or_else(Vec::new, |Found { account, .. }| {
            let names = [Some(&account.first_name), Some(&account.last_name)];
            personal_words(Some(&account.email), names)
        });
        let new = fields.required("new_password", |text| {
            self.policy.choose(text, &personal_words)
        });
        let (found, new) = fields.finish(|| Some((found?, new?)))?;
        let Found {
            token,
            link,
            account,
        } = found.map_err(Refused::answer)?;
        let new = self.hasher.hash(&new).await?;
        let key = AttemptKey::new(&account.email, Place::Address, &origin.source());
        // The owner can log in from here, however often somebody guessed at the address before.
        let attempts = Attempts::of_new_account(&key, now);
        let events = events(&account, link.purpose, &origin);
        let of_link = (&token, link.purpose, &account);
        let reset = self
            .store
            .reset_password(of_link, &new, (&key, &attempts), &events, now);
        if let Err(reason) = reset.await? {
            let user = Some(account.id);
            return Err(Refused { reason, user }.answer());
        }
        events.into_iter().for_each(Event::log);
        self.store.remove_ended_sessions(account.id, None).await;
        Ok(no_content())
    }
}

/// Returns the events of a reset. The first password is no change that its owner has to be told of,
/// and there are no sessions before.
fn events(account: &Account, purpose: Purpose, origin: &Origin) -> Vec<Event> {
    let reset = AuditEvent::PasswordReset.of(account.id);
    let ended = AuditEvent::SessionsEnded.of(account.id);
    let verified = AuditEvent::EmailVerified.of(account.id);
    let mut events = match purpose {
        Purpose::Invitation => vec![Event::new(reset.by(Mail::Invitation), account.id, origin)],
        _ => vec![
            Event::new(reset, account.id, origin).mail(Mail::PasswordChanged),
            Event::new(ended.by(EndedBy::PasswordReset), account.id, origin),
        ],
    };
    if !account.email_verified {
        events.push(Event::new(verified, account.id, origin));
    }
    events
}
