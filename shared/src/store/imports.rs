//! Imports: many accounts at once, never over one that is there.
//!
//! An account and its credential are written in one transaction with those of others: both or neither
//! are there after a crash. On the embedded DynamoDB, one commit for 50 accounts takes a fraction of
//! the time of 100 commits; in AWS, a transaction costs two write units where a single write costs
//! one.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError, TransactWriteItemsInput,
};
use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::accounts::{DELETING, read_account, write_account};
use super::credentials::{Credential, write_credential};
use super::directory::owner_of;
use super::item::{self, Attributes, ItemKind, Key, PK, Reader};
use super::write::{
    Conflicts as _, LostAnswers, incomplete, jitter, reasons, refuses, retry_conflicts,
};
use super::{Store, StoreError, unavailable};
use crate::domain::account::{Account, Status};
use crate::domain::id::UserId;
use crate::domain::password::stored::StoredPassword;

/// An account to import.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// The account.
    pub account: Account,
    /// Its password.
    pub password: StoredPassword,
}

/// What became of an account to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Imported {
    /// It was written.
    Done,
    /// An account of this id is there, and nothing was written: an earlier import wrote it.
    There,
    /// The address has an account of another id, and nothing was written.
    EmailTaken,
    /// The account of this id is being deleted, and nothing was written.
    Deleting,
}

/// What is in the table for an account to import.
enum Found {
    /// Neither the account nor a credential of its address.
    Nothing,
    /// The account without its credential, which gets this epoch.
    Unfinished(u64),
    /// What keeps it from being written.
    Hindered(Imported),
}

/// What became of a transaction.
enum Written {
    /// All was written.
    All,
    /// Nothing was written, because of the accounts at these places. An earlier try may have written
    /// them, if its answer was lost.
    Refused(Vec<usize>, LostAnswers),
}

/// Removes the token by which DynamoDB knows a repeated transaction, and which the SDK adds. The
/// conditions do the same, and the embedded DynamoDB keeps some octets for each action of the last ten
/// minutes' transactions: over a hundred megabytes for a million accounts.
#[derive(Debug)]
struct WithoutToken;

/// An account that is still to be written: its place in the list, and the epoch of the account if that
/// is there without a credential.
type Waiting = (usize, Option<u64>);

const IMPORT: &str = "import the accounts";

impl Store {
    /// The number of accounts of one request: half the number of items of a `TransactWriteItems` and
    /// of a `BatchGetItem`.
    pub const IMPORTED_AT_ONCE: usize = 50;
    /// The number of tries for a part, between which others write its accounts.
    const TRIES_TO_IMPORT: usize = 8;
    /// The number of tries while DynamoDB is throttling, over about 20 seconds: a table that is billed by
    /// request doubles what it takes within minutes.
    const THROTTLED_TRIES: u32 = 10;

    /// Returns what keeps each of `accounts` from being imported, if anything does by now. It takes one
    /// request for each 50 accounts. No two of them may have one id or one address.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn hindrances(
        &self,
        accounts: &[&Account],
    ) -> Result<Vec<Option<Imported>>, StoreError> {
        let found = self.find_imports(accounts).await?;
        let hindered = |found| match found {
            Found::Hindered(outcome) => Some(outcome),
            Found::Nothing | Found::Unfinished(_) => None,
        };
        Ok(found.into_iter().map(hindered).collect())
    }

    /// Imports accounts with their credentials, and returns what became of each. It takes one request
    /// for each 50 accounts, if nothing hinders them. No two of them may have one id or one address.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable. Some accounts may then
    /// be written and others not, but none in part. Doing it again does no harm.
    pub async fn import(&self, accounts: &[NewImport]) -> Result<Vec<Imported>, StoreError> {
        let mut outcomes = Vec::with_capacity(accounts.len());
        for part in accounts.chunks(Self::IMPORTED_AT_ONCE) {
            outcomes.extend(self.import_part(part).await?);
        }
        Ok(outcomes)
    }

    async fn import_part(&self, accounts: &[NewImport]) -> Result<Vec<Imported>, StoreError> {
        let mut outcomes = vec![Imported::Done; accounts.len()];
        let mut waiting: Vec<Waiting> = (0..accounts.len()).map(|place| (place, None)).collect();
        for _ in 0..Self::TRIES_TO_IMPORT {
            let (refused, lost) = match self.write_imports(accounts, &waiting).await? {
                Written::All => return Ok(outcomes),
                Written::Refused(refused, lost) => (refused, lost),
            };
            waiting.retain(|(place, _)| !refused.contains(place));
            let again = refused.iter().filter_map(|place| accounts.get(*place));
            let again: Vec<_> = again.map(|new| &new.account).collect();
            for (place, found) in refused.iter().zip(self.find_imports(&again).await?) {
                match found {
                    Found::Nothing => waiting.push((*place, None)),
                    Found::Unfinished(epoch) => waiting.push((*place, Some(epoch))),
                    // An earlier try wrote it.
                    Found::Hindered(Imported::There) if lost.any() => {}
                    Found::Hindered(outcome) => {
                        if let Some(place) = outcomes.get_mut(*place) {
                            *place = outcome;
                        }
                    }
                }
            }
            if waiting.is_empty() {
                return Ok(outcomes);
            }
        }
        let source = "others wrote the same accounts, again and again".into();
        Err(StoreError::Unavailable {
            operation: IMPORT,
            source,
        })
    }

    /// Writes all of `waiting` or none.
    async fn write_imports(
        &self,
        accounts: &[NewImport],
        waiting: &[Waiting],
    ) -> Result<Written, StoreError> {
        let (mut actions, mut places) = (Vec::new(), Vec::new());
        for (place, unfinished) in waiting {
            if let Some(new) = accounts.get(*place) {
                for action in self.import_actions(new, *unfinished)? {
                    actions.push(action);
                    places.push(*place);
                }
            }
        }
        if actions.is_empty() {
            return Ok(Written::All);
        }
        let lost = LostAnswers::default();
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions));
        let attempt = || {
            let request = request.clone().customize().interceptor(lost.clone());
            request.interceptor(WithoutToken).send()
        };
        for tries in 0.. {
            let Err(fault) = retry_conflicts(attempt).await else {
                break;
            };
            let reasons = fault.as_service_error().map(reasons).unwrap_or_default();
            let refused = reasons.iter().zip(&places).filter(|(it, _)| refuses(it));
            let mut refused: Vec<_> = refused.map(|(_, place)| *place).collect();
            refused.dedup();
            if !refused.is_empty() {
                return Ok(Written::Refused(refused, lost));
            }
            if tries + 1 == Self::THROTTLED_TRIES || !is_throttled(&fault) {
                return Err(unavailable(IMPORT)(fault));
            }
            jitter(tries).await;
        }
        Ok(Written::All)
    }

    /// Returns the actions that write an account which must be new and its credential, or only the
    /// credential if the account is there.
    fn import_actions(
        &self,
        new: &NewImport,
        unfinished: Option<u64>,
    ) -> Result<[TransactWriteItem; 2], StoreError> {
        let account = &new.account;
        let is_new = |item: Attributes| {
            let put = Put::builder().table_name(&self.table).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)").build();
            let put = put.map_err(incomplete(IMPORT))?;
            Ok::<_, StoreError>(TransactWriteItem::builder().put(put).build())
        };
        let owner = match unfinished {
            None => is_new(write_account(account))?,
            Some(epoch) => {
                let check = ConditionCheck::builder()
                    .table_name(&self.table)
                    .set_key(Some(Key::account(account.id).attributes()))
                    .condition_expression("#status <> :deleting AND password_epoch = :epoch")
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":deleting", item::text(DELETING))
                    .expression_attribute_values(":epoch", item::number(epoch))
                    .build()
                    .map_err(incomplete(IMPORT))?;
                TransactWriteItem::builder().condition_check(check).build()
            }
        };
        let credential = Credential {
            user_id: account.id,
            password: new.password.clone(),
            password_epoch: unfinished.unwrap_or(account.password_epoch),
        };
        let credential = is_new(write_credential(&account.email, &credential))?;
        Ok([owner, credential])
    }

    /// Returns what is there for each of `accounts`.
    async fn find_imports(&self, accounts: &[&Account]) -> Result<Vec<Found>, StoreError> {
        let mut all = Vec::with_capacity(accounts.len());
        for part in accounts.chunks(Self::IMPORTED_AT_ONCE) {
            let addresses: Vec<_> = part.iter().map(|it| it.email.fingerprint()).collect();
            let credentials = addresses.iter().map(|address| Key::credential(address));
            let keys = credentials.chain(part.iter().map(|account| Key::account(account.id)));
            let there = There::of(&self.get_all(keys, "look for the accounts").await?)?;
            let found = part.iter().zip(&addresses);
            all.extend(found.map(|(account, address)| there.found(account, address)));
        }
        Ok(all)
    }
}

/// The accounts and credentials that are there.
#[derive(Default)]
struct There {
    accounts: HashMap<UserId, Account>,
    /// The owners of credentials, by their partition keys.
    owners: HashMap<String, UserId>,
}

impl There {
    fn of(items: &[Attributes]) -> Result<Self, StoreError> {
        let mut there = Self::default();
        for attributes in items {
            match ItemKind::of(attributes) {
                ItemKind::Credential => {
                    let item = Reader {
                        item: "credential",
                        attributes,
                    };
                    let owner = item.parsed("user_id")?;
                    there.owners.insert(item.parsed(PK)?, owner);
                }
                ItemKind::Account => {
                    if let Some(id) = owner_of(attributes) {
                        there.accounts.insert(id, read_account(id, attributes)?);
                    }
                }
                // Not asked for.
                ItemKind::Session(_)
                | ItemKind::Link(_)
                | ItemKind::Registration
                | ItemKind::Attempts
                | ItemKind::SessionAttempts
                | ItemKind::SourceAttempts
                | ItemKind::Mails
                | ItemKind::Unknown => {}
            }
        }
        Ok(there)
    }

    fn found(&self, account: &Account, address: &str) -> Found {
        let there = self.accounts.get(&account.id);
        match self.owners.get(Key::credential(address).partition_key()) {
            Some(owner) if *owner == account.id => Found::Hindered(Imported::There),
            Some(_) => Found::Hindered(Imported::EmailTaken),
            None => match there {
                None => Found::Nothing,
                Some(there) if there.status == Status::Deleting => {
                    Found::Hindered(Imported::Deleting)
                }
                Some(there) if there.email.canonical() == account.email.canonical() => {
                    Found::Unfinished(there.password_epoch)
                }
                // Its owner has another address by now.
                Some(_) => Found::Hindered(Imported::There),
            },
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for WithoutToken {
    fn name(&self) -> &'static str {
        "WithoutToken"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(input) = context
            .input_mut()
            .downcast_mut::<TransactWriteItemsInput>()
        {
            input.client_request_token = None;
        }
        Ok(())
    }
}

/// Returns whether DynamoDB refused a transaction only because there were too many requests, or others
/// held its items.
fn is_throttled(fault: &SdkError<TransactWriteItemsError>) -> bool {
    /// The codes of a request that is refused as a whole.
    const CODES: [&str; 4] = [
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
    ];
    fault.as_service_error().is_some_and(|refused| {
        refused.conflicts() || refused.code().is_some_and(|code| CODES.contains(&code))
    })
}
