//! Credentials: the password hashes of addresses, and the writes that change them together with
//! their accounts.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::accounts::ACTIVE;
use super::item::{self, Attributes, Key, Reader, Writer};
use super::write::{carried_out, incomplete, reasons, refuses, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::email::Email;
use crate::domain::event::Event;
use crate::domain::id::UserId;
use crate::domain::password::hash::PasswordHash;
use crate::domain::password::stored::StoredPassword;
use crate::domain::session::Session;

/// The credential with which an address logs in.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The account that owns it.
    pub user_id: UserId,
    /// The password.
    pub password: StoredPassword,
    /// The number of passwords that the account has had; the account stores the same number.
    pub password_epoch: u64,
}

/// The outcome of a write that requires the account's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum OwnerWrite {
    /// The write was made.
    Done,
    /// The password is no longer the one that was verified, and nothing was written.
    PasswordChanged,
    /// The account is not active, or the session has ended, and nothing was written.
    Gone,
}

impl Store {
    /// Replaces the stored password `old` with `new`, another hash of the password that was just
    /// verified. Changes nothing if the stored one is no longer `old`.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn replace_stored(
        &self,
        email: &Email,
        old: &StoredPassword,
        new: &StoredPassword,
    ) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::credential(&email.fingerprint()).attributes()))
            .update_expression("SET password = :new")
            .condition_expression("password = :old")
            .expression_attribute_values(":new", item::text(new.to_text()))
            .expression_attribute_values(":old", item::text(old.to_text()));
        let answer = retry_conflicts(|| request.clone().send()).await;
        carried_out(answer, "replace the password's hash").map(drop)
    }

    /// Returns the action that deletes the credential of an account, if it has the password that the
    /// account had when it was read.
    pub(super) fn delete_credential(
        &self,
        account: &Account,
        operation: &'static str,
    ) -> Result<TransactWriteItem, StoreError> {
        let address = account.email.fingerprint();
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(Key::credential(&address).attributes()))
            .condition_expression("password_epoch = :epoch AND user_id = :user")
            .expression_attribute_values(":epoch", item::number(account.password_epoch))
            .expression_attribute_values(":user", item::text(account.id.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete(operation))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Replaces the password that was just verified with `new`, replaces the session of the request
    /// with `next`, which has another refresh token and the next epoch, and ends all other sessions
    /// of the account. They end at once, because their epoch differs from the account's from then
    /// on; their items may be removed later. `events` tell of it.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then done or nothing.
    pub async fn change_password(
        &self,
        account: &Account,
        next: &Session,
        new: &PasswordHash,
        events: &[Event],
    ) -> Result<OwnerWrite, StoreError> {
        const OPERATION: &str = "change the password";
        let before = item::number(account.password_epoch);
        let after = item::number(next.password_epoch);
        let credential = next_password(account, new, next.password_epoch)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let owner = Update::builder()
            .set_key(Some(Key::account(account.id).attributes()))
            .update_expression("SET password_epoch = :after")
            .condition_expression("password_epoch = :before AND #status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":before", before.clone())
            .expression_attribute_values(":after", after.clone());
        let current = renewal(next, before);
        let mut actions = Vec::new();
        for update in [credential, owner, current] {
            let update = update
                .table_name(&self.table)
                .build()
                .map_err(incomplete(OPERATION))?;
            actions.push(TransactWriteItem::builder().update(update).build());
        }
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(OwnerWrite::Done);
        };
        match fault.as_service_error().map(reasons) {
            Some([credential, others @ ..]) => {
                let found = credential.item().and_then(|item| item.get("password"));
                if refuses(credential) && found == Some(&item::text(new.to_phc())) {
                    // An earlier try succeeded, and its answer was lost.
                    Ok(OwnerWrite::Done)
                } else if refuses(credential) {
                    Ok(OwnerWrite::PasswordChanged)
                } else if others.iter().any(refuses) {
                    Ok(OwnerWrite::Gone)
                } else {
                    Err(unavailable(OPERATION)(fault))
                }
            }
            _ => Err(unavailable(OPERATION)(fault)),
        }
    }
}

/// Returns the update that replaces the password of an account, whatever it is, if it still is the one
/// that the account had when it was read. The credential gets the epoch `after`.
pub(super) fn next_password(account: &Account, new: &PasswordHash, after: u64) -> UpdateBuilder {
    Update::builder()
        .set_key(Some(
            Key::credential(&account.email.fingerprint()).attributes(),
        ))
        .update_expression("SET password = :new, password_epoch = :after")
        .condition_expression("password_epoch = :before AND user_id = :user")
        .expression_attribute_values(":new", item::text(new.to_phc()))
        .expression_attribute_values(":before", item::number(account.password_epoch))
        .expression_attribute_values(":user", item::text(account.id.to_string()))
        .expression_attribute_values(":after", item::number(after))
}

/// Returns the update that replaces a session's refresh token, whatever it is by now: if somebody
/// else has just refreshed the session, that token is void too.
fn renewal(next: &Session, epoch_before: AttributeValue) -> UpdateBuilder {
    Update::builder()
        .set_key(Some(Key::session(next.user_id, next.id).attributes()))
        .update_expression(
            "SET password_epoch = :after, refresh_hash = :hash, #counter = :counter, \
             nonce = :nonce, rotated_at = :now, network = :network, last_used_at = :now, \
             authenticated_at = :authenticated, expires_at = :end REMOVE repeats",
        )
        .condition_expression("password_epoch = :before AND expires_at > :now")
        .expression_attribute_names("#counter", "counter")
        .expression_attribute_values(":before", epoch_before)
        .expression_attribute_values(":after", item::number(next.password_epoch))
        .expression_attribute_values(":hash", item::octets(&next.refresh_hash))
        .expression_attribute_values(":counter", item::number(next.counter))
        .expression_attribute_values(":nonce", item::octets(&next.nonce))
        .expression_attribute_values(":now", item::number(next.rotated_at))
        .expression_attribute_values(":network", item::octets(next.network.as_bytes()))
        .expression_attribute_values(":authenticated", item::number(next.authenticated_at))
        .expression_attribute_values(":end", item::number(next.expires_at))
}

pub(super) fn write_credential(email: &Email, credential: &Credential) -> Attributes {
    Writer::new(Key::credential(&email.fingerprint()))
        .text("user_id", credential.user_id.to_string())
        .text("password", credential.password.to_text())
        .number("password_epoch", credential.password_epoch)
        .finish()
}

pub(super) fn read_credential(attributes: &Attributes) -> Result<Credential, StoreError> {
    let item = Reader {
        item: "credential",
        attributes,
    };
    Ok(Credential {
        user_id: item.parsed("user_id")?,
        password: item.text("password", StoredPassword::from_text)?,
        password_epoch: item.number("password_epoch")?,
    })
}
