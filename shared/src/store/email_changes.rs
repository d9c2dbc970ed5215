//! Changes of an account's address: the request, and the move of the credential by a link.

use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::accounts::ACTIVE;
use super::attempts::write_attempts;
use super::credentials::{read_credential, write_credential};
use super::directory::shard_of;
use super::item::{self, Key, Writer};
use super::links::is_use;
use super::write::{incomplete, reasons, refuses};
use super::{Credential, Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::id::SessionId;
use crate::domain::link::{Link, LinkRefusal, LinkToken, Purpose};
use crate::domain::throttle::{AttemptKey, Attempts};
use crate::platform::random;

/// The outcome of asking for a change of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Requested {
    /// The change was asked for.
    Done,
    /// The account is not active, or no longer has the address or the password that it was read
    /// with, and nothing was written.
    Gone,
}

/// The outcome of moving an account to a new address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Moved {
    /// The account has the new address. This is the session that goes on.
    Done(Option<SessionId>),
    /// The new address has an account, and nothing was written.
    EmailTaken,
}

/// A move of an account to a new address.
#[derive(Debug)]
pub struct EmailChange<'a> {
    /// The token that was presented.
    pub token: &'a LinkToken,
    /// Its link.
    pub link: &'a Link,
    /// The account, as read.
    pub account: &'a Account,
    /// Its credential, of the epoch of the link.
    pub credential: &'a Credential,
    /// The key and the attempts with which the new address begins.
    pub attempts: (&'a AttemptKey, &'a Attempts),
    /// The current time, in seconds since the epoch.
    pub now: u64,
}

const MOVE: &str = "change the address";

impl Store {
    /// The number of tries to move an account whose items change in the meantime: its hash may be
    /// replaced once, and a session may end.
    const TRIES_TO_MOVE: usize = 4;

    /// Stores that the owner of `account` asked for `link`, which has no secret yet, and `events`,
    /// which make `mailer` send one.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then stored or nothing.
    pub async fn request_email_change(
        &self,
        account: &Account,
        link: &Link,
        events: &[Event],
    ) -> Result<Requested, StoreError> {
        const OPERATION: &str = "store the change of address";
        let from = link.from.as_ref();
        let item = Writer::new(Key::link(link.user_id, link.id))
            .text("purpose", link.purpose.name())
            .text("email", link.email.ascii())
            .optional_text("email_typed", link.email.unicode())
            .optional_text("from", from.map(|from| from.ascii()))
            .optional_text("from_typed", from.and_then(|from| from.unicode()))
            .optional_text("session_id", link.session_id.map(String::from).as_deref())
            .number("password_epoch", link.password_epoch)
            .number("expires_at", link.expires_at)
            .finish();
        let link = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(incomplete(OPERATION))?;
        let owner = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(Key::account(account.id).attributes()))
            .condition_expression("#status = :active AND password_epoch = :epoch AND email = :from")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":epoch", item::number(account.password_epoch))
            .expression_attribute_values(":from", item::text(account.email.ascii()))
            .build()
            .map_err(incomplete(OPERATION))?;
        let mut actions = vec![
            TransactWriteItem::builder().put(link).build(),
            TransactWriteItem::builder().condition_check(owner).build(),
        ];
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(Requested::Done);
        };
        match fault.as_service_error().map(reasons) {
            // No other request has this id: an earlier try succeeded, and its answer was lost.
            Some([link, ..]) if refuses(link) => Ok(Requested::Done),
            Some([_, owner, ..]) if refuses(owner) => Ok(Requested::Gone),
            _ => Err(unavailable(OPERATION)(fault)),
        }
    }

    /// Moves an account to the address of a link, if the account still has the address and the
    /// password with which the link was asked for. The credential goes to the new address with the
    /// next epoch, so all sessions end but the one that asked for the link; their items may be
    /// removed later. The address counts as proven. `events` tell of it. If the link or the account
    /// is not as it was read, nothing is written, and the reason is the inner error.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the credential is unreadable. Either all of
    /// it is then done or nothing.
    pub async fn change_email(
        &self,
        change: &EmailChange<'_>,
        events: &[Event],
    ) -> Result<Result<Moved, LinkRefusal>, StoreError> {
        let EmailChange { link, account, .. } = change;
        let is_current = |found: &Credential| {
            found.user_id == account.id && found.password_epoch == link.password_epoch
        };
        let mut credential = change.credential.clone();
        let mut session = link.session_id;
        let use_id = random::octets();
        for _ in 0..Self::TRIES_TO_MOVE {
            let actions = self.moving(change, &credential, session, &use_id)?;
            let conditions = actions.len();
            let actions = actions.into_iter().chain(self.event_actions(events)?);
            let Err(fault) = self.transact(actions.collect()).await else {
                return Ok(Ok(Moved::Done(session)));
            };
            let Some([used, old, new, owner, rest @ ..]) = fault.as_service_error().map(reasons)
            else {
                return Err(unavailable(MOVE)(fault));
            };
            if refuses(used) && is_use(used.item(), &use_id) {
                // An earlier try succeeded, and its answer was lost.
                return Ok(Ok(Moved::Done(session)));
            }
            if refuses(used) {
                return Ok(Err(LinkRefusal::Used));
            }
            if refuses(owner) {
                return Ok(Err(LinkRefusal::AccountChanged));
            }
            if refuses(old) {
                // A login may have replaced the hash by another one of the same password.
                match old.item().map(read_credential).transpose()? {
                    Some(found) if is_current(&found) => credential = found,
                    _ => return Ok(Err(LinkRefusal::AccountChanged)),
                }
            } else if refuses(new) {
                return Ok(Ok(Moved::EmailTaken));
            } else if conditions > Self::MOVED && rest.iter().any(refuses) {
                // The session has ended.
                session = None;
            } else {
                return Err(unavailable(MOVE)(fault));
            }
        }
        // Nothing changes so often.
        Ok(Err(LinkRefusal::AccountChanged))
    }

    /// The number of actions of [`Store::moving`] without a session.
    const MOVED: usize = 6;

    /// Returns the actions of a move: link, old and new credential, account, the attempts at both
    /// addresses, and the session that goes on.
    fn moving(
        &self,
        change: &EmailChange<'_>,
        credential: &Credential,
        session: Option<SessionId>,
        use_id: &[u8; 16],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let EmailChange {
            token,
            link,
            account,
            attempts: (key, attempts),
            now,
            ..
        } = change;
        let from = account.email.fingerprint();
        let before = item::number(link.password_epoch);
        let epoch = link.password_epoch.saturating_add(1);
        let after = item::number(epoch);
        let old = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(Key::credential(&from).attributes()))
            .condition_expression(
                "password = :hash AND user_id = :user AND password_epoch = :before",
            )
            .expression_attribute_values(":hash", item::text(credential.password.to_text()))
            .expression_attribute_values(":user", item::text(account.id.to_string()))
            .expression_attribute_values(":before", before.clone())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete(MOVE))?;
        let moved = Credential {
            password_epoch: epoch,
            ..credential.clone()
        };
        let new = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write_credential(&link.email, &moved)))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(incomplete(MOVE))?;
        let owner = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::account(account.id).attributes()))
            .condition_expression(
                "#status = :active AND email = :from AND password_epoch = :before",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", item::text(ACTIVE))
            .expression_attribute_values(":from", item::text(account.email.ascii()))
            .expression_attribute_values(":before", before.clone())
            .expression_attribute_values(":after", after.clone())
            .expression_attribute_values(":email", item::text(link.email.ascii()))
            .expression_attribute_values(":shard", item::text(shard_of(account.id)))
            .expression_attribute_values(":address", item::text(link.email.canonical()))
            .expression_attribute_values(":proven", item::boolean(true))
            .expression_attribute_values(":one", item::number(1));
        let sets = "SET email = :email, directory = :shard, address = :address, \
                    email_verified = :proven, version = version + :one, password_epoch = :after";
        // Mails to the new address have not come back.
        let owner = match link.email.unicode() {
            Some(typed) => owner
                .update_expression(format!("{sets}, email_typed = :typed REMOVE email_state"))
                .expression_attribute_values(":typed", item::text(typed)),
            None => owner.update_expression(format!("{sets} REMOVE email_typed, email_state")),
        };
        let owner = owner.build().map_err(incomplete(MOVE))?;
        let old_attempts = self.forget_attempts(&from, MOVE)?;
        let new_attempts = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write_attempts(key, attempts, &random::octets::<16>())))
            .build()
            .map_err(incomplete(MOVE))?;
        let mut actions = vec![
            self.use_link(token, Purpose::EmailChange, use_id, *now)?,
            TransactWriteItem::builder().delete(old).build(),
            TransactWriteItem::builder().put(new).build(),
            TransactWriteItem::builder().update(owner).build(),
            old_attempts,
            TransactWriteItem::builder().put(new_attempts).build(),
        ];
        if let Some(session) = session {
            let goes_on = Update::builder()
                .table_name(&self.table)
                .set_key(Some(Key::session(account.id, session).attributes()))
                .update_expression("SET password_epoch = :after")
                .condition_expression("password_epoch = :before AND expires_at > :now")
                .expression_attribute_values(":before", before)
                .expression_attribute_values(":after", after)
                .expression_attribute_values(":now", item::number(*now))
                .build()
                .map_err(incomplete(MOVE))?;
            actions.push(TransactWriteItem::builder().update(goes_on).build());
        }
        Ok(actions)
    }
}
