//! Limits the mails that requests ask for. Every operation that asks for a mail to an address that
//! its sender chooses goes through it.

use lambda_http::Request;

use super::client_address::ClientAddress;
use super::problem::Problem;
use crate::domain::email::Email;
use crate::domain::event::{Event, Origin, Subject};
use crate::domain::mail::{Mail, MailPolicy};
use crate::domain::throttle::{AttemptKey, Place};
use crate::observe::audit::AuditEvent;
use crate::platform::config::{ConfigError, Env};
use crate::store::mails::TooManyMails;
use crate::store::{Store, StoreError};

/// The limit on how many mails are asked for in an hour: of each kind to one address, whether it has
/// an account or not, and of all kinds by one source.
pub struct MailThrottle {
    policy: MailPolicy,
    client_address: ClientAddress,
}

impl MailThrottle {
    /// Reads the same settings as [`MailPolicy::from_env`] and [`ClientAddress::from_env`].
    ///
    /// # Errors
    ///
    /// Returns an error if a setting is unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            policy: MailPolicy::from_env(env)?,
            client_address: ClientAddress::from_env(env)?,
        })
    }

    /// Counts a `mail` to `email` that `request` asks for at `millis` milliseconds since the epoch,
    /// and returns the origin of the request, for the event that asks for the mail. A mail that is
    /// refused counts nowhere.
    ///
    /// # Errors
    ///
    /// Returns 429 if the address has too many such mails, or the source too many.
    pub async fn count(
        &self,
        store: &Store,
        (mail, email): (Mail, &Email),
        request: &Request,
        millis: u64,
    ) -> Result<Origin, Problem> {
        let origin = self.client_address.origin(request, millis);
        let now = origin.now();
        let by = match self.counts(store, (mail, email), &origin).await? {
            Ok(()) => return Ok(origin),
            Err(TooManyMails::OfSource) => "source",
            Err(TooManyMails::ToAddress) => "address",
        };
        let (_, end) = MailPolicy::window(now);
        let seconds = end - now;
        let refused = AuditEvent::AttemptRefused.of_nobody().by(by).wait(seconds);
        let refused = Event::new(refused, Subject::address(email), &origin);
        let stored = store.record([&refused]).await;
        refused.log();
        stored?;
        Err(Problem::TooManyAttempts { seconds })
    }

    /// As [`MailThrottle::count`], for a mail that a request asks for without knowing it: the inner
    /// error says what has too many, and nothing tells of it.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn counts(
        &self,
        store: &Store,
        (mail, email): (Mail, &Email),
        origin: &Origin,
    ) -> Result<Result<(), TooManyMails>, StoreError> {
        let key = AttemptKey::new(email, Place::Address, &origin.source());
        store
            .count_mail(mail, &key, &self.policy, origin.now())
            .await
    }
}
