//! Sessions.

use aws_sdk_dynamodb::types::builders::DeleteBuilder;
use aws_sdk_dynamodb::types::{Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem};

use super::accounts::read_account;
use super::item::{self, ACCOUNT, Attributes, ItemKind, Key, Reader, SESSION, SK, Writer};
use super::write::{LostAnswers, incomplete, reasons, refuses, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{Count, Device, NetworkName, RefreshToken, Repeats, Session};
use crate::observe::logging::chain;

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

/// The outcome of deleting a session on a condition.
enum Deletion {
    /// The session is deleted.
    Done,
    /// The condition does not hold for this item, or there is none.
    Refused(Option<Attributes>),
}

/// A page of an account's sessions.
#[derive(Debug)]
pub struct SessionPage {
    /// The account itself, if it is in this page: it follows the last session.
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
            .octets("network", session.network.as_bytes())
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

    /// Returns a session and its account, read strongly consistent in one request. It is no
    /// snapshot: a write of both may lie between the two.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn session_and_account(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<(Option<Session>, Option<Account>), StoreError> {
        const OPERATION: &str = "read the session and its account";
        let keys = [Key::session(user, session), Key::account(user)];
        let (mut session, mut account) = (None, None);
        for item in self.get_all(keys, OPERATION).await? {
            match ItemKind::of(&item) {
                ItemKind::Session(_) => session = Some(read_session(user, &item)?),
                ItemKind::Account => account = Some(read_account(user, &item)?),
                // Not asked for.
                ItemKind::Credential
                | ItemKind::Link(_)
                | ItemKind::Registration
                | ItemKind::Attempts
                | ItemKind::SessionAttempts
                | ItemKind::SourceAttempts
                | ItemKind::Mails
                | ItemKind::Unknown => {}
            }
        }
        Ok((session, account))
    }

    /// Ends the session whose current refresh token is `token`, and stores `events` with it. If the
    /// session has another current token, returns the session unchanged.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn end_session_of(
        &self,
        token: &RefreshToken,
        events: &[Event],
    ) -> Result<Ended, StoreError> {
        let delete = self
            .delete_session(token.user_id(), token.session_id())
            .condition_expression("refresh_hash = :hash AND #counter = :counter")
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":hash", item::octets(&token.hash()))
            .expression_attribute_values(":counter", item::number(token.counter()));
        match self.delete_if(delete, events).await? {
            Deletion::Done => Ok(Ended::Done),
            Deletion::Refused(found) => {
                let found = found.map(|item| read_session(token.user_id(), &item));
                Ok(Ended::Refused(found.transpose()?.map(Box::new)))
            }
        }
    }

    /// Ends a session, and returns whether it existed and was live at `now`. Only then `events` are
    /// stored, with the end.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: u64,
        events: &[Event],
    ) -> Result<bool, StoreError> {
        let delete = self
            .delete_session(user, session)
            .condition_expression("expires_at > :now")
            .expression_attribute_values(":now", item::number(now));
        let deletion = self.delete_if(delete, events).await?;
        Ok(matches!(deletion, Deletion::Done))
    }

    /// Ends a session that was read, and returns whether it still existed. Does nothing if its token
    /// has been replaced by a change of the password since it was read. Only if it ends the session,
    /// `events` are stored, with the end.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn end_session_as_read(
        &self,
        session: &Session,
        events: &[Event],
    ) -> Result<bool, StoreError> {
        let delete = self
            .delete_session(session.user_id, session.id)
            .condition_expression("nonce = :nonce")
            .expression_attribute_values(":nonce", item::octets(&session.nonce));
        let deletion = self.delete_if(delete, events).await?;
        Ok(matches!(deletion, Deletion::Done))
    }

    fn delete_session(&self, user: UserId, session: SessionId) -> DeleteBuilder {
        Delete::builder()
            .table_name(&self.table)
            .set_key(Some(Key::session(user, session).attributes()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Deletes a session if the condition of `delete` holds, and stores `events` with it. If the
    /// answer to a try was lost and the next try finds no item, the session counts as deleted by the
    /// first. (If something else deleted it, it has ended as well.)
    async fn delete_if(
        &self,
        delete: DeleteBuilder,
        events: &[Event],
    ) -> Result<Deletion, StoreError> {
        const OPERATION: &str = "end the session";
        let delete = delete.build().map_err(incomplete(OPERATION))?;
        let mut actions = vec![TransactWriteItem::builder().delete(delete).build()];
        actions.extend(self.event_actions(events)?);
        let request = self.client.transact_write_items();
        let request = request.set_transact_items(Some(actions));
        let lost = LostAnswers::default();
        let send = || request.clone().customize().interceptor(lost.clone()).send();
        let fault = match retry_conflicts(send).await {
            Ok(_) => return Ok(Deletion::Done),
            Err(fault) => fault,
        };
        match fault.as_service_error().map(reasons) {
            Some([session, ..]) if refuses(session) => {
                match session.item().filter(|item| !item.is_empty()) {
                    None if lost.any() => Ok(Deletion::Done),
                    found => Ok(Deletion::Refused(found.cloned())),
                }
            }
            _ => Err(unavailable(OPERATION)(fault)),
        }
    }

    /// Returns a page of at most `most` of an account's sessions, those after `after`, and the
    /// account if the page reaches it.
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
                | ItemKind::Link(_)
                | ItemKind::Registration
                | ItemKind::Attempts
                | ItemKind::SessionAttempts
                | ItemKind::SourceAttempts
                | ItemKind::Mails
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
                | ItemKind::Link(_)
                | ItemKind::Registration
                | ItemKind::Attempts
                | ItemKind::SessionAttempts
                | ItemKind::SourceAttempts
                | ItemKind::Mails
                | ItemKind::Unknown => None,
            },
        };
        Ok(page)
    }

    /// Removes the items of all sessions of an account except `except`, which have ended because the
    /// account's epoch has changed. If this fails, their time to live removes them.
    pub async fn remove_ended_sessions(&self, user: UserId, except: Option<SessionId>) {
        if let Err(error) = self.end_sessions(user, except).await {
            tracing::warn!(
                error = chain(&error),
                "the items of ended sessions were not removed"
            );
        }
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
            | ItemKind::Link(_)
            | ItemKind::Registration
            | ItemKind::Attempts
            | ItemKind::SessionAttempts
            | ItemKind::SourceAttempts
            | ItemKind::Mails
            | ItemKind::Unknown => false,
        };
        self.delete_of_partition(user, Some(SESSION), is_spared, "end the sessions")
            .await
    }
}

pub(super) fn read_session(
    user_id: UserId,
    attributes: &Attributes,
) -> Result<Session, StoreError> {
    let item = Reader {
        item: "session",
        attributes,
    };
    let ItemKind::Session(id) = ItemKind::of(attributes) else {
        return Err(item.corrupt(SK));
    };
    let text = |text: &str| Ok::<_, ()>(text.to_owned());
    let count = |[number, counter, last]: [u64; 3]| Count {
        number,
        counter,
        last,
    };
    let created_at = item.number("created_at")?;
    Ok(Session {
        user_id,
        id,
        refresh_hash: item.octets("refresh_hash")?,
        counter: item.number("counter")?,
        nonce: item.octets("nonce")?,
        rotated_at: item.number("rotated_at")?,
        network: match item.optional_octets("network")? {
            None => NetworkName::UNKNOWN,
            Some(octets) => NetworkName::from_bytes(octets),
        },
        repeats: match item.optional_numbers("repeats")? {
            None => Repeats::default(),
            Some([since, a, b, c, d, e, f]) => Repeats {
                since,
                same: count([a, b, c]),
                other: count([d, e, f]),
            },
        },
        password_epoch: item.number("password_epoch")?,
        created_at,
        // Only stored once the owner gives the password again.
        authenticated_at: item
            .optional_number("authenticated_at")?
            .unwrap_or(created_at),
        last_used_at: item.number("last_used_at")?,
        expires_at: item.number("expires_at")?,
        device: Device {
            ip: item.text("ip", text)?,
            user_agent: item.text("user_agent", text)?,
        },
    })
}
