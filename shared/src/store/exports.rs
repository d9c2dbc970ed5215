//! What exports need besides the accounts.

use super::credentials::read_credential;
use super::item::{self, ItemKind, Key, LINK, Reader};
use super::links::read_link;
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::id::UserId;
use crate::domain::link::Link;
use crate::domain::password::stored::StoredPassword;

impl Store {
    /// Returns the stored passwords of `accounts`, in any order. It takes one request for each
    /// 100 accounts. An account whose credential is being moved or deleted has none.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or a credential is unreadable.
    pub async fn stored_passwords(
        &self,
        accounts: &[Account],
    ) -> Result<Vec<(UserId, StoredPassword)>, StoreError> {
        /// The limit of `BatchGetItem`.
        const BATCH: usize = 100;
        let mut passwords = Vec::with_capacity(accounts.len());
        for batch in accounts.chunks(BATCH) {
            let keys = batch
                .iter()
                .map(|account| Key::credential(&account.email.fingerprint()));
            for item in self.get_all(keys, "read the credentials").await? {
                match ItemKind::of(&item) {
                    ItemKind::Credential => {
                        let credential = read_credential(&item)?;
                        passwords.push((credential.user_id, credential.password));
                    }
                    // Not asked for.
                    ItemKind::Account
                    | ItemKind::Session(_)
                    | ItemKind::Link(_)
                    | ItemKind::Registration
                    | ItemKind::Attempts
                    | ItemKind::SessionAttempts
                    | ItemKind::SourceAttempts
                    | ItemKind::Mails
                    | ItemKind::Unknown => {}
                }
            }
        }
        Ok(passwords)
    }

    /// Returns what is known against sending mail to the address of an account: `bounced`,
    /// `complained`, or `None`.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn email_state(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let key = Key::account(user);
        let item = self.get_some(key, &["email_state"], "read the state of the address");
        let attributes = item.await?.unwrap_or_default();
        let item = Reader {
            item: "account",
            attributes: &attributes,
        };
        item.optional_text("email_state")
    }

    /// Returns the links in mails to the owner of an account that are good at `now`, in seconds since
    /// the epoch, the earliest first. The hashes of their secrets are not read.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or a link is unreadable.
    pub async fn links_of(&self, user: UserId, now: u64) -> Result<Vec<Link>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :link)")
            .filter_expression("attribute_not_exists(used) AND expires_at > :now")
            .projection_expression(
                "pk, sk, purpose, email, email_typed, #from, from_typed, password_epoch, \
                 session_id, told, expires_at",
            )
            .expression_attribute_names("#from", "from")
            .expression_attribute_values(":pk", item::text(Key::partition(user)))
            .expression_attribute_values(":link", item::text(LINK))
            .expression_attribute_values(":now", item::number(now))
            .consistent_read(true);
        let (mut links, mut start) = (Vec::new(), None);
        loop {
            let request = request.clone().set_exclusive_start_key(start);
            let answer = request
                .send()
                .await
                .map_err(unavailable("list the links"))?;
            for item in answer.items.unwrap_or_default() {
                match ItemKind::of(&item) {
                    ItemKind::Link(id) => links.push(read_link(user, id, &item)?),
                    ItemKind::Credential
                    | ItemKind::Account
                    | ItemKind::Session(_)
                    | ItemKind::Registration
                    | ItemKind::Attempts
                    | ItemKind::SessionAttempts
                    | ItemKind::SourceAttempts
                    | ItemKind::Mails
                    | ItemKind::Unknown => {}
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(links);
            }
        }
    }
}
