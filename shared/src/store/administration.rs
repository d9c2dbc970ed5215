//! What operators do to accounts: each is one transaction with the events that tell of it.
//!
//! If an administrator does it, the transaction has the condition that its account still is one's:
//! of two administrators who demote each other at once, one remains.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::accounts::{ACTIVE, DELETING, read_account};
use super::bond::Bond;
use super::item::{self, Key};
use super::unchanged::Unchanged;
use super::write::{incomplete, reasons, refuses};
use super::{Store, StoreError, unavailable};
use crate::domain::account::{Account, AccountChange, Status};
use crate::domain::event::Event;

/// The outcome of what an operator does to an account.
#[derive(Debug)]
#[must_use]
pub enum Administered {
    /// It was done. This is the account after it.
    Done(Box<Account>),
    /// The account is no longer as it was read, and nothing was written.
    Stale,
    /// The account is gone or being deleted, and nothing was written.
    Gone,
    /// The operator is no administrator any more, or has another password, and nothing was written.
    ActorGone,
}

/// What is done to an account: the account after it, and the actions, of which the first updates the
/// account, and the second, if it has a condition, its credential.
type Act = (Account, Vec<TransactWriteItem>);

const CHANGE: &str = "change the account";
const SIGN_OUT: &str = "end the sessions of the account";
const DELETE: &str = "delete the account";

impl Store {
    /// The number of tries for an account that changes in the meantime.
    const TRIES_TO_ADMINISTER: usize = 8;

    /// Changes an account, as the administrator `actor` or, if there is none, as whoever may write
    /// the table. To disable an account ends its sessions and voids its links, because its epoch
    /// changes; the items of the sessions may be removed later. With `unchanged`, this is done only
    /// if operators would see the account as in `read`; else it is done to the account as it is by
    /// then. `events` tell of it.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable. Either all of it is
    /// then done or nothing.
    pub async fn administer(
        &self,
        actor: Option<&Account>,
        read: &Account,
        change: &AccountChange,
        unchanged: bool,
        events: &[Event],
    ) -> Result<Administered, StoreError> {
        let act = |found: &Account, bond: Bond| {
            let mut next = change.applied_to(found);
            if change.ends_sessions() {
                next.password_epoch = bond.next_epoch(found);
            }
            let mut sets = vec!["version = :version"];
            let mut update = unchanged_since(found)
                .expression_attribute_values(":version", item::number(next.version));
            if change.status.is_some() {
                sets.push("#status = :status");
                let status = item::text(next.status.name());
                update = update.expression_attribute_values(":status", status);
            }
            if change.roles.is_some() {
                sets.push("#roles = :roles");
                let roles = next.roles.iter().cloned().map(String::from);
                update = update.expression_attribute_values(":roles", item::texts(roles));
            }
            if let Some(name) = &change.first_name {
                sets.push("#first_name = :first_name");
                let name = item::text(name.as_str());
                update = update.expression_attribute_values(":first_name", name);
            }
            if let Some(name) = &change.last_name {
                sets.push("#last_name = :last_name");
                let name = item::text(name.as_str());
                update = update.expression_attribute_values(":last_name", name);
            }
            if change.ends_sessions() {
                sets.push("password_epoch = :epoch");
                let epoch = item::number(next.password_epoch);
                update = update.expression_attribute_values(":epoch", epoch);
            }
            let mut removes = Vec::new();
            match &change.locale {
                None => {}
                Some(None) => removes.push("#locale"),
                Some(Some(locale)) => {
                    sets.push("#locale = :locale");
                    let locale = item::text(locale.as_str());
                    update = update.expression_attribute_values(":locale", locale);
                }
            }
            match change.claims.as_ref().map(|claims| claims.to_json()) {
                None => {}
                Some(None) => removes.push("claims"),
                Some(Some(json)) => {
                    sets.push("claims = :claims");
                    update = update.expression_attribute_values(":claims", item::text(json));
                }
            }
            let removes = match removes.as_slice() {
                [] => String::new(),
                names => format!(" REMOVE {}", names.join(", ")),
            };
            let expression = format!("SET {}{removes}", sets.join(", "));
            let update = update.update_expression(expression);
            let mut actions = vec![self.update(update, CHANGE)?];
            if change.ends_sessions() && bond == Bond::Whole {
                actions.push(self.next_epoch(found, &next, CHANGE)?);
            }
            Ok((next, actions))
        };
        let was_done = |before: &Account, found: &Account| change.was_made(before.version, found);
        self.operate((actor, read), unchanged, events, CHANGE, act, was_done)
            .await
    }

    /// Ends all sessions of an account and voids its links, because its epoch changes; the items of
    /// the sessions may be removed later. With `unchanged`, this is done only if operators would see
    /// the account as in `read`. `events` tell of it.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable. Either all of it is
    /// then done or nothing.
    pub async fn sign_out(
        &self,
        actor: Option<&Account>,
        read: &Account,
        unchanged: bool,
        events: &[Event],
    ) -> Result<Administered, StoreError> {
        let act = |found: &Account, bond: Bond| {
            let next = Account {
                password_epoch: bond.next_epoch(found),
                ..found.clone()
            };
            let update = unchanged_since(found)
                .update_expression("SET password_epoch = :epoch")
                .expression_attribute_values(":epoch", item::number(next.password_epoch));
            let mut actions = vec![self.update(update, SIGN_OUT)?];
            if bond == Bond::Whole {
                actions.push(self.next_epoch(found, &next, SIGN_OUT)?);
            }
            Ok((next, actions))
        };
        // Another epoch may be that of a new password, which spares a session: it is done again.
        let was_done = |_: &Account, _: &Account| false;
        self.operate((actor, read), unchanged, events, SIGN_OUT, act, was_done)
            .await
    }

    /// Begins to delete an account, active or disabled. From then on nobody can log in or refresh,
    /// the directory lists the account no longer, and the address is free.
    /// [`Store::finish_deletion`] does the rest; if nobody calls it, the account's time to live removes
    /// the account. With `unchanged`, this is done only if operators
    /// would see the account as in `read`. `events` tell of it. If the deletion has begun already,
    /// nothing is written, and it counts as done.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable. Either all of it is
    /// then done or nothing.
    pub async fn begin_deletion_by_operator(
        &self,
        actor: Option<&Account>,
        read: &Account,
        unchanged: bool,
        now: u64,
        events: &[Event],
    ) -> Result<Administered, StoreError> {
        let act = |found: &Account, bond: Bond| {
            let next = Account {
                status: Status::Deleting,
                ..found.clone()
            };
            let address = found.email.fingerprint();
            let update = unchanged_since(found)
                .update_expression("SET #status = :deleting, expires_at = :end REMOVE directory")
                .expression_attribute_values(":deleting", item::text(DELETING))
                .expression_attribute_values(":end", item::number(now + Self::DELETION_SECONDS));
            let mut actions = vec![self.update(update, DELETE)?];
            match bond {
                Bond::Whole => actions.push(self.delete_credential(found, DELETE)?),
                Bond::Torn(_) => actions.push(self.delete_own_credential(found)?),
                Bond::Missing | Bond::Lost => {}
            }
            // They are another account's with the address.
            if bond != Bond::Lost {
                actions.push(self.forget_attempts(&address, DELETE)?);
            }
            Ok((next, actions))
        };
        let was_done = |_: &Account, found: &Account| found.status == Status::Deleting;
        self.operate((actor, read), unchanged, events, DELETE, act, was_done)
            .await
    }

    /// Does `act` to the account `read`, if the administrator `actor` still is one. If the account
    /// has changed since it was read, does it to the account as it is by then, or, with `unchanged`,
    /// not at all. `was_done` tells from the accounts before and after whether an earlier try
    /// succeeded whose answer was lost.
    ///
    /// The credential is expected to be the account's. If it is not, `act` is done without it: an
    /// operator can stop an account in whatever state it is.
    async fn operate(
        &self,
        (actor, read): (Option<&Account>, &Account),
        unchanged: bool,
        events: &[Event],
        operation: &'static str,
        act: impl Fn(&Account, Bond) -> Result<Act, StoreError>,
        was_done: impl Fn(&Account, &Account) -> bool,
    ) -> Result<Administered, StoreError> {
        // A transaction has one action for each item.
        let (myself, actor) = match actor {
            Some(actor) if actor.id == read.id => (Some(actor), None),
            actor => (None, actor),
        };
        let (mut current, mut bond) = (read.clone(), Bond::Whole);
        for _ in 0..Self::TRIES_TO_ADMINISTER {
            if current.status == Status::Deleting {
                return Ok(match was_done(&current, &current) {
                    true => Administered::Done(Box::new(current)),
                    false => Administered::Gone,
                });
            }
            if let Some(myself) = myself
                && !(current.is_administrator() && current.password_epoch == myself.password_epoch)
            {
                return Ok(Administered::ActorGone);
            }
            let (next, mut actions) = act(&current, bond)?;
            let acts = actions.len();
            actions.extend(self.still_administrator(actor, operation)?);
            actions.extend(self.event_actions(events)?);
            let Err(fault) = self.transact(actions).await else {
                return Ok(Administered::Done(Box::new(next)));
            };
            let Some(reasons @ [account, ..]) = fault.as_service_error().map(reasons) else {
                return Err(unavailable(operation)(fault));
            };
            if refuses(account) {
                let found = account.item().filter(|item| !item.is_empty());
                let Some(found) = found else {
                    return Ok(Administered::Gone);
                };
                let found = read_account(read.id, found)?;
                if was_done(&current, &found) {
                    // It may be the work of another operator who wanted the same at once. Rows that
                    // are there already are written as they are.
                    self.record(events).await?;
                    return Ok(Administered::Done(Box::new(found)));
                }
                (current, bond) = (found, Bond::Whole);
            }
            if reasons.iter().skip(acts).any(refuses) {
                return Ok(Administered::ActorGone);
            }
            if !refuses(account) {
                let credential = reasons.get(1).filter(|reason| refuses(reason));
                match credential.filter(|_| bond == Bond::Whole) {
                    Some(refused) => bond = Bond::of(&current, refused),
                    // It has changed between two tries.
                    None if credential.is_some() => bond = Bond::Whole,
                    None => return Err(unavailable(operation)(fault)),
                }
                continue;
            }
            if unchanged && current.status != Status::Deleting {
                return Ok(Administered::Stale);
            }
        }
        Ok(Administered::Stale)
    }

    /// Returns the condition that `actor`, if there is one, is an administrator and has the password
    /// with which they were read.
    pub(super) fn still_administrator(
        &self,
        actor: Option<&Account>,
        operation: &'static str,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let Some(actor) = actor else {
            return Ok(None);
        };
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(Key::account(actor.id).attributes()))
            .condition_expression(
                "#status = :active AND contains(#roles, :admin) AND password_epoch = :epoch",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#roles", "roles")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":admin", item::text(Account::ADMINISTRATOR))
            .expression_attribute_values(":epoch", item::number(actor.password_epoch))
            .build()
            .map_err(incomplete(operation))?;
        let check = TransactWriteItem::builder().condition_check(check);
        Ok(Some(check.build()))
    }

    /// Returns the action that gives the credential of an account the epoch of the account `next`.
    fn next_epoch(
        &self,
        found: &Account,
        next: &Account,
        operation: &'static str,
    ) -> Result<TransactWriteItem, StoreError> {
        let address = found.email.fingerprint();
        let update = Update::builder()
            .set_key(Some(Key::credential(&address).attributes()))
            .update_expression("SET password_epoch = :after")
            .condition_expression("password_epoch = :before AND user_id = :user")
            .expression_attribute_values(":before", item::number(found.password_epoch))
            .expression_attribute_values(":after", item::number(next.password_epoch))
            .expression_attribute_values(":user", item::text(found.id.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.update(update, operation)
    }

    /// Returns the action that deletes the credential of an account, whatever its epoch.
    fn delete_own_credential(&self, found: &Account) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(
                Key::credential(&found.email.fingerprint()).attributes(),
            ))
            .condition_expression("user_id = :user")
            .expression_attribute_values(":user", item::text(found.id.to_string()))
            .build()
            .map_err(incomplete(DELETE))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn update(
        &self,
        update: UpdateBuilder,
        operation: &'static str,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = update.table_name(&self.table).build();
        let update = update.map_err(incomplete(operation))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// Returns an update of the account `found` on the condition that operators would still see it as it
/// is there. If it does not hold, the answer has the account.
fn unchanged_since(found: &Account) -> UpdateBuilder {
    let unchanged = Unchanged::to_operators_since(found);
    Update::builder()
        .set_key(Some(Key::account(found.id).attributes()))
        .condition_expression(format!("attribute_exists(pk){}", unchanged.condition))
        .set_expression_attribute_names(Some(unchanged.names))
        .set_expression_attribute_values(Some(unchanged.values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}
