//! What an export needs besides the accounts.

use super::credentials::read_credential;
use super::item::{ItemKind, Key};
use super::{Store, StoreError};
use crate::domain::account::Account;
use crate::domain::id::UserId;
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
}
