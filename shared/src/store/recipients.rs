//! Whom mails go to. The function `mailer` reads by these operations alone: each names the
//! attributes that it wants, and its role may ask for no others, so that it can read no hash of a
//! password.

use super::accounts::ACTIVE;
use super::item::{self, Key, Reader};
use super::write::{carried_out, retry_conflicts};
use super::{Store, StoreError};
use crate::domain::email::Email;
use crate::domain::id::UserId;
use crate::domain::locale::Locale;
use crate::domain::recipient::{EmailState, Recipient};

/// The part of a pending registration that its mail needs.
#[derive(Debug, Clone)]
pub struct Registrant {
    /// The address that somebody has registered.
    pub email: Email,
    /// The language of mails that they have chosen, if any.
    pub locale: Option<Locale>,
    /// When the registration expires, in seconds since the epoch.
    pub expires_at: u64,
}

impl Store {
    /// Returns the account that an address belongs to, from the address's fingerprint.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn owner(&self, address: &str) -> Result<Option<UserId>, StoreError> {
        let key = Key::credential(address);
        let item = self.get_some(key, &["user_id"], "look the address up");
        let Some(attributes) = item.await? else {
            return Ok(None);
        };
        let item = Reader {
            item: "credential",
            attributes: &attributes,
        };
        item.parsed("user_id").map(Some)
    }

    /// Returns what a mail needs to know of an account, if it exists.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn recipient(&self, user_id: UserId) -> Result<Option<Recipient>, StoreError> {
        const ATTRIBUTES: [&str; 7] = [
            "email",
            "email_typed",
            "email_verified",
            "email_state",
            "locale",
            "status",
            "password_epoch",
        ];
        let key = Key::account(user_id);
        let item = self.get_some(key, &ATTRIBUTES, "read whom the mail is for");
        let Some(attributes) = item.await? else {
            return Ok(None);
        };
        let item = Reader {
            item: "account",
            attributes: &attributes,
        };
        Ok(Some(Recipient {
            user_id,
            email: item.email("email", "email_typed")?,
            locale: item.locale()?,
            is_active: item.parsed::<String>("status")? == ACTIVE,
            is_verified: item.truth("email_verified")?,
            is_reachable: !item.has("email_state"),
            password_epoch: item.number("password_epoch")?,
        }))
    }

    /// Returns what a mail needs to know of a pending registration, by the account that it opens, if
    /// there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn registrant(&self, user_id: UserId) -> Result<Option<Registrant>, StoreError> {
        const ATTRIBUTES: [&str; 4] = ["email", "email_typed", "locale", "expires_at"];
        let key = Key::registration(user_id);
        let item = self.get_some(key, &ATTRIBUTES, "read the registration");
        let Some(attributes) = item.await? else {
            return Ok(None);
        };
        let item = Reader {
            item: "registration",
            attributes: &attributes,
        };
        Ok(Some(Registrant {
            email: item.email("email", "email_typed")?,
            locale: item.locale()?,
            expires_at: item.number("expires_at")?,
        }))
    }

    /// Notes on an account what is known against sending mail to its address. Returns `false` if the
    /// account has another address by now, or is gone.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn note_email_state(
        &self,
        recipient: &Recipient,
        state: EmailState,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::account(recipient.user_id).attributes()))
            .update_expression("SET email_state = :state")
            .condition_expression("email = :email")
            .expression_attribute_values(":state", item::text(state.to_string()))
            .expression_attribute_values(":email", item::text(recipient.email.ascii()));
        let answer = retry_conflicts(|| request.clone().send()).await;
        Ok(carried_out(answer, "note the state of the address")?.is_some())
    }
}
