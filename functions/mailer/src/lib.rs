//! Sends the mails that events ask for, and hears what became of them.
//!
//! Lambda passes on the stream of the event table, in which each row with an attribute `mail` is a
//! request for a mail. Requests over HTTP never look whether an address has an account; this
//! function looks, makes the secret of a link, stores its hash, and sends. The secret is nowhere but
//! in the mail.
//!
//! A record is delivered at least once. A mail may therefore come twice, and both links in it work
//! until one is used. What is bound to fail again is counted and left out; what passes is tried
//! again, before what follows in its part of the stream.
//!
//! EventBridge passes on what SES says of the mails that came back or were called spam.
//!
//! The function reads no hash of a password, and its role allows none to be read.

mod address;
mod deliver;
mod feedback;
mod letter;
mod lookup;
mod sender;
mod templates;
mod wording;

use std::time::{Duration, Instant};

use serde_json::Value;
use shared::aws::OPERATION_TIMEOUT;
use shared::aws::batch::Invocation;
use shared::domain::MailPolicy;
use shared::observe::after_response::after_response;
use shared::observe::logging::chain;
use shared::observe::request_log::{RequestLog, in_ms};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{Store, StoreError};

use feedback::Feedback;
use letter::Writer;
pub use letter::{Letter, Written};
use sender::Sender;
pub use wording::Language;

/// Sends mails, and notes which addresses take none.
pub struct Mailer {
    store: Store,
    writer: Writer,
    policy: MailPolicy,
    /// Without it, the deployment sends no mail.
    sender: Option<Sender>,
    clock: Clock,
}

/// The reason why a call failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// The event is neither a batch of the stream nor what SES says.
    #[error("the event is neither of a stream nor of SES")]
    UnknownEvent,
    /// A record has no sequence number, so Lambda could not be told about it.
    #[error("a record of the stream has no sequence number")]
    NoSequenceNumber,
    /// DynamoDB did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Mailer {
    /// The most requests to DynamoDB that one record causes, one after the other. A change of address
    /// does: it reads the account, the link and the owner of the new address, stores a secret in one
    /// of two ways, counts the notice, and notes that the first letter was sent.
    pub const STORE_REQUESTS: u32 = 7;

    /// The most letters that one record leads to.
    pub const LETTERS: u32 = 2;

    /// The longest time that the work on one record takes: its requests and its letters, each as late
    /// as it may be, and five seconds for conflicts, which DynamoDB tells at once, and for writing.
    pub const RESERVE: Duration = OPERATION_TIMEOUT
        .saturating_mul(Self::STORE_REQUESTS)
        .saturating_add(Sender::OPERATION_TIMEOUT.saturating_mul(Self::LETTERS))
        .saturating_add(Duration::from_secs(5));

    /// The time limit for warming up before the first event.
    const WARM_UP_LIMIT: Duration = Duration::from_secs(2);

    /// Reads `MAIL_FROM`, `APP_NAME`, `LINK_BASE`, `MAIL_LANGUAGE`, `CONFIGURATION_SET` and
    /// `AWS_ENDPOINT_URL_SESV2`, and the same settings as [`Store`] and [`MailPolicy`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            store: Store::from_env(env)?,
            writer: Writer::from_env(env)?,
            policy: MailPolicy::from_env(env)?,
            sender: Sender::from_env(env)?,
            clock,
        })
    }

    /// Replaces the timeout of four seconds for one request to SES, and gives its retry as long.
    #[must_use]
    pub fn with_ses_timeout(self, timeout: Duration) -> Self {
        Self {
            sender: self.sender.map(|sender| sender.with_timeout(timeout)),
            ..self
        }
    }

    /// Opens the connection to DynamoDB ahead of the first event.
    pub async fn warm_up(&self) {
        let opened = tokio::time::timeout(Self::WARM_UP_LIMIT, self.store.warm_up(1));
        if opened.await.is_err() {
            tracing::warn!("DynamoDB was not reached before the first event");
        }
    }

    /// Carries out an event, and writes one line to the log.
    ///
    /// # Errors
    ///
    /// Returns an error if Lambda has to repeat the whole event.
    pub async fn handle(
        &self,
        event: &Value,
        invocation: Invocation,
    ) -> Result<Value, MailerError> {
        let started = Instant::now();
        let records = event["Records"].as_array();
        let route = match records {
            Some(_) => "stream",
            None => "feedback",
        };
        let log = RequestLog::new(invocation.request_id.clone(), route.to_owned());
        // Boxed: the SDK's futures are nested too deeply for the compiler otherwise.
        let (outcome, log) = log
            .during(Box::pin(self.carry_out(event, &invocation)))
            .await;
        let records = records.map_or(1, Vec::len);
        let duration_ms = in_ms(started.elapsed());
        let cause = outcome.as_ref().err().map(|error| chain(error));
        after_response(move || write_line(records, cause, duration_ms, log));
        outcome
    }

    async fn carry_out(
        &self,
        event: &Value,
        invocation: &Invocation,
    ) -> Result<Value, MailerError> {
        if let Some(records) = event["Records"].as_array() {
            let answer = self.deliver(records, invocation).await?;
            return Ok(serde_json::to_value(answer).unwrap_or_default());
        }
        let feedback = Feedback::read(event).ok_or(MailerError::UnknownEvent)?;
        self.hear(&feedback).await?;
        Ok(Value::Null)
    }
}

/// Writes the log line of a call. Fields that are metrics have the names of `shared::observe::emf`.
fn write_line(records: usize, cause: Option<String>, duration_ms: f64, log: RequestLog) {
    let RequestLog {
        request_id,
        route,
        cold_starts,
        mails_sent,
        mails_rejected,
        mails_failed,
        mails_bounced,
        mails_complained,
        ses_ms,
        store_requests,
        store_ms,
        store_faults,
        ..
    } = log;
    // A tracing level must be a constant, so each level has its own call.
    macro_rules! write_at {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                request_id,
                route,
                records,
                duration_ms,
                cause,
                cold_starts,
                mails_sent,
                mails_rejected,
                mails_failed,
                mails_bounced,
                mails_complained,
                ses_ms,
                store_requests,
                store_ms,
                store_faults,
                $message
            )
        };
    }
    if cause.is_some() {
        write_at!(error, "request failed");
    } else {
        write_at!(info, "request");
    }
}
