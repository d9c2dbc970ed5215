//! All accounts, in no order: for the command line, which exports them and mends the directory. No
//! function may scan.

use std::collections::VecDeque;

use super::accounts::{DELETING, read_account};
use super::directory::{ADDRESS, DIRECTORY, owner_of, shard_of};
use super::item::{self, ACCOUNT, Attributes, Key};
use super::write::{carried_out, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::{Account, Status};
use crate::domain::id::UserId;

/// The number of items that one request looks at. The embedded DynamoDB would otherwise read the
/// whole table for each.
const BATCH: i32 = 500;

/// An account that a scan has found.
#[derive(Debug)]
pub struct Scanned {
    /// The identifier.
    pub id: UserId,
    /// The account, or why it cannot be read.
    pub account: Result<Account, StoreError>,
    /// Whether the directory lacks the account or has it in another place, so that
    /// [`Store::reindex_account`] has something to do.
    pub is_misplaced: bool,
}

/// A scan of one segment of the table. It holds the accounts of one request, never all of them.
pub struct AccountScan {
    store: Store,
    segment: i32,
    segments: i32,
    found: VecDeque<Scanned>,
    start: Option<Attributes>,
    has_ended: bool,
}

impl Store {
    /// Starts a scan for the accounts in one of `segments` parts of the table, numbered from 0.
    /// Several parts can be scanned at once.
    pub fn scan_accounts(&self, segment: i32, segments: i32) -> AccountScan {
        AccountScan {
            store: self.clone(),
            segment,
            segments,
            found: VecDeque::new(),
            start: None,
            has_ended: false,
        }
    }

    /// Puts an account that was read before into its place in the directory. Returns `false` if
    /// there was nothing to do: it is there already, is being deleted, is gone, or has got another
    /// address, which does the same.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn reindex_account(&self, account: &Account) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::account(account.id).attributes()))
            .update_expression("SET directory = :shard, address = :address")
            .condition_expression(
                "email = :email AND #status <> :deleting AND (attribute_not_exists(directory) \
                 OR directory <> :shard OR attribute_not_exists(address) OR address <> :address)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":shard", item::text(shard_of(account.id)))
            .expression_attribute_values(":address", item::text(account.email.canonical()))
            .expression_attribute_values(":email", item::text(account.email.ascii()))
            .expression_attribute_values(":deleting", item::text(DELETING));
        let answer = retry_conflicts(|| request.clone().send()).await;
        Ok(carried_out(answer, "put the account into the directory")?.is_some())
    }
}

impl AccountScan {
    /// Returns the next account, or `None` at the end. An account that was opened or deleted during
    /// the scan may be returned or not; any other is returned once.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. The next call tries again, and nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Scanned>, StoreError> {
        while self.found.is_empty() && !self.has_ended {
            self.read().await?;
        }
        Ok(self.found.pop_front())
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let mut request = self
            .store
            .client
            .scan()
            .table_name(&self.store.table)
            .consistent_read(true)
            .limit(BATCH)
            .filter_expression("sk = :account AND begins_with(pk, :owner)")
            .expression_attribute_values(":account", item::text(ACCOUNT))
            .expression_attribute_values(":owner", item::text(Key::OWNER))
            .set_exclusive_start_key(self.start.clone());
        // The embedded DynamoDB sorts the table for each request with segments.
        if self.segments > 1 {
            request = request.segment(self.segment).total_segments(self.segments);
        }
        let answer = request
            .send()
            .await
            .map_err(unavailable("read the accounts"))?;
        self.start = answer.last_evaluated_key;
        self.has_ended = self.start.is_none();
        let items = answer.items.unwrap_or_default();
        self.found.extend(items.iter().filter_map(scanned));
        Ok(())
    }
}

/// Returns an account of the scan, unless its key is none that the store writes.
fn scanned(attributes: &Attributes) -> Option<Scanned> {
    let id = owner_of(attributes)?;
    let account = read_account(id, attributes);
    let is = |name, wanted: String| attributes.get(name) == Some(&item::text(wanted));
    let is_misplaced = match &account {
        Ok(account) if account.status == Status::Deleting => false,
        Ok(account) => !is(DIRECTORY, shard_of(id)) || !is(ADDRESS, account.email.canonical()),
        Err(_) => false,
    };
    Some(Scanned {
        id,
        account,
        is_misplaced,
    })
}
