//! `POST /password/forgot`, `POST /email/verify/resend`: asks for mails with links.
//!
//! This function does not know whether an address has an account, and may not read: it counts the
//! mail and stores an event under the hash of the address. The function `mailer` finds out. So the
//! answer, its time and its cost are the same for every address.

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use shared::domain::{Email, Event, Mail, Subject};
use shared::http::{Fields, Handler, MailThrottle, Media, Problem, accepted};
use shared::observe::AuditEvent;
use shared::platform::{Clock, ConfigError, Env};
use shared::store::Store;

/// Asks for mails.
pub struct Forgot {
    store: Store,
    throttle: MailThrottle,
    sends_mail: bool,
    clock: Clock,
}

impl Forgot {
    /// Reads the same settings as [`Store`], [`MailThrottle`] and [`Mail::is_sent`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            store: Store::from_env(env)?,
            throttle: MailThrottle::from_env(env)?,
            sends_mail: Mail::is_sent(env),
            clock,
        })
    }
}

impl Handler for Forgot {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if !self.sends_mail {
            return Err(Problem::NotFound);
        }
        // Only the end of the path is compared: a custom domain may add a prefix.
        let path = request.uri().path();
        let (requested, mail) = match *request.method() {
            Method::POST if path.ends_with("/password/forgot") => {
                (AuditEvent::PasswordResetRequested, Mail::PasswordReset)
            }
            Method::POST if path.ends_with("/email/verify/resend") => (
                AuditEvent::EmailVerificationRequested,
                Mail::EmailVerification,
            ),
            _ => return Err(Problem::NotFound),
        };
        let email = read(&request)?;
        let counted = self
            .throttle
            .count(&self.store, &email, &request, self.clock.millis());
        let origin = counted.await?;
        let event = Event::new(requested.of_nobody(), Subject::address(&email), &origin);
        let event = event.mail(mail);
        self.store.record([&event]).await?;
        event.log();
        Ok(accepted())
    }

    async fn warm_up(&self) {
        self.store.warm_up_without_reading().await;
    }
}

fn read(request: &Request) -> Result<Email, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let email = fields.required("email", Email::parse);
    fields.finish(|| email)
}
