//! The deletion of an account: its credential first, then its partition.

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::accounts::{ACTIVE, DELETING};
use super::item::{self, Attributes, ItemKind, Key};
use super::unchanged::Unchanged;
use super::write::{carried_out, incomplete, reasons, refuses, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::id::UserId;

/// The outcome of the first step of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Deletion {
    /// The deletion has begun.
    Begun,
    /// The password is no longer the one that was verified, and nothing was written.
    PasswordChanged,
    /// The profile is no longer as it was read, and nothing was written.
    Stale,
    /// The account is not active, and nothing was written.
    Gone,
    /// The account has the role of administrators, and nothing was written: another one of them has
    /// to delete it, so that one always remains.
    Administrator,
}

impl Store {
    /// The time after which the time to live removes an account whose deletion was not finished, in
    /// seconds.
    pub(super) const DELETION_SECONDS: u64 = 24 * 60 * 60;

    /// Begins to delete an account whose password was just verified. From then on nobody can log in
    /// or refresh, the directory lists the account no longer, and the address is free.
    /// [`Store::finish_deletion`] does the rest; if nobody calls it, the account's time to live removes the account. With `unchanged`, this is done only
    /// if the profile still is as it was read. `events` tell of it.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then done or nothing.
    pub async fn begin_deletion(
        &self,
        account: &Account,
        unchanged: bool,
        now: u64,
        events: &[Event],
    ) -> Result<Deletion, StoreError> {
        const OPERATION: &str = "delete the account";
        let address = account.email.fingerprint();
        let credential = self.delete_credential(account, OPERATION)?;
        let (mut owner, mut condition) = (
            Update::builder(),
            "#status = :active AND NOT contains(#roles, :admin)".to_owned(),
        );
        if unchanged {
            let unchanged = Unchanged::since(account);
            condition.push_str(&unchanged.condition);
            owner = owner
                .set_expression_attribute_names(Some(unchanged.names))
                .set_expression_attribute_values(Some(unchanged.values));
        }
        let owner = owner
            .table_name(&self.table)
            .set_key(Some(Key::account(account.id).attributes()))
            // The account leaves the directory at once: its address may be another's by then.
            .update_expression("SET #status = :deleting, expires_at = :end REMOVE directory")
            .condition_expression(condition)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#roles", "roles")
            .expression_attribute_values(":admin", item::text(Account::ADMINISTRATOR))
            .expression_attribute_values(":deleting", item::text(DELETING))
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":end", item::number(now + Self::DELETION_SECONDS))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete(OPERATION))?;
        // The counts end with the account. They say from where its owner has logged in.
        let attempts = self.forget_attempts(&address, OPERATION)?;
        let mut actions = vec![
            credential,
            TransactWriteItem::builder().update(owner).build(),
            attempts,
        ];
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(Deletion::Begun);
        };
        match fault.as_service_error().map(reasons) {
            Some([credential, owner, ..]) => {
                let found = owner.item().filter(|_| refuses(owner));
                let status = found.and_then(|item| item.get("status"));
                let is = |wanted| status == Some(&item::text(wanted));
                let roles = found.and_then(|item| item.get("roles")?.as_l().ok());
                let admin = item::text(Account::ADMINISTRATOR);
                if is(DELETING) {
                    Ok(Deletion::Begun)
                } else if refuses(owner) && !is(ACTIVE) {
                    Ok(Deletion::Gone)
                } else if roles.is_some_and(|roles| roles.contains(&admin)) {
                    Ok(Deletion::Administrator)
                } else if refuses(credential) {
                    Ok(Deletion::PasswordChanged)
                } else if refuses(owner) {
                    Ok(Deletion::Stale)
                } else {
                    Err(unavailable(OPERATION)(fault))
                }
            }
            _ => Err(unavailable(OPERATION)(fault)),
        }
    }

    /// Removes all other items from the partition of an account whose deletion has begun, then the
    /// account itself. It can be called again until it succeeds.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn finish_deletion(&self, user: UserId) -> Result<(), StoreError> {
        const OPERATION: &str = "delete the account";
        // Every item of the partition is removed, even of kinds that a later version adds. The
        // account goes last: as long as it exists, the deletion can be requested again.
        let is_account = |key: &Attributes| match ItemKind::of(key) {
            ItemKind::Account => true,
            ItemKind::Credential
            | ItemKind::Session(_)
            | ItemKind::Link(_)
            | ItemKind::Registration
            | ItemKind::Attempts
            | ItemKind::SessionAttempts
            | ItemKind::SourceAttempts
            | ItemKind::Mails
            | ItemKind::Unknown => false,
        };
        self.delete_of_partition(user, None, is_account, OPERATION)
            .await?;
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::account(user).attributes()))
            .condition_expression("#status = :deleting")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", item::text(DELETING));
        let answer = retry_conflicts(|| request.clone().send()).await;
        // If the condition does not hold, another call has removed the account.
        carried_out(answer, OPERATION).map(drop)
    }
}
