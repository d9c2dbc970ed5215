//! `POST /register/confirm`: opens the account of a registration whose address is proven.
//!
//! The password is asked for again. Whoever registers with the address of somebody else can make its
//! owner get a link, but not open an account with a password that the owner does not know.

use lambda_http::http::header::LOCATION;
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Request, Response};
use shared::domain::throttle::{AttemptKey, Attempts, Place};
use shared::domain::{
    Event, Link, LinkRefusal, LinkToken, Origin, Password, PendingRegistration, Purpose,
    Registration, Subject,
};
use shared::http::{Fields, Media, Problem, ReservedAttempt, json};
use shared::observe::AuditEvent;
use shared::store::StoreError;
use shared::store::registrations::Opened;

use super::{Links, Refused};

/// A link that is good, and the registration that waits for it.
struct Waiting {
    token: LinkToken,
    link: Link,
    pending: PendingRegistration,
}

impl Links {
    /// Opens the account.
    pub(super) async fn register(&self, request: &Request) -> Result<Response<Body>, Problem> {
        if self.registration == Registration::Closed {
            return Err(Problem::RegistrationClosed);
        }
        let mut fields = Fields::read(request, Media::Json)?;
        let token = fields.required("token", |text| Ok(LinkToken::parse(text)));
        let password = fields.required("password", Password::presented);
        let (token, password) = fields.finish(|| Some((token?, password?)))?;
        let origin = self.throttle.origin(request, self.clock.millis());
        let waiting = self.waiting(token, origin.now()).await?;
        let waiting = waiting.map_err(Refused::answer)?;
        let attempt = self.verify_registrant(&waiting, &password, &origin).await?;
        let opened = self.open(&waiting, &origin).await;
        if opened.is_err() {
            attempt.refund().await;
        }
        opened
    }

    /// Returns the link of a presented token, which does not have the form of one if it is `None`,
    /// and the registration that waits for it. The inner error says why the link is not good.
    async fn waiting(
        &self,
        token: Option<LinkToken>,
        now: u64,
    ) -> Result<Result<Waiting, Refused>, StoreError> {
        // There is no account, so the line names none.
        let refused = |reason| Ok(Err(Refused { reason, user: None }));
        let Some(token) = token else {
            return refused(LinkRefusal::Malformed);
        };
        let (link, pending) = self.store.link_and_registration(&token).await?;
        let Some(link) = link else {
            return refused(LinkRefusal::Unknown);
        };
        if let Err(reason) = link.check(&token, &[Purpose::Registration], now) {
            return refused(reason);
        }
        let is_of = |pending: &PendingRegistration| {
            pending.expires_at > now && pending.new.email == link.email
        };
        let Some(pending) = pending.filter(is_of) else {
            return refused(LinkRefusal::Expired);
        };
        Ok(Ok(Waiting {
            token,
            link,
            pending,
        }))
    }

    /// Verifies the password with which the registration was asked for.
    ///
    /// # Errors
    ///
    /// Returns 403 if it is another, and 429 if too many were tried with this link.
    async fn verify_registrant<'a>(
        &'a self,
        Waiting { link, pending, .. }: &Waiting,
        password: &Password,
        origin: &'a Origin,
    ) -> Result<ReservedAttempt<'a>, Problem> {
        let of_link = (link, &link.email);
        let admitted = self.throttle.admit_with_link(&self.store, of_link, origin);
        // The credential would be that of another account.
        let (admitted, _) = admitted.await?;
        let refused = AuditEvent::PasswordRefused.of_nobody();
        let refused = Event::new(refused, Subject::address(&link.email), origin);
        let stored = pending.password.clone().into();
        self.verify_password(admitted, (password, &stored), refused)
            .await
    }

    /// Opens the account, as a registration does that opens it at once.
    ///
    /// # Errors
    ///
    /// Returns 409 if the address has an account by now.
    async fn open(
        &self,
        Waiting {
            token,
            link,
            pending,
        }: &Waiting,
        origin: &Origin,
    ) -> Result<Response<Body>, Problem> {
        let now = origin.now();
        let account = pending.account(origin.millis);
        let key = AttemptKey::new(&link.email, Place::Address, &origin.source());
        // The owner can log in from here, however often somebody guessed at the address before.
        let attempts = Attempts::of_new_account(&key, now);
        let registered = AuditEvent::Registered.of(account.id);
        let events = [Event::new(registered, account.id, origin)];
        let opened = self.store.open_registration(
            (token, pending),
            &account,
            (&key, &attempts),
            now,
            &events,
        );
        match opened.await? {
            Ok(Opened::Done) => {
                events.into_iter().for_each(Event::log);
                let mut response = json(StatusCode::CREATED, &account.view())?;
                // Relative to the path of this request, as at `POST /register`.
                response
                    .headers_mut()
                    .insert(LOCATION, HeaderValue::from_static("../profile"));
                Ok(response)
            }
            Ok(Opened::EmailTaken) => Err(self.email_taken(&link.email, origin).await?),
            Err(reason) => Err(Refused { reason, user: None }.answer()),
        }
    }
}
