//! What a refresh does to its session: replaces the token, or counts a repeat. Each is one write, on
//! the condition that the session is as it was read.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::item::{self, Key};
use super::sessions::read_session;
use super::write::{LostAnswers, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::session::{Repeats, Session};

/// The outcome of a write that requires an unchanged session.
#[derive(Debug)]
#[must_use]
pub enum Refreshed {
    /// The write was made.
    Done,
    /// The session has changed since it was read, and nothing was written. This is the session as
    /// it is now, if it exists.
    Refused(Option<Box<Session>>),
}

impl Store {
    /// Replaces `current` with `next` if the session is unchanged and live. If one token is rotated
    /// several times at once, only one rotation succeeds.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable. The rotation may
    /// then be made or not; presenting the token again tells which.
    pub async fn rotate_session(
        &self,
        current: &Session,
        next: &Session,
        began_after: u64,
    ) -> Result<Refreshed, StoreError> {
        // Replacing a token never adds repeats.
        let repeats = match next.repeats == current.repeats {
            true => "",
            false => "REMOVE repeats",
        };
        let request = self
            .unchanged(current, "AND created_at > :began_after")
            .update_expression(format!(
                "SET refresh_hash = :next, #counter = :counter, rotated_at = :now, \
                 network = :network, last_used_at = :now, expires_at = :end {repeats}"
            ))
            .expression_attribute_values(":next", item::octets(&next.refresh_hash))
            .expression_attribute_values(":counter", item::number(next.counter))
            .expression_attribute_values(":now", item::number(next.rotated_at))
            .expression_attribute_values(":network", item::octets(next.network.as_bytes()))
            .expression_attribute_values(":end", item::number(next.expires_at))
            .expression_attribute_values(":began_after", item::number(began_after));
        let refreshed = self.refresh(request, current, "rotate the session");
        Ok(match refreshed.await? {
            // An earlier try of this very write succeeded, and its answer was lost.
            (Refreshed::Refused(Some(found)), true)
                if found.refresh_hash == next.refresh_hash && found.network == next.network =>
            {
                Refreshed::Done
            }
            (refreshed, _) => refreshed,
        })
    }

    /// Replaces the repeats of `current` with `repeats` if the session is unchanged and live at
    /// `now`.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn count_repeat(
        &self,
        current: &Session,
        repeats: &Repeats,
        now: u64,
    ) -> Result<Refreshed, StoreError> {
        let request = self
            .unchanged(current, "")
            .update_expression("SET repeats = :repeats")
            .expression_attribute_values(":repeats", stored(repeats))
            .expression_attribute_values(":now", item::number(now));
        // If an answer was lost, the session that is found has the repeat already.
        let refreshed = self.refresh(request, current, "count the repeat");
        refreshed.await.map(|(refreshed, _)| refreshed)
    }

    /// Returns an update of `session` on the condition that it is as it was read, and live at
    /// `:now`, and on `condition`.
    fn unchanged(&self, session: &Session, condition: &str) -> UpdateItemFluentBuilder {
        let has_repeats = session.repeats != Repeats::default();
        let repeats = match has_repeats {
            true => "repeats = :before",
            false => "attribute_not_exists(repeats)",
        };
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::session(session.user_id, session.id).attributes()))
            .condition_expression(format!(
                "refresh_hash = :current AND #counter = :read AND {repeats} \
                 AND expires_at > :now {condition}"
            ))
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":current", item::octets(&session.refresh_hash))
            .expression_attribute_values(":read", item::number(session.counter))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match has_repeats {
            true => request.expression_attribute_values(":before", stored(&session.repeats)),
            false => request,
        }
    }

    /// Sends an update of `session`. Also returns whether the answer to an earlier try was lost.
    async fn refresh(
        &self,
        request: UpdateItemFluentBuilder,
        session: &Session,
        operation: &'static str,
    ) -> Result<(Refreshed, bool), StoreError> {
        let lost = LostAnswers::default();
        let send = || request.clone().customize().interceptor(lost.clone()).send();
        let fault = match retry_conflicts(send).await {
            Ok(_) => return Ok((Refreshed::Done, false)),
            Err(fault) => fault,
        };
        match fault.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                let found = refused.item.as_ref();
                let found = found
                    .map(|item| read_session(session.user_id, item))
                    .transpose()?;
                Ok((Refreshed::Refused(found.map(Box::new)), lost.any()))
            }
            _ => Err(unavailable(operation)(fault)),
        }
    }
}

/// Returns repeats as an attribute. [`read_session`] reads it.
fn stored(repeats: &Repeats) -> AttributeValue {
    let Repeats { since, same, other } = repeats;
    item::numbers([
        *since,
        same.number,
        same.counter,
        same.last,
        other.number,
        other.counter,
        other.last,
    ])
}
