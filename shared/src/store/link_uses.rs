//! What links are good for: each use is one transaction with the change that it makes.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};

use super::accounts::ACTIVE;
use super::attempts::write_attempts;
use super::credentials::next_password;
use super::item::{self, Key};
use super::links::is_use;
use super::write::{incomplete, reasons, refuses};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::link::{LinkRefusal, LinkToken, Purpose};
use crate::domain::password::hash::PasswordHash;
use crate::domain::throttle::{AttemptKey, Attempts};
use crate::platform::random;

impl Store {
    /// Uses a link to replace the password of `account` with `new`, whatever it is. All sessions of
    /// the account end at once, because their epoch differs from the account's from then on; their
    /// items may be removed later. The address counts as proven, and the attempts at it begin anew
    /// with `attempts`. `events` tell of it. If the link or the account is not as it was read,
    /// nothing is written, and the reason is the inner error.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then done or nothing.
    pub async fn reset_password(
        &self,
        (token, purpose, account): (&LinkToken, Purpose, &Account),
        new: &PasswordHash,
        (key, attempts): (&AttemptKey, &Attempts),
        events: &[Event],
        now: u64,
    ) -> Result<Result<(), LinkRefusal>, StoreError> {
        const OPERATION: &str = "reset the password";
        let use_id = random::octets();
        let before = item::number(account.password_epoch);
        let after = account.password_epoch.saturating_add(1);
        let credential = next_password(account, new, after)
            .table_name(&self.table)
            .build()
            .map_err(incomplete(OPERATION))?;
        let owner = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::account(account.id).attributes()))
            .update_expression(
                "SET password_epoch = :after, email_verified = :proven REMOVE email_state",
            )
            .condition_expression("password_epoch = :before AND #status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":proven", item::boolean(true))
            .expression_attribute_values(":before", before)
            .expression_attribute_values(":after", item::number(after))
            .build()
            .map_err(incomplete(OPERATION))?;
        let attempts = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write_attempts(key, attempts, &random::octets::<16>())))
            .build()
            .map_err(incomplete(OPERATION))?;
        let actions = vec![
            self.use_link(token, purpose, &use_id, now)?,
            TransactWriteItem::builder().update(credential).build(),
            TransactWriteItem::builder().update(owner).build(),
            TransactWriteItem::builder().put(attempts).build(),
        ];
        self.with_link(actions, &use_id, events, OPERATION).await
    }

    /// Uses a link to prove the address of `account`. `events` tell of it. If the link or the
    /// account is not as it was read, nothing is written, and the reason is the inner error.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then done or nothing.
    pub async fn verify_email(
        &self,
        (token, account): (&LinkToken, &Account),
        events: &[Event],
        now: u64,
    ) -> Result<Result<(), LinkRefusal>, StoreError> {
        const OPERATION: &str = "prove the address";
        let use_id = random::octets();
        let owner = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::account(account.id).attributes()))
            .update_expression("SET email_verified = :proven REMOVE email_state")
            // Each change of the address increments the epoch.
            .condition_expression("password_epoch = :epoch AND #status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":proven", item::boolean(true))
            .expression_attribute_values(":epoch", item::number(account.password_epoch))
            .build()
            .map_err(incomplete(OPERATION))?;
        let actions = vec![
            self.use_link(token, Purpose::EmailVerification, &use_id, now)?,
            TransactWriteItem::builder().update(owner).build(),
        ];
        self.with_link(actions, &use_id, events, OPERATION).await
    }

    /// Executes `actions`, of which the first uses a link, and stores `events` with them.
    async fn with_link(
        &self,
        mut actions: Vec<TransactWriteItem>,
        use_id: &[u8; 16],
        events: &[Event],
        operation: &'static str,
    ) -> Result<Result<(), LinkRefusal>, StoreError> {
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(Ok(()));
        };
        match fault.as_service_error().map(reasons) {
            // An earlier try succeeded, and its answer was lost.
            Some([link, ..]) if refuses(link) && is_use(link.item(), use_id) => Ok(Ok(())),
            Some([link, ..]) if refuses(link) => Ok(Err(LinkRefusal::Used)),
            Some([_, others @ ..]) if others.iter().any(refuses) => {
                Ok(Err(LinkRefusal::AccountChanged))
            }
            _ => Err(unavailable(operation)(fault)),
        }
    }
}
