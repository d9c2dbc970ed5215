//! Amazon SES (version 2 of its API): passes letters on, and tells apart what passes, what an
//! operator must repair, and what is refused for good.

use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use shared::aws::{self, Stopwatch};
use shared::domain::{Email, EventId, Mail, UserId};
use shared::observe::request_log::longest;
use shared::platform::{ConfigError, Env};

use crate::address;
use crate::letter::Written;

/// Sends letters.
pub struct Sender {
    client: Client,
    /// The value of the header `From`.
    from: String,
    /// The address in it.
    address: String,
    configuration_set: Option<String>,
}

/// What SES is told of a mail, so that it can say which one came back. No person is named by it.
#[derive(Debug, Clone, Copy)]
pub struct Tags {
    /// The account, or the one that a pending registration opens.
    pub user: UserId,
    /// The event that asked for the mail.
    pub event: EventId,
    /// What it asked for.
    pub mail: Mail,
}

/// The reason why a letter was not sent, in a word for the log. SES's own message may contain the
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// SES or the network has a fault that passes.
    Passing(&'static str),
    /// An operator has to do something. Until then, Lambda tries again.
    Operator {
        /// The reason.
        reason: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// SES refuses this mail, and would refuse it again.
    Rejected(&'static str),
}

impl Sender {
    /// The timeout of one request.
    const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

    /// The timeout of all tries of a request. `Mailer::RESERVE` contains it for each letter.
    pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

    /// Reads `MAIL_FROM` and `APP_NAME`, `CONFIGURATION_SET`, and `AWS_ENDPOINT_URL_SESV2` if SES is
    /// not AWS's own. Returns `None` if `MAIL_FROM` is not set.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Option<Self>, ConfigError> {
        let (Some(from), Some(address)) = (address::from(env)?, env.optional("MAIL_FROM")) else {
            return Ok(None);
        };
        let config = aws::config(env, "AWS_ENDPOINT_URL_SESV2")?;
        Ok(Some(Self {
            client: client(&config, Self::ATTEMPT_TIMEOUT, Self::OPERATION_TIMEOUT),
            from,
            address,
            configuration_set: env.optional("CONFIGURATION_SET"),
        }))
    }

    /// Replaces the timeout of a try, and gives all tries twice as long.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let config = self.client.config().to_builder();
        let config = config.timeout_config(timeouts(timeout, timeout.saturating_mul(2)));
        Self {
            client: Client::from_conf(config.build()),
            ..self
        }
    }

    /// Sends a letter. SES has no key that would make a repeat harmless: if an answer is lost, the
    /// mail comes twice.
    ///
    /// # Errors
    ///
    /// Returns the reason if it was not sent, or if that is not known.
    pub async fn send(&self, to: &Email, written: &Written, tags: Tags) -> Result<(), Unsent> {
        // Every part is there, so nothing is missing.
        let incomplete = |_: BuildError| Unsent::Rejected("incomplete");
        let message = message(written).map_err(incomplete)?;
        let Tags { user, event, mail } = tags;
        let tags = [
            ("user", user.to_string()),
            ("event", event.to_string()),
            ("purpose", mail.name().to_owned()),
        ];
        let tags = tags.into_iter().map(|(name, value)| {
            let tag = MessageTag::builder().name(name).value(value);
            tag.build()
        });
        let tags: Vec<_> = tags.collect::<Result<_, _>>().map_err(incomplete)?;
        let request = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(to.ascii()).build())
            .content(EmailContent::builder().simple(message).build())
            .set_configuration_set_name(self.configuration_set.clone())
            .set_email_tags(Some(tags));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(fault) => Err(reason(&fault, &self.address)),
        }
    }
}

fn client(config: &SdkConfig, attempt: Duration, operation: Duration) -> Client {
    let stopwatch = Stopwatch::adding(|log, took| longest(&mut log.ses_ms, took));
    let retries = RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::from_millis(100));
    let config = Builder::from(config)
        .timeout_config(timeouts(attempt, operation))
        .retry_config(retries)
        .interceptor(stopwatch);
    Client::from_conf(config.build())
}

fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

fn message(written: &Written) -> Result<Message, BuildError> {
    let content = |data: &str| Content::builder().data(data).charset("UTF-8").build();
    let body = Body::builder()
        .text(content(&written.text)?)
        .html(content(&written.html)?);
    // RFC 3834 section 5.2: nobody answers it automatically. The second one says so to Exchange.
    let headers = [
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ];
    let headers = headers
        .into_iter()
        .map(|(name, value)| MessageHeader::builder().name(name).value(value).build());
    let headers = headers.collect::<Result<_, _>>()?;
    Ok(Message::builder()
        .subject(content(&written.subject)?)
        .body(body.build())
        .set_headers(Some(headers))
        .build())
}

/// Returns why SES did not take a mail from the address `sender`.
fn reason(fault: &SdkError<SendEmailError>, sender: &str) -> Unsent {
    let service = match fault {
        SdkError::ServiceError(service) => service,
        SdkError::TimeoutError(_) => return Unsent::Passing("timeout"),
        SdkError::DispatchFailure(_) => return Unsent::Passing("unreachable"),
        // The request was not sent, and would not be the next time.
        SdkError::ConstructionFailure(_) => return Unsent::Rejected("bad_request"),
        // The answer is no answer of SES's.
        _ => return Unsent::Passing("no_answer"),
    };
    let operator = |reason, advice| Unsent::Operator { reason, advice };
    match service.err() {
        SendEmailError::MessageRejected(rejected) => {
            // The one case that SES does not tell by a code. The message names the identities.
            let message = rejected.message().unwrap_or_default();
            match message.strip_prefix("Email address is not verified") {
                Some(identities) if names(identities, sender) => operator(
                    "not_verified",
                    "SES has no verified identity for MailFrom or its domain in this region: make \
                     one, or repair its DNS records",
                ),
                // In the sandbox, the recipient.
                Some(_) => Unsent::Rejected("not_verified"),
                None => Unsent::Rejected("message_rejected"),
            }
        }
        SendEmailError::BadRequestException(_) => Unsent::Rejected("bad_request"),
        SendEmailError::AccountSuspendedException(_) => operator(
            "account_suspended",
            "SES has suspended the account's sending: answer AWS's case in the Support Center",
        ),
        SendEmailError::SendingPausedException(_) => operator(
            "sending_paused",
            "sending is paused for the account or the configuration set: see SES's reputation \
             metrics, remove the cause, and enable sending again",
        ),
        SendEmailError::MailFromDomainNotVerifiedException(_) => operator(
            "domain_not_verified",
            "the domain of MailFrom, or its custom MAIL FROM domain, is not verified in SES: check \
             its DNS records",
        ),
        SendEmailError::NotFoundException(_) => operator(
            "not_found",
            "SES has no identity for MailFrom, or no longer the stack's configuration set, in this \
             region",
        ),
        SendEmailError::TooManyRequestsException(_) | SendEmailError::LimitExceededException(_) => {
            Unsent::Passing("throttled")
        }
        _ => match (service.raw().status().as_u16(), service.err().code()) {
            (429, _) => Unsent::Passing("throttled"),
            (_, Some(code)) if THROTTLING.contains(&code) => Unsent::Passing("throttled"),
            (401 | 403, _) => operator(
                "access_denied",
                "the function may not send as MailFrom: see the policies of the organisation and of \
                 the identity for that address or its domain, in this account and region",
            ),
            (408, _) => Unsent::Passing("timeout"),
            (400..=499, _) => Unsent::Rejected("bad_request"),
            _ => Unsent::Passing("fault"),
        },
    }
}

/// The codes by which AWS's services say that there are too many requests, whatever the status is.
const THROTTLING: [&str; 8] = [
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Returns whether the identities that a message of SES lists include the address `sender` or its
/// domain. An address may stand there with a name.
fn names(identities: &str, sender: &str) -> bool {
    let domain = sender.split_once('@').map_or(sender, |(_, domain)| domain);
    let is_between = |c: char| c.is_whitespace() || "<>,;:\"".contains(c);
    let mut words = identities.split(is_between);
    words.any(|word| {
        let word = word.trim_end_matches('.');
        word.eq_ignore_ascii_case(sender) || word.eq_ignore_ascii_case(domain)
    })
}

#[cfg(test)]
mod tests;
