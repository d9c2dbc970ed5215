//! `POST /admin/users`: opens an account for somebody, and invites them by mail.

use lambda_http::http::header::LOCATION;
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Request, Response};
use shared::domain::throttle::{AttemptKey, Attempts, Place};
use shared::domain::{
    Account, CustomClaims, Email, Event, Locale, Mail, Name, NewAccount, Subject,
};
use shared::http::{Fields, Media, Problem, etag, json};
use shared::observe::AuditEvent;
use shared::store::Invited;

use super::{Admin, tag};

impl Admin {
    /// Opens an account with a password that nobody knows. The mail has a link that sets one, and
    /// proves the address.
    ///
    /// # Errors
    ///
    /// Returns 404 if the deployment sends no mail, 409 if the address has an account, and 429 if
    /// too many mails were asked for.
    pub(super) async fn invite(
        &self,
        actor: &Account,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        if !self.sends_mail {
            return Err(Problem::NotFound);
        }
        let millis = self.clock.millis();
        let account = read(request, millis)?;
        self.check_size(&account, request)?;
        let mail = Mail::Invitation;
        let counted = self
            .mails
            .count(&self.store, (mail, &account.email), request, millis);
        let origin = counted.await?;
        let password = self.hasher.unmatchable()?;
        let invited = AuditEvent::AccountInvited.of(account.id);
        let invited = Event::new(invited.actor(actor.id), account.id, &origin);
        let events = [invited.mail(mail)];
        // Nobody has logged in from anywhere yet.
        let attempts = Attempts::default();
        let key = AttemptKey::new(&account.email, Place::Address, &origin.source());
        let opened =
            self.store
                .invite(Some(actor), &account, &password, (&key, &attempts), &events);
        match opened.await? {
            Invited::Done => {}
            Invited::ActorGone => return Err(Problem::Forbidden),
            Invited::EmailTaken => {
                let taken = AuditEvent::EmailTaken.of_nobody().actor(actor.id);
                let taken = Event::new(taken, Subject::address(&account.email), &origin);
                let stored = self.store.record([&taken]).await;
                taken.log();
                stored?;
                return Err(Problem::EmailTaken);
            }
        }
        events.into_iter().for_each(Event::log);
        let mut response = json(StatusCode::CREATED, &account.operator_view())?;
        // Relative to the path of this request (RFC 9110 section 10.2.2): a custom domain may add a
        // base path, which functions do not see.
        if let Ok(location) = HeaderValue::from_str(&format!("users/{}", account.id)) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(etag::tagged(response, &tag(&account)?))
    }
}

/// Reads the body, and returns the account that it describes.
fn read(request: &Request, millis: u64) -> Result<Account, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let email = fields.required("email", Email::parse);
    let first_name = fields.required("first_name", Name::parse);
    let last_name = fields.required("last_name", Name::parse_last);
    let locale = fields.nullable("locale", Locale::parse).flatten();
    let roles = fields.optional_json("roles", Account::parse_roles);
    let claims = fields.optional_json("claims", CustomClaims::parse);
    fields.finish(|| {
        let new = NewAccount {
            email: email?,
            first_name: first_name?,
            last_name: last_name?,
            locale,
        };
        Some(Account {
            roles: roles.unwrap_or_default(),
            claims: claims.unwrap_or_default(),
            ..Account::open(new, millis)
        })
    })
}
