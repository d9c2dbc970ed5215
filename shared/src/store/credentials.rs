//! Credentials: what addresses log in with, and the writes that change them together with their
//! accounts.

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::accounts::ACTIVE;
use super::item::{self, Attributes, Key, Reader};
use super::write::{carried_out, incomplete, reasons, refuses, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::email::Email;
use crate::domain::id::{SessionId, UserId};
use crate::domain::password::hash::PasswordHash;

/// What an address logs in with.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Whose it is.
    pub user_id: UserId,
    /// The hash of the password.
    pub password: PasswordHash,
    /// How often the password has changed; the account says the same.
    pub password_epoch: u64,
}

/// What became of a write that only the owner of a password may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum OwnerWrite {
    /// It is done.
    Done,
    /// The password is no longer the one that was verified, and nothing was written.
    PasswordChanged,
    /// The account may not be used, or the session has ended, and nothing was written.
    Gone,
}

impl Store {
    /// Puts `new` in the place of the hash `old`, both of the password that was just verified. A
    /// password that has been changed meanwhile stays.
    ///
    /// # Errors
    ///
    /// Where DynamoDB does not answer.
    pub async fn replace_hash(
        &self,
        email: &Email,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::credential(&email.fingerprint()).attributes()))
            .update_expression("SET password = :new")
            .condition_expression("password = :old")
            .expression_attribute_values(":new", item::text(new.to_phc()))
            .expression_attribute_values(":old", item::text(old.to_phc()));
        let answer = retry_conflicts(|| request.clone().send()).await;
        carried_out(answer, "replace the password's hash").map(drop)
    }

    /// Puts `new` in the place of the password that was just verified, and ends all sessions of the
    /// account but `session`, at once: they carry another epoch than the account from here on.
    /// Their items may be removed later.
    ///
    /// # Errors
    ///
    /// Where DynamoDB does not answer; then all of it is done or nothing.
    pub async fn change_password(
        &self,
        account: &Account,
        session: SessionId,
        new: &PasswordHash,
        now: u64,
    ) -> Result<OwnerWrite, StoreError> {
        const OPERATION: &str = "change the password";
        let before = item::number(account.password_epoch);
        let after = item::number(account.password_epoch.saturating_add(1));
        let credential = Update::builder()
            .set_key(Some(
                Key::credential(&account.email.fingerprint()).attributes(),
            ))
            .update_expression("SET password = :new, password_epoch = :after")
            .condition_expression("password_epoch = :before AND user_id = :user")
            .expression_attribute_values(":new", item::text(new.to_phc()))
            .expression_attribute_values(":before", before.clone())
            .expression_attribute_values(":user", item::text(account.id.to_string()))
            .expression_attribute_values(":after", after.clone())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let owner = Update::builder()
            .set_key(Some(Key::account(account.id).attributes()))
            .update_expression("SET password_epoch = :after")
            .condition_expression("password_epoch = :before AND #status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":before", before.clone())
            .expression_attribute_values(":after", after.clone());
        let current = Update::builder()
            .set_key(Some(Key::session(account.id, session).attributes()))
            .update_expression("SET password_epoch = :after")
            .condition_expression("password_epoch = :before AND expires_at > :now")
            .expression_attribute_values(":before", before)
            .expression_attribute_values(":now", item::number(now))
            .expression_attribute_values(":after", after);
        let mut actions = Vec::new();
        for update in [credential, owner, current] {
            let update = update
                .table_name(&self.table)
                .build()
                .map_err(incomplete(OPERATION))?;
            actions.push(TransactWriteItem::builder().update(update).build());
        }
        let Err(fault) = self.transact(actions).await else {
            return Ok(OwnerWrite::Done);
        };
        match fault.as_service_error().map(reasons) {
            Some([credential, others @ ..]) => {
                let found = credential.item().and_then(|item| item.get("password"));
                if refuses(credential) && found == Some(&item::text(new.to_phc())) {
                    // An earlier try was carried out, and its answer was lost.
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

pub(super) fn read_credential(attributes: &Attributes) -> Result<Credential, StoreError> {
    let item = Reader {
        item: "credential",
        attributes,
    };
    Ok(Credential {
        user_id: item.parsed("user_id")?,
        password: item.text("password", PasswordHash::from_phc)?,
        password_epoch: item.number("password_epoch")?,
    })
}
