//! Counters of mails: of those that requests ask for, which are the same for addresses with and
//! without an account, and of notices.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{self, Key};
use super::write::carried_out;
use super::{Store, StoreError};
use crate::domain::email::Email;
use crate::domain::id::EventId;
use crate::domain::mail::{Mail, MailPolicy};
use crate::domain::throttle::AttemptKey;

/// What has too many mails already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooManyMails {
    /// The source that asks for them.
    OfSource,
    /// The address that they go to.
    ToAddress,
}

/// The number of letters of a source's name that the counter of an address holds.
const SOURCE_LENGTH: usize = 16;

const COUNT_MAIL: &str = "count the mail";
const COUNT_NOTICE: &str = "count the notice";

impl Store {
    /// Counts one more `mail` that the source of `key` asks for to the address of `key`. If there
    /// may be no more, returns what has too many as the inner error; the mail then counts nowhere.
    ///
    /// The source is counted first: one that may ask for no more reaches no address. An address has
    /// a count for each mail: whoever asks for mails of one kind keeps none of another from the
    /// owner. Beyond the count of the address, up to as many mails again are there for sources that
    /// have not asked for one in this window, one for each: a single source that uses the count up
    /// does not keep the owner from registering.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn count_mail(
        &self,
        mail: Mail,
        key: &AttemptKey,
        policy: &MailPolicy,
        now: u64,
    ) -> Result<Result<(), TooManyMails>, StoreError> {
        let (window, end) = MailPolicy::window(now);
        let of_source = Key::mails_of(key.source(), window);
        let to_address = Key::mails_to(key.address(), mail, window);
        if !self
            .one_more(of_source.clone(), policy.of_source, end)
            .await?
        {
            return Ok(Err(TooManyMails::OfSource));
        }
        if !self.one_more_from(key, to_address, policy, end).await? {
            self.one_less(of_source).await?;
            return Ok(Err(TooManyMails::ToAddress));
        }
        Ok(Ok(()))
    }

    /// Counts a notice to an address, which `mail` of the event `id` leads to, and returns whether it
    /// may be sent. A notice that is tried again counts once.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn count_notice(
        &self,
        (mail, id): (Mail, EventId),
        to: &Email,
        policy: &MailPolicy,
    ) -> Result<bool, StoreError> {
        // By the time of the event: later tries find the same counter.
        let (window, end) = MailPolicy::window(id.millis() / 1000);
        let key = Key::mails_to(&to.fingerprint(), mail, window);
        let one = Blob::new(id.as_bytes().as_slice());
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression("SET expires_at = :end ADD notices :set")
            .condition_expression(
                "attribute_not_exists(notices) OR contains(notices, :one) OR size(notices) < :most",
            )
            .expression_attribute_values(":end", item::number(end))
            .expression_attribute_values(":set", AttributeValue::Bs(vec![one.clone()]))
            .expression_attribute_values(":one", AttributeValue::B(one))
            .expression_attribute_values(":most", item::number(policy.of_address));
        Ok(carried_out(request.send().await, COUNT_NOTICE)?.is_some())
    }

    /// Opens a connection to DynamoDB ahead of the first request, for a function that may not read:
    /// by a write whose condition never holds. It costs a write unit. If this fails, requests try
    /// again.
    pub async fn warm_up_without_reading(&self) {
        // Counters begin at 1.
        if let Err(fault) = self.one_less(Key::mails_of("NOTHING", 0)).await {
            let cause = crate::observe::logging::chain(&fault);
            tracing::warn!(cause, "DynamoDB cannot be reached yet");
        }
    }

    /// Increments a counter, and returns whether it was less than `most`.
    async fn one_more(&self, key: Key, most: u64, end: u64) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression("SET expires_at = :end ADD made :one")
            .condition_expression("attribute_not_exists(made) OR made < :most")
            .expression_attribute_values(":end", item::number(end))
            .expression_attribute_values(":one", item::number(1))
            .expression_attribute_values(":most", item::number(most));
        Ok(carried_out(request.send().await, COUNT_MAIL)?.is_some())
    }

    /// Increments the counter of an address, and notes the source. Returns whether the counter was
    /// less than the most, or less than twice that if the source has not been noted yet.
    async fn one_more_from(
        &self,
        source: &AttemptKey,
        address: Key,
        policy: &MailPolicy,
        end: u64,
    ) -> Result<bool, StoreError> {
        // A part of the name keeps the item small. If two are alike, one of them is refused earlier.
        let source: String = source.source().chars().take(SOURCE_LENGTH).collect();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(address.attributes()))
            .update_expression("SET expires_at = :end ADD made :one, sources :set")
            .condition_expression(
                "attribute_not_exists(made) OR made < :most \
                 OR (made < :twice AND NOT contains(sources, :source))",
            )
            .expression_attribute_values(":end", item::number(end))
            .expression_attribute_values(":one", item::number(1))
            .expression_attribute_values(":most", item::number(policy.of_address))
            .expression_attribute_values(":twice", item::number(policy.of_address * 2))
            .expression_attribute_values(":source", item::text(source.as_str()))
            .expression_attribute_values(":set", AttributeValue::Ss(vec![source]));
        Ok(carried_out(request.send().await, COUNT_MAIL)?.is_some())
    }

    /// Decrements a counter that is greater than 0.
    async fn one_less(&self, key: Key) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression("SET made = made - :one")
            .condition_expression("made > :none")
            .expression_attribute_values(":one", item::number(1))
            .expression_attribute_values(":none", item::number(0));
        carried_out(request.send().await, COUNT_MAIL).map(drop)
    }
}
