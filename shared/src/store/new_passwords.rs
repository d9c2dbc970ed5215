//! Passwords that operators set.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};

use super::accounts::DELETING;
use super::credentials::next_password;
use super::item::{self, Key};
use super::write::{incomplete, reasons, refuses};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::password::hash::PasswordHash;

impl Store {
    /// Replaces the password of the account that was `read` with `new`, whatever it is. All sessions
    /// of the account and all links to it end at once, because its epoch changes, and the attempts
    /// at the address begin anew. `events` tell of it. Returns `false` if the account is being
    /// deleted, or its password or address has changed since it was read; nothing is written then.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then done or nothing.
    pub async fn set_password(
        &self,
        read: &Account,
        new: &PasswordHash,
        events: &[Event],
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "set the password";
        let address = read.email.fingerprint();
        let before = item::number(read.password_epoch);
        let after = read.password_epoch.saturating_add(1);
        let credential = next_password(read, new, after)
            .table_name(&self.table)
            .build()
            .map_err(incomplete(OPERATION))?;
        let owner = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::account(read.id).attributes()))
            .update_expression("SET password_epoch = :after")
            .condition_expression("password_epoch = :before AND #status <> :deleting")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", item::text(DELETING))
            .expression_attribute_values(":before", before)
            .expression_attribute_values(":after", item::number(after))
            .build()
            .map_err(incomplete(OPERATION))?;
        let attempts = self.forget_attempts(&address, OPERATION)?;
        let mut actions = vec![
            TransactWriteItem::builder().update(credential).build(),
            TransactWriteItem::builder().update(owner).build(),
            attempts,
        ];
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(true);
        };
        match fault.as_service_error().map(reasons) {
            // A salt is random, so the hash tells whether an earlier try succeeded. It is not worth
            // showing it here: the operator sets the password again.
            Some(reasons) if reasons.iter().any(refuses) => Ok(false),
            _ => Err(unavailable(OPERATION)(fault)),
        }
    }
}
