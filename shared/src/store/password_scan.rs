//! All passwords that were imported and have not been used since, in no order: for the command line.

use std::collections::VecDeque;

use super::credentials::read_credential;
use super::item::{self, Attributes, CREDENTIAL};
use super::{Store, StoreError, unavailable};
use crate::domain::password::stored::StoredPassword;

/// The number of items that one request looks at. The embedded DynamoDB would otherwise read the
/// whole table for each.
const BATCH: i32 = 500;

/// A scan for imported passwords. It holds those of one request, never all of them.
pub struct PasswordScan {
    store: Store,
    found: VecDeque<Result<StoredPassword, StoreError>>,
    start: Option<Attributes>,
    has_ended: bool,
}

impl Store {
    /// Starts a scan for the passwords that are not Argon2id of the password itself: those that were
    /// imported and have not been used since, and those of accounts without a password.
    pub fn scan_imported_passwords(&self) -> PasswordScan {
        PasswordScan {
            store: self.clone(),
            found: VecDeque::new(),
            start: None,
            has_ended: false,
        }
    }
}

impl PasswordScan {
    /// Returns the next password, or why it cannot be read; or `None` at the end.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. The next call tries again, and nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Result<StoredPassword, StoreError>>, StoreError> {
        while self.found.is_empty() && !self.has_ended {
            self.read().await?;
        }
        Ok(self.found.pop_front())
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let request = self
            .store
            .client
            .scan()
            .table_name(&self.store.table)
            .limit(BATCH)
            .filter_expression("sk = :credential AND NOT begins_with(password, :own)")
            .expression_attribute_values(":credential", item::text(CREDENTIAL))
            .expression_attribute_values(":own", item::text("$argon2id$"))
            .set_exclusive_start_key(self.start.clone());
        let answer = request
            .send()
            .await
            .map_err(unavailable("read the passwords"))?;
        self.start = answer.last_evaluated_key;
        self.has_ended = self.start.is_none();
        let items = answer.items.unwrap_or_default();
        let password = |item| read_credential(item).map(|credential| credential.password);
        self.found.extend(items.iter().map(password));
        Ok(())
    }
}
