//! A batch of the stream: each record in turn, as far as it goes.

use std::ops::ControlFlow;

use serde_json::Value;
use shared::aws::batch::{BatchAnswer, Invocation};
use shared::domain::{LinkToken, MailRequest, Subject};
use shared::observe::AuditEvent;
use shared::observe::audit::Entry;
use shared::observe::logging::chain;
use shared::store::StoreError;
use shared::store::links::Minted;
use shared::store::stream::mail_request;

use crate::letter::Content;
use crate::lookup::{Draft, Skip, Stop};
use crate::sender::{Sender, Tags, Unsent};
use crate::{Mailer, MailerError};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It needs nothing more.
    Done,
    /// Lambda has to pass it on again, with all that follow.
    Again,
}

impl Mailer {
    /// Carries out the records of a batch in their order, up to the first one that has to be
    /// repeated.
    ///
    /// # Errors
    ///
    /// Returns an error if Lambda could not be told which one that is.
    pub(crate) async fn deliver(
        &self,
        records: &[Value],
        invocation: &Invocation,
    ) -> Result<BatchAnswer, MailerError> {
        for (n, record) in records.iter().enumerate() {
            let number = record["dynamodb"]["SequenceNumber"].as_str();
            let number = number.ok_or(MailerError::NoSequenceNumber)?;
            // The first one is tried in any case, or no call would get any further.
            let outcome = match n > 0 && invocation.is_over() {
                true => Outcome::Again,
                false => self.fulfil(&record["dynamodb"]["NewImage"]).await,
            };
            if outcome == Outcome::Again {
                return Ok(BatchAnswer::again_from(number));
            }
        }
        Ok(BatchAnswer::done())
    }

    async fn fulfil(&self, new_image: &Value) -> Outcome {
        let request = match mail_request(new_image) {
            Ok(Some(request)) => request,
            Ok(None) => return Outcome::Done,
            Err(error) => {
                // It would be unreadable again, and the shard must go on.
                tracing::error!(error = chain(&error), "a record of the stream was left out");
                let rejected = AuditEvent::MailRejected.of_nobody();
                rejected.because("unreadable").log();
                return Outcome::Done;
            }
        };
        let Some(sender) = &self.sender else {
            return skipped(&request, Skip::Off);
        };
        let drafts = match self.drafts(&request, self.clock.now()).await {
            Ok(drafts) => drafts,
            Err(Stop::Skip(reason)) => return skipped(&request, reason),
            Err(Stop::Store(error)) => return failed(&request, &error),
        };
        for (n, draft) in drafts.iter().enumerate() {
            if let ControlFlow::Break(outcome) = self.dispatch(sender, &request, draft).await {
                if n > 0 && outcome == Outcome::Again {
                    self.note_first_letter(&request, draft).await;
                }
                return outcome;
            }
        }
        Outcome::Done
    }

    /// Sends a letter, and logs what became of it. Breaks with the outcome of the record if no letter
    /// of it follows now.
    async fn dispatch(
        &self,
        sender: &Sender,
        request: &MailRequest,
        draft: &Draft,
    ) -> ControlFlow<Outcome> {
        match self.send(sender, request, draft).await {
            Ok(()) => of(AuditEvent::MailSent, request, draft).log(),
            Err(Stopped::Skip(reason)) => return ControlFlow::Break(skipped(request, reason)),
            Err(Stopped::Store(error)) => return ControlFlow::Break(failed(request, &error)),
            Err(Stopped::Template(error)) => {
                tracing::error!(error = error.to_string(), "a letter was not written");
                let rejected = of(AuditEvent::MailRejected, request, draft);
                rejected.because("unwritten").log();
            }
            Err(Stopped::Unsent(Unsent::Rejected(reason))) => {
                let rejected = of(AuditEvent::MailRejected, request, draft);
                rejected.because(reason).log();
            }
            Err(Stopped::Unsent(Unsent::Passing(reason))) => {
                let failed = of(AuditEvent::MailFailed, request, draft);
                failed.because(reason).log();
                return ControlFlow::Break(Outcome::Again);
            }
            Err(Stopped::Unsent(Unsent::Operator { reason, advice })) => {
                tracing::error!(reason, advice, "SES sends no mail until this is repaired");
                let failed = of(AuditEvent::MailFailed, request, draft);
                failed.because(reason).log();
                return ControlFlow::Break(Outcome::Again);
            }
        }
        ControlFlow::Continue(())
    }

    /// Notes on the link of a change of address that the new address needs no letter any more, before
    /// the notice to the old one is tried again. If this fails, the letter is sent again too.
    async fn note_first_letter(&self, request: &MailRequest, notice: &Draft) {
        let Some(link) = request.link else { return };
        if let Err(error) = self.store.note_told(notice.user_id, link).await {
            tracing::warn!(cause = chain(&error), "a letter is sent again");
        }
    }

    /// Counts a notice, makes the secret of a letter's link, and sends the letter.
    async fn send(
        &self,
        sender: &Sender,
        request: &MailRequest,
        draft: &Draft,
    ) -> Result<(), Stopped> {
        if draft.letter.is_notice() {
            let event = (request.mail, request.id);
            let counted = self.store.count_notice(event, &draft.to, &self.policy);
            if !counted.await? {
                return Err(Stopped::Skip(Skip::TooMany));
            }
        }
        let mut token = None;
        if let Some(link) = &draft.link {
            let minted = LinkToken::new(link.user_id, link.id);
            match self.store.mint_link(link, &minted).await? {
                Minted::Done => token = Some(minted),
                Minted::Used => return Err(Stopped::Skip(Skip::Used)),
            }
        }
        let content = Content {
            locale: draft.locale.as_ref(),
            token: token.as_ref(),
            millis: request.id.millis(),
            ip: &request.device.ip,
        };
        let written = self.writer.write(draft.letter, &content)?;
        let tags = Tags {
            user: draft.user_id,
            event: request.id,
            mail: request.mail,
        };
        sender.send(&draft.to, &written, tags).await?;
        Ok(())
    }
}

/// The reason why a letter was not sent.
enum Stopped {
    Skip(Skip),
    Store(StoreError),
    Template(askama::Error),
    Unsent(Unsent),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<askama::Error> for Stopped {
    fn from(error: askama::Error) -> Self {
        Self::Template(error)
    }
}

impl From<Unsent> for Stopped {
    fn from(unsent: Unsent) -> Self {
        Self::Unsent(unsent)
    }
}

/// Returns an entry about a letter.
fn of(event: AuditEvent, request: &MailRequest, draft: &Draft) -> Entry {
    event.of(draft.user_id).by(request.mail)
}

/// Returns an entry about a request. Whether an address has an account is not known, or is not
/// said.
fn of_request(event: AuditEvent, request: &MailRequest) -> Entry {
    let entry = match &request.subject {
        Subject::User(user_id) => event.of(user_id),
        Subject::Address(_) => event.of_nobody(),
    };
    entry.by(request.mail)
}

fn skipped(request: &MailRequest, reason: Skip) -> Outcome {
    let skipped = of_request(AuditEvent::MailSkipped, request);
    skipped.because(reason).log();
    Outcome::Done
}

/// A fault of DynamoDB passes; an item that is unreadable stays so.
fn failed(request: &MailRequest, error: &StoreError) -> Outcome {
    tracing::error!(error = chain(error), "a mail was not sent");
    match error {
        StoreError::Unavailable { .. } => {
            let failed = of_request(AuditEvent::MailFailed, request);
            failed.because("store").log();
            Outcome::Again
        }
        StoreError::Corrupt { .. } => {
            let rejected = of_request(AuditEvent::MailRejected, request);
            rejected.because("unreadable").log();
            Outcome::Done
        }
    }
}
