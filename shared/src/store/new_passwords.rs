//! Passwords that operators set.

use aws_sdk_dynamodb::types::{
    Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::accounts::DELETING;
use super::bond::Bond;
use super::credentials::{Credential, next_password, write_credential};
use super::item::{self, Key};
use super::write::{incomplete, reasons, refuses};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::password::hash::PasswordHash;

/// The outcome of setting a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PasswordSet {
    /// It was set.
    Done,
    /// The account is being deleted, or its password or address has changed since it was read, and
    /// nothing was written.
    Stale,
    /// Another account has the address, and nothing was written.
    AddressTaken,
}

const OPERATION: &str = "set the password";

impl Store {
    /// Replaces the password of the account that was `read` with `new`, whatever it is. All sessions
    /// of the account and all links to it end at once, because its epoch changes, and the attempts
    /// at the address begin anew. `events` tell of it. If the account has no credential, or one with
    /// another epoch, it gets one that fits.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then done or nothing.
    pub async fn set_password(
        &self,
        read: &Account,
        new: &PasswordHash,
        events: &[Event],
    ) -> Result<PasswordSet, StoreError> {
        let mut bond = Bond::Whole;
        loop {
            let mut actions = vec![
                self.new_credential(read, new, bond)?,
                self.new_epoch(read, bond.next_epoch(read))?,
                self.forget_attempts(&read.email.fingerprint(), OPERATION)?,
            ];
            actions.extend(self.event_actions(events)?);
            let Err(fault) = self.transact(actions).await else {
                return Ok(PasswordSet::Done);
            };
            // A salt is random, so the hash tells whether an earlier try succeeded. It is not worth
            // showing it here: the operator sets the password again.
            match fault.as_service_error().map(reasons) {
                Some([_, owner, ..]) if refuses(owner) => return Ok(PasswordSet::Stale),
                Some([credential, ..]) if refuses(credential) && bond == Bond::Whole => {
                    bond = Bond::of(read, credential);
                    if bond == Bond::Lost {
                        return Ok(PasswordSet::AddressTaken);
                    }
                }
                Some(reasons) if reasons.iter().any(refuses) => return Ok(PasswordSet::Stale),
                _ => return Err(unavailable(OPERATION)(fault)),
            }
        }
    }

    /// Returns the action that gives the credential the password and the next epoch.
    fn new_credential(
        &self,
        read: &Account,
        new: &PasswordHash,
        bond: Bond,
    ) -> Result<TransactWriteItem, StoreError> {
        let epoch = bond.next_epoch(read);
        if bond == Bond::Whole {
            let update = next_password(read, new, epoch)
                .table_name(&self.table)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .build()
                .map_err(incomplete(OPERATION))?;
            return Ok(TransactWriteItem::builder().update(update).build());
        }
        let credential = Credential {
            user_id: read.id,
            password: new.clone().into(),
            password_epoch: epoch,
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write_credential(&read.email, &credential)))
            .condition_expression("attribute_not_exists(pk) OR user_id = :user")
            .expression_attribute_values(":user", item::text(read.id.to_string()))
            .build()
            .map_err(incomplete(OPERATION))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Returns the action that gives the account its next epoch.
    fn new_epoch(&self, read: &Account, epoch: u64) -> Result<TransactWriteItem, StoreError> {
        let owner = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::account(read.id).attributes()))
            .update_expression("SET password_epoch = :after")
            .condition_expression(
                "password_epoch = :before AND email = :email AND #status <> :deleting",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", item::text(DELETING))
            .expression_attribute_values(":email", item::text(read.email.ascii()))
            .expression_attribute_values(":before", item::number(read.password_epoch))
            .expression_attribute_values(":after", item::number(epoch))
            .build()
            .map_err(incomplete(OPERATION))?;
        Ok(TransactWriteItem::builder().update(owner).build())
    }
}
