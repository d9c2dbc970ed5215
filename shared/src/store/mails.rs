//! Counters of mails that requests ask for. They are the same for addresses with and without an
//! account.

use super::item::{self, Key};
use super::write::carried_out;
use super::{Store, StoreError};
use crate::domain::mail::MailPolicy;
use crate::domain::throttle::AttemptKey;

/// What has too many mails already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooManyMails {
    /// The source that asks for them.
    OfSource,
    /// The address that they go to.
    ToAddress,
}

const COUNT_MAIL: &str = "count the mail";

impl Store {
    /// Counts one more mail that the source of `key` asks for to the address of `key`. If there may
    /// be no more, returns what has too many as the inner error; the mail then counts nowhere.
    ///
    /// The source is counted first: one that may ask for no more reaches no address.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn count_mail(
        &self,
        key: &AttemptKey,
        policy: &MailPolicy,
        now: u64,
    ) -> Result<Result<(), TooManyMails>, StoreError> {
        let (window, end) = MailPolicy::window(now);
        let of_source = Key::mails_of(key.source(), window);
        let to_address = Key::mails_to(key.address(), window);
        if !self
            .one_more(of_source.clone(), policy.of_source, end)
            .await?
        {
            return Ok(Err(TooManyMails::OfSource));
        }
        if !self.one_more(to_address, policy.of_address, end).await? {
            self.one_less(of_source).await?;
            return Ok(Err(TooManyMails::ToAddress));
        }
        Ok(Ok(()))
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
