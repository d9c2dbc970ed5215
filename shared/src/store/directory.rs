//! The directory: accounts in the order of their addresses.

use super::accounts::{directory_shard, read_account};
use super::item::{self, Attributes, ItemKind, Key, PK};
use super::write::{carried_out, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::id::UserId;

/// A place in a scan of all accounts.
#[derive(Debug, Clone)]
pub struct ScanPosition(Attributes);

/// A part of all accounts.
#[derive(Debug)]
pub struct Scanned {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where the next part begins, if there is one.
    pub next: Option<ScanPosition>,
}

impl Store {
    /// Returns a part of all accounts, in no order.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn scan_accounts(
        &self,
        after: Option<&ScanPosition>,
    ) -> Result<Scanned, StoreError> {
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("sk = :account")
            .expression_attribute_values(":account", item::text(item::ACCOUNT))
            .consistent_read(true)
            .set_exclusive_start_key(after.map(|after| after.0.clone()))
            .send()
            .await
            .map_err(unavailable("read the accounts"))?;
        let mut accounts = Vec::new();
        for item in answer.items.unwrap_or_default() {
            if ItemKind::of(&item) == ItemKind::Account
                && let Some(id) = user_of(&item)
            {
                accounts.push(read_account(id, &item)?);
            }
        }
        Ok(Scanned {
            accounts,
            next: answer.last_evaluated_key.map(ScanPosition),
        })
    }
}

fn user_of(item: &Attributes) -> Option<UserId> {
    let pk = item.get(PK)?.as_s().ok()?;
    pk.strip_prefix("USER#")?.parse().ok()
}

impl Store {
    /// Sets what the directory needs of an account, if it is missing. Returns whether it was.
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
            .update_expression("SET directory = :directory, address = :address")
            .condition_expression("email = :email AND attribute_not_exists(directory)")
            .expression_attribute_values(":email", item::text(account.email.ascii()))
            .expression_attribute_values(":directory", item::text(directory_shard(account.id)))
            .expression_attribute_values(":address", item::text(account.email.canonical()));
        let answer = retry_conflicts(|| request.clone().send()).await;
        Ok(carried_out(answer, "bring the account into the directory")?.is_some())
    }
}
