//! Sessions.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::accounts::read_account;
use super::item::{self, ACCOUNT, Attributes, ItemKind, Key, Reader, SESSION, SK, Writer};
use super::write::{carried_out, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{Device, RefreshToken, Session};

/// The outcome of rotating a session.
#[derive(Debug)]
#[must_use]
pub enum Rotated {
    /// The session was rotated.
    Done,
    /// The session has changed since it was read, and nothing was written. This is the session as
    /// it is now, if it exists.
    Refused(Option<Box<Session>>),
}

/// The outcome of ending a session by its refresh token.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    /// The session has ended.
    Done,
    /// The token is not the session's current one, and nothing was written. This is the session, if
    /// it exists.
    Refused(Option<Box<Session>>),
}

/// A page of an account's sessions.
#[derive(Debug)]
pub struct SessionPage {
    /// The account itself, if it exists.
    pub account: Option<Account>,
    /// The sessions, latest first. Ended ones that are not removed yet are among them.
    pub sessions: Vec<Session>,
    /// The last session of this page, if others may follow.
    pub last: Option<SessionId>,
}

impl Store {
    /// Stores a new session. Its refresh token is stored only as a hash.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. The session may then exist, but nobody has its
    /// token.
    pub async fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let item = Writer::new(Key::session(session.user_id, session.id))
            .octets("refresh_hash", &session.refresh_hash)
            .number("counter", session.counter)
            .octets("nonce", &session.nonce)
            .number("rotated_at", session.rotated_at)
            .number("password_epoch", session.password_epoch)
            .number("created_at", session.created_at)
            .number("last_used_at", session.last_used_at)
            .number("expires_at", session.expires_at)
            .text("ip", &session.device.ip)
            .text("user_agent", &session.device.user_agent)
            .finish();
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item));
        request
            .send()
            .await
            .map_err(unavailable("store the session"))?;
        Ok(())
    }

    /// Returns the session that a refresh token claims and its account, read strongly consistent in
    /// one request.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn session_and_account(
        &self,
        token: &RefreshToken,
    ) -> Result<(Option<Session>, Option<Account>), StoreError> {
        const OPERATION: &str = "read the session and its account";
        let user = token.user_id();
        let keys = [Key::session(user, token.session_id()), Key::account(user)];
        let (mut session, mut account) = (None, None);
        for item in self.get_all(keys, OPERATION).await? {
            match ItemKind::of(&item) {
                ItemKind::Session(_) => session = Some(read_session(user, &item)?),
                ItemKind::Account => account = Some(read_account(user, &item)?),
                // Not asked for.
                ItemKind::Credential
                | ItemKind::Attempts
                | ItemKind::SourceAttempts
                | ItemKind::Unknown => {}
            }
        }
        Ok((session, account))
    }

    /// Replaces `current` with `next` if the session is unchanged and live. If one token is rotated
    /// several times at once, only one rotation succeeds.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable. The rotation may
    /// then be made or not; presenting the token again tells which.
    pub async fn rotate_session(
        &self,
        current: &Session,
        next: &Session,
        began_after: u64,
    ) -> Result<Rotated, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::session(current.user_id, current.id).attributes()))
            .update_expression(
                "SET refresh_hash = :next, #counter = :counter, rotated_at = :now, \
                 last_used_at = :now, expires_at = :end",
            )
            .condition_expression(
                "refresh_hash = :current AND #counter = :before AND expires_at > :now \
                 AND created_at > :began_after",
            )
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":next", item::octets(&next.refresh_hash))
            .expression_attribute_values(":counter", item::number(next.counter))
            .expression_attribute_values(":now", item::number(next.rotated_at))
            .expression_attribute_values(":end", item::number(next.expires_at))
            .expression_attribute_values(":current", item::octets(&current.refresh_hash))
            .expression_attribute_values(":before", item::number(current.counter))
            .expression_attribute_values(":began_after", item::number(began_after))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let fault = match retry_conflicts(|| request.clone().send()).await {
            Ok(_) => return Ok(Rotated::Done),
            Err(fault) => fault,
        };
        match fault.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                let found = refused.item.as_ref();
                let found = found
                    .map(|item| read_session(current.user_id, item))
                    .transpose()?;
                Ok(Rotated::Refused(found.map(Box::new)))
            }
            _ => Err(unavailable("rotate the session")(fault)),
        }
    }

    /// Ends the session whose current refresh token is `token`. If the session has another current
    /// token, returns the session unchanged.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn end_session_of(&self, token: &RefreshToken) -> Result<Ended, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(
                Key::session(token.user_id(), token.session_id()).attributes(),
            ))
            .condition_expression("refresh_hash = :hash AND #counter = :counter")
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":hash", item::octets(&token.hash()))
            .expression_attribute_values(":counter", item::number(token.counter()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let fault = match retry_conflicts(|| request.clone().send()).await {
            Ok(_) => return Ok(Ended::Done),
            Err(fault) => fault,
        };
        match fault.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(refused)) => {
                let found = refused.item.as_ref();
                let found = found
                    .map(|item| read_session(token.user_id(), item))
                    .transpose()?;
                Ok(Ended::Refused(found.map(Box::new)))
            }
            _ => Err(unavailable("end the session")(fault)),
        }
    }

    /// Ends a session, and returns whether it existed and was live at `now`.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: u64,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::session(user, session).attributes()))
            .condition_expression("expires_at > :now")
            .expression_attribute_values(":now", item::number(now));
        let answer = retry_conflicts(|| request.clone().send()).await;
        Ok(carried_out(answer, "end the session")?.is_some())
    }

    /// Returns a page of at most `most` of an account's sessions, those after `after`, and the
    /// account. This takes one request for the last page, since the account follows its sessions,
    /// and two for any other.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn sessions(
        &self,
        user: UserId,
        after: Option<SessionId>,
        most: i32,
    ) -> Result<SessionPage, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            // The latest session comes first, and the account last. Items of other kinds lie
            // between them or outside the range.
            .key_condition_expression("pk = :pk AND sk BETWEEN :account AND :end")
            .expression_attribute_values(":pk", item::text(Key::partition(user)))
            .expression_attribute_values(":account", item::text(ACCOUNT))
            .expression_attribute_values(":end", item::text(format!("{SESSION}~")))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(most)
            .set_exclusive_start_key(after.map(|after| Key::session(user, after).attributes()))
            .send()
            .await
            .map_err(unavailable("list the sessions"))?;
        let mut page = SessionPage {
            account: None,
            sessions: Vec::new(),
            last: None,
        };
        for item in answer.items.as_deref().unwrap_or_default() {
            match ItemKind::of(item) {
                ItemKind::Session(_) => page.sessions.push(read_session(user, item)?),
                ItemKind::Account => page.account = Some(read_account(user, item)?),
                ItemKind::Credential
                | ItemKind::Attempts
                | ItemKind::SourceAttempts
                | ItemKind::Unknown => {}
            }
        }
        page.last = match answer.last_evaluated_key.as_ref() {
            None => None,
            Some(key) => match ItemKind::of(key) {
                ItemKind::Session(id) => Some(id),
                // The page ends among the sessions, at an item that is none.
                ItemKind::Unknown if item::is_among_sessions(key) => {
                    page.sessions.last().map(|session| session.id)
                }
                // All sessions have been read.
                ItemKind::Account
                | ItemKind::Credential
                | ItemKind::Attempts
                | ItemKind::SourceAttempts
                | ItemKind::Unknown => None,
            },
        };
        if page.account.is_none() {
            page.account = self.account(user).await?;
        }
        Ok(page)
    }

    /// Ends all sessions of an account except `except`, however many there are.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer; some sessions may then have ended and others
    /// not.
    pub async fn end_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<(), StoreError> {
        let is_spared = |key: &Attributes| match ItemKind::of(key) {
            ItemKind::Session(id) => except == Some(id),
            // Of these, only a session whose id cannot be read has this prefix.
            ItemKind::Account
            | ItemKind::Credential
            | ItemKind::Attempts
            | ItemKind::SourceAttempts
            | ItemKind::Unknown => false,
        };
        self.delete_of_partition(user, Some(SESSION), is_spared, "end the sessions")
            .await
    }
}

fn read_session(user_id: UserId, attributes: &Attributes) -> Result<Session, StoreError> {
    let item = Reader {
        item: "session",
        attributes,
    };
    let ItemKind::Session(id) = ItemKind::of(attributes) else {
        return Err(item.corrupt(SK));
    };
    let text = |text: &str| Ok::<_, ()>(text.to_owned());
    Ok(Session {
        user_id,
        id,
        refresh_hash: item.octets("refresh_hash")?,
        counter: item.number("counter")?,
        nonce: item.octets("nonce")?,
        rotated_at: item.number("rotated_at")?,
        password_epoch: item.number("password_epoch")?,
        created_at: item.number("created_at")?,
        last_used_at: item.number("last_used_at")?,
        expires_at: item.number("expires_at")?,
        device: Device {
            ip: item.text("ip", text)?,
            user_agent: item.text("user_agent", text)?,
        },
    })
}
