//! `POST /email/change`: asks for a link that moves the account to a new address.
//!
//! The account keeps its address until the link is used. Whether the new address has an account is
//! not looked at here, so nobody can ask with their own account which addresses have one: the mail
//! to the new address tells its owner, and nobody else.

use lambda_http::{Body, Request, Response};
use shared::domain::{Email, Event, Link, Mail, Password, Purpose, Violation};
use shared::http::{
    Fields, Identity, LiveSession, Media, Problem, Reauthentication, TokenRejection, accepted,
};
use shared::observe::AuditEvent;
use shared::store::email_changes::Requested;

use super::Profile;

/// The new address, and the password.
struct Change {
    email: Email,
    password: Password,
}

impl Profile {
    /// Asks for the link.
    ///
    /// # Errors
    ///
    /// Returns 404 if the deployment sends no mail, 401 if the account is not active or the session
    /// has ended, 403 if the password is wrong, and 429 if too many passwords were tried or too many
    /// mails were asked for.
    pub(super) async fn ask_for_email_change(
        &self,
        owner: &Identity,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        if !self.sends_mail {
            return Err(Problem::NotFound);
        }
        let origin = self.throttle.origin(request, self.clock.millis());
        let now = origin.now();
        let live = LiveSession::read(&self.store, owner, &self.sessions, now);
        let LiveSession { session, account } = live.await?;
        let change = read(request, &account.email)?;
        Reauthentication {
            store: &self.store,
            hasher: &self.hasher,
            throttle: &self.throttle,
            account: &account,
            session_id: session.id,
            password: &change.password,
            origin: &origin,
        }
        .verify()
        .await?;
        // After the password: whoever does not know it uses up nobody's mails.
        let counted = self.mails.count(
            &self.store,
            (Mail::EmailChange, &change.email),
            request,
            origin.millis,
        );
        counted.await?;
        let requested = AuditEvent::EmailChangeRequested.of(account.id);
        let requested = Event::new(requested.session(session.id), account.id, &origin);
        let link = Link {
            user_id: account.id,
            id: requested.id,
            purpose: Purpose::EmailChange,
            email: change.email,
            from: Some(account.email.clone()),
            password_epoch: account.password_epoch,
            session_id: Some(session.id),
            told: false,
            expires_at: now + Purpose::EmailChange.seconds(),
            hashes: Vec::new(),
        };
        let events = [requested.of_link(link.id).mail(Mail::EmailChange)];
        let asked = self.store.request_email_change(&account, &link, &events);
        match asked.await? {
            Requested::Done => {}
            Requested::Gone => return Err(TokenRejection::Session.into()),
        }
        events.into_iter().for_each(Event::log);
        Ok(accepted())
    }
}

/// Reads the body. An address with which the owner logs in already is refused: its credential would
/// stay where it is.
fn read(request: &Request, today: &Email) -> Result<Change, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let email = fields.required("email", |text| {
        let email = Email::parse(text)?;
        match email.canonical() == today.canonical() {
            true => Err(Violation::new(
                "unchanged",
                "is the account's address already",
            )),
            false => Ok(email),
        }
    });
    let password = fields.required("password", Password::presented);
    fields.finish(|| {
        Some(Change {
            email: email?,
            password: password?,
        })
    })
}
