//! Accounts.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::attempts::write_attempts;
use super::credentials::{Credential, write_credential};
use super::directory::{ADDRESS, DIRECTORY, shard_of};
use super::item::{self, Attributes, Key, Reader, Writer};
use super::unchanged::Unchanged;
use super::write::{carried_out, incomplete, reasons, refused_by_condition, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::{Account, ProfileChange, Status};
use crate::domain::event::Event;
use crate::domain::external_id::ExternalId;
use crate::domain::id::{Role, UserId};
use crate::domain::locale::Locale;
use crate::domain::name::Name;
use crate::domain::password::hash::PasswordHash;
use crate::domain::throttle::{AttemptKey, Attempts, LastLogin};
use crate::observe::request_log::record_user;
use crate::platform::random;

/// The outcome of creating an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The account was created.
    Done,
    /// The address already has an account, and nothing was written.
    EmailTaken,
}

/// The outcome of changing a profile.
#[derive(Debug)]
#[must_use]
pub enum Changed {
    /// The profile was changed. This is the account after the change.
    Done(Box<Account>),
    /// The profile is no longer as it was read, and nothing was written.
    Stale,
    /// There is no active account with this id.
    Gone,
}

const CREATE: &str = "create the account";

impl Store {
    /// Creates an account and its credential, both or neither. The attempts at the address begin
    /// anew with `attempts`. If an address is registered several times at once, only one
    /// registration succeeds: the condition is on the key of the credential. `events` tell of it.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. The account may then exist or not, but never
    /// in part.
    pub async fn create_account(
        &self,
        account: &Account,
        password: &PasswordHash,
        attempts: (&AttemptKey, &Attempts),
        events: &[Event],
    ) -> Result<Created, StoreError> {
        let mut actions = self.creation(account, password, attempts)?;
        actions.extend(self.event_actions(events)?);
        match self.transact(actions).await {
            Ok(_) => Ok(Created::Done),
            Err(fault) => match fault.as_service_error() {
                // The existing item is this very account: an earlier try succeeded, and its answer
                // was lost.
                Some(refused) if found_user(refused) == Some(account.id) => Ok(Created::Done),
                Some(refused) if refused_by_condition(refused) => Ok(Created::EmailTaken),
                _ => Err(unavailable(CREATE)(fault)),
            },
        }
    }

    /// Returns the actions that create an account: its credential, which must be new, the account
    /// itself, and the attempts at the address.
    pub(super) fn creation(
        &self,
        account: &Account,
        password: &PasswordHash,
        (key, attempts): (&AttemptKey, &Attempts),
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let credential = Credential {
            user_id: account.id,
            password: password.clone().into(),
            password_epoch: account.password_epoch,
        };
        let credential = write_credential(&account.email, &credential);
        let is_new = |put: PutBuilder| {
            put.condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
        };
        let put = |item| Put::builder().table_name(&self.table).set_item(Some(item));
        let mut actions = Vec::new();
        for put in [
            is_new(put(credential)),
            is_new(put(write_account(account))),
            put(write_attempts(key, attempts, &random::octets::<16>())),
        ] {
            let put = put.build().map_err(incomplete(CREATE))?;
            actions.push(TransactWriteItem::builder().put(put).build());
        }
        Ok(actions)
    }

    /// Returns an account, if it exists. The read is strongly consistent, so a client that has just
    /// changed the account sees the change.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Key::account(id).attributes()))
            .consistent_read(true);
        let answer = request.send().await;
        let item = answer.map_err(unavailable("read the account"))?.item;
        item.map(|item| read_account(id, &item)).transpose()
    }

    /// Changes a profile and increments its version; with `read`, only if the profile still is as in
    /// this account, which was read before.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable. The change may then
    /// be made or not; repeating it does no harm.
    pub async fn change_profile(
        &self,
        id: UserId,
        change: &ProfileChange,
        read: Option<&Account>,
    ) -> Result<Changed, StoreError> {
        let mut sets = vec!["version = version + :one"];
        let mut values = HashMap::from([
            (":one".to_owned(), item::number(1)),
            (":active".to_owned(), item::text(ACTIVE)),
        ]);
        if let Some(name) = &change.first_name {
            sets.push("first_name = :first_name");
            values.insert(":first_name".to_owned(), item::text(name.as_str()));
        }
        if let Some(name) = &change.last_name {
            sets.push("last_name = :last_name");
            values.insert(":last_name".to_owned(), item::text(name.as_str()));
        }
        let mut removes = "";
        match &change.locale {
            Some(Some(locale)) => {
                sets.push("locale = :locale");
                values.insert(":locale".to_owned(), item::text(locale.as_str()));
            }
            Some(None) => removes = " REMOVE locale",
            None => {}
        }
        let mut condition = "attribute_exists(pk) AND #status = :active".to_owned();
        let mut names = HashMap::from([("#status".to_owned(), "status".to_owned())]);
        if let Some(read) = read {
            let unchanged = Unchanged::since(read);
            condition.push_str(&unchanged.condition);
            names.extend(unchanged.names);
            values.extend(unchanged.values);
        }
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::account(id).attributes()))
            .update_expression(format!("SET {}{removes}", sets.join(", ")))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let fault = match retry_conflicts(|| request.clone().send()).await {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                return Ok(Changed::Done(Box::new(read_account(id, &item)?)));
            }
            Err(fault) => fault,
        };
        match fault.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                match &refused.item {
                    Some(found) => Ok(refused_change(read_account(id, found)?, change, read)),
                    None => Ok(Changed::Gone),
                }
            }
            _ => Err(unavailable("change the profile")(fault)),
        }
    }

    /// Records the login of the owner of `account`. Returns `false` if the account is no longer
    /// active, or its password has changed since it was read.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn record_login(
        &self,
        account: &Account,
        login: &LastLogin,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::account(account.id).attributes()))
            .update_expression("SET last_login = :at, login_attempt = :attempt")
            .condition_expression("#status = :active AND password_epoch = :epoch")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":epoch", item::number(account.password_epoch))
            .expression_attribute_values(":at", item::number(login.at))
            .expression_attribute_values(":attempt", item::text(login.attempt.as_str()));
        let answer = retry_conflicts(|| request.clone().send()).await;
        Ok(carried_out(answer, "record the login")?.is_some())
    }
}

/// Returns the outcome of a change whose condition did not hold, from the account that was `found`.
fn refused_change(found: Account, change: &ProfileChange, read: Option<&Account>) -> Changed {
    if found.status != Status::Active {
        return Changed::Gone;
    }
    match read {
        // An earlier try succeeded, and its answer was lost.
        Some(read) if change.was_made(read.version, &found) => Changed::Done(Box::new(found)),
        _ => Changed::Stale,
    }
}

pub(super) const ACTIVE: &str = "active";
const DISABLED: &str = "disabled";
pub(super) const DELETING: &str = "deleting";

pub(super) fn write_account(account: &Account) -> Attributes {
    Writer::new(Key::account(account.id))
        .text("email", account.email.ascii())
        .optional_text("email_typed", account.email.unicode())
        .truth("email_verified", account.email_verified)
        .text("first_name", account.first_name.as_str())
        .text("last_name", account.last_name.as_str())
        .optional_text("locale", account.locale.as_ref().map(Locale::as_str))
        .number("date_joined", account.date_joined)
        .optional_number("last_login", account.last_login)
        .optional_text(
            "external_id",
            account.external_id.as_ref().map(ExternalId::as_str),
        )
        .texts("roles", account.roles.iter().cloned().map(String::from))
        .optional_text("claims", account.claims.to_json().as_deref())
        .text(DIRECTORY, shard_of(account.id))
        .text(ADDRESS, account.email.canonical())
        .text("status", account.status.name())
        .number("version", account.version)
        .number("password_epoch", account.password_epoch)
        .finish()
}

/// Parses an account. If its item is unreadable, records the account in the log line of the
/// request.
pub(super) fn read_account(id: UserId, attributes: &Attributes) -> Result<Account, StoreError> {
    let account = parse_account(id, attributes);
    if account.is_err() {
        record_user(id);
    }
    account
}

fn parse_account(id: UserId, attributes: &Attributes) -> Result<Account, StoreError> {
    let item = Reader {
        item: "account",
        attributes,
    };
    Ok(Account {
        id,
        external_id: item.optional_text("external_id")?,
        email: item.email("email", "email_typed")?,
        email_verified: item.truth("email_verified")?,
        first_name: item.text("first_name", Name::stored)?,
        last_name: item.text("last_name", Name::stored)?,
        locale: item.locale()?,
        date_joined: item.number("date_joined")?,
        last_login: item.optional_number("last_login")?,
        login_attempt: item.optional_text("login_attempt")?,
        roles: item.list::<Role>("roles")?,
        claims: item.optional_text("claims")?.unwrap_or_default(),
        status: item.text("status", parse_status)?,
        version: item.number("version")?,
        password_epoch: item.number("password_epoch")?,
    })
}

/// Parses a stored status.
pub(super) fn parse_status(text: &str) -> Result<Status, ()> {
    match text {
        ACTIVE => Ok(Status::Active),
        DISABLED => Ok(Status::Disabled),
        DELETING => Ok(Status::Deleting),
        _ => Err(()),
    }
}

/// Returns the owner of the existing credential because of which a transaction failed.
pub(super) fn found_user(fault: &TransactWriteItemsError) -> Option<UserId> {
    let credential = reasons(fault).first()?.item()?;
    credential.get("user_id")?.as_s().ok()?.parse().ok()
}
