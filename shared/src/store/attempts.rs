//! Counters of attempts. Each attempt is reserved by one conditional write before its outcome is
//! disclosed, so parallel guesses never get more tries than the limit.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    Delete, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::credentials::{Credential, read_credential};
use super::item::{self, Attributes, ItemKind, Key, Reader, Writer};
use super::sessions::read_session;
use super::write::{carried_out, incomplete, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::Session;
use crate::domain::throttle::{AttemptKey, AttemptPolicy, Attempts, LastLogin, Strangers, Wait};
use crate::platform::random;

/// The attempts at a place as they were read, and a stamp that tells whether they have changed.
#[derive(Debug, Clone, Default)]
pub struct VersionedAttempts {
    /// The attempts that were read.
    pub attempts: Attempts,
    stamp: Option<[u8; 16]>,
}

/// The records of an address and a source that are read before a password is tried.
#[derive(Debug, Default)]
pub struct LoginRecords {
    /// The credential of the address, if it has an account.
    pub credential: Option<Credential>,
    /// The attempts at the address or in the session.
    pub at_place: VersionedAttempts,
    /// The number of attempts that the source has made in this window, at any address.
    /// [`Store::count_source`] decides whether there may be another.
    pub of_source: u64,
}

const COUNT_SOURCE: &str = "count the source's attempts";

/// The outcome of a reservation.
#[derive(Debug)]
#[must_use]
pub enum Reserved {
    /// The attempt is counted, and its outcome may be disclosed.
    Granted(VersionedAttempts),
    /// The attempt has to wait.
    Refused(Wait),
}

impl Store {
    /// The number of tries for a write that concurrent requests overtake. Each of those requests
    /// has reserved an attempt, and a source has at most 20.
    const ATTEMPTS_TO_RESERVE: u32 = 24;

    /// Returns the action that forgets the attempts at an address, from its fingerprint.
    pub(super) fn forget_attempts(
        &self,
        address: &str,
        operation: &'static str,
    ) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(Key::attempts_at(address).attributes()))
            .build()
            .map_err(incomplete(operation))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Reads the records that are needed before a password is tried: the credential of the address,
    /// the attempts at the place, and the number of attempts of the source in this window at any
    /// address. This takes one request, whether there is an account or not. It is strongly
    /// consistent, so a client that has just registered can log in.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn login_records(
        &self,
        key: &AttemptKey,
        now: u64,
    ) -> Result<LoginRecords, StoreError> {
        let items = self.get_all(login_keys(key, now), READ_RECORDS).await?;
        read_records(&items)
    }

    /// As [`Store::login_records`], and the session `session` of `user`, if it exists.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn session_records(
        &self,
        user: UserId,
        session: SessionId,
        key: &AttemptKey,
        now: u64,
    ) -> Result<(LoginRecords, Option<Session>), StoreError> {
        let keys = login_keys(key, now).into_iter();
        let keys = keys.chain([Key::session(user, session)]);
        let items = self.get_all(keys, READ_RECORDS).await?;
        let of_session = |item: &&Attributes| matches!(ItemKind::of(item), ItemKind::Session(_));
        let session = items.iter().find(of_session);
        let session = session.map(|item| read_session(user, item)).transpose()?;
        Ok((read_records(&items)?, session))
    }

    /// Counts one more attempt at a place whose attempts were read as `seen`. `login` is the
    /// account's last login, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn reserve_attempt(
        &self,
        key: &AttemptKey,
        seen: VersionedAttempts,
        policy: &AttemptPolicy,
        (login, now): (Option<&LastLogin>, u64),
    ) -> Result<Reserved, StoreError> {
        let one_more = |attempts: &Attempts| attempts.one_more(key, policy, login, now);
        Ok(match self.change_attempts(key, seen, one_more).await? {
            Some(Ok(written)) => Reserved::Granted(written),
            Some(Err(wait)) => Reserved::Refused(wait),
            // No person makes so many attempts at once.
            None => Reserved::Refused(Wait {
                seconds: 1,
                of_strangers: true,
            }),
        })
    }

    /// Records that the attempt `reserved` was a login.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn reset_attempts(
        &self,
        key: &AttemptKey,
        reserved: &VersionedAttempts,
        now: u64,
    ) -> Result<(), StoreError> {
        let after_login = |attempts: &Attempts| attempts.after_login(key, now).ok_or(());
        // If concurrent requests overtake every try, others are still guessing. Those attempts are
        // their own, and the next login resets this source's.
        let changed = self.change_attempts(key, reserved.clone(), after_login);
        changed.await.map(drop)
    }

    /// Counts one more attempt of a source, at any address, and returns how many it has made in
    /// this window. If it may make no more, returns the number of seconds to wait as the inner
    /// error.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn count_source(
        &self,
        key: &AttemptKey,
        policy: &AttemptPolicy,
        now: u64,
    ) -> Result<Result<u64, u64>, StoreError> {
        let (window, end) = AttemptPolicy::window(now);
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::source(key, window).attributes()))
            .update_expression("SET expires_at = :end ADD made :one")
            .condition_expression("attribute_not_exists(made) OR made < :most")
            .expression_attribute_values(":end", item::number(end))
            .expression_attribute_values(":one", item::number(1))
            .expression_attribute_values(":most", item::number(policy.of_source))
            .return_values(ReturnValue::UpdatedNew);
        match carried_out(request.send().await, COUNT_SOURCE)? {
            Some(answer) => Ok(Ok(made(&answer.attributes.unwrap_or_default())?)),
            None => Ok(Err(end - now)),
        }
    }

    /// Takes back an attempt of a source because it was a login.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn uncount_source(&self, key: &AttemptKey, now: u64) -> Result<(), StoreError> {
        let (window, _) = AttemptPolicy::window(now);
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::source(key, window).attributes()))
            .update_expression("SET made = made - :one")
            .condition_expression("made > :none")
            .expression_attribute_values(":one", item::number(1))
            .expression_attribute_values(":none", item::number(0));
        carried_out(request.send().await, COUNT_SOURCE).map(drop)
    }

    /// Applies `change` to the attempts at an address with optimistic locking: if another request
    /// wrote first, re-reads and retries. Returns the written attempts, or the error of `change`,
    /// or `None` if other requests were faster each time.
    async fn change_attempts<R>(
        &self,
        key: &AttemptKey,
        mut seen: VersionedAttempts,
        change: impl Fn(&Attempts) -> Result<Attempts, R>,
    ) -> Result<Option<Result<VersionedAttempts, R>>, StoreError> {
        for _ in 0..Self::ATTEMPTS_TO_RESERVE {
            let next = match change(&seen.attempts) {
                Ok(next) => next,
                Err(reason) => return Ok(Some(Err(reason))),
            };
            match self.replace_attempts(key, &seen, next).await? {
                Ok(written) => return Ok(Some(Ok(written))),
                Err(found) => seen = found,
            }
        }
        Ok(None)
    }

    /// Replaces `seen` with `next`. The inner error holds the attempts that are stored instead.
    async fn replace_attempts(
        &self,
        key: &AttemptKey,
        seen: &VersionedAttempts,
        next: Attempts,
    ) -> Result<Result<VersionedAttempts, VersionedAttempts>, StoreError> {
        const OPERATION: &str = "count the attempt";
        let stamp = random::octets();
        let item = write_attempts(key, &next, &stamp);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match &seen.stamp {
            None => request.condition_expression("attribute_not_exists(pk)"),
            Some(stamp) => request
                .condition_expression("stamp = :seen")
                .expression_attribute_values(":seen", item::octets(stamp)),
        };
        let written = VersionedAttempts {
            attempts: next,
            stamp: Some(stamp),
        };
        // Registrations and deletions write the same item in a transaction.
        let fault = match retry_conflicts(|| request.clone().send()).await {
            Ok(_) => return Ok(Ok(written)),
            Err(fault) => fault,
        };
        match fault.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let found = refused.item.as_ref();
                let found = found.map_or(Ok(VersionedAttempts::default()), read)?;
                // An earlier try of this very write succeeded, and its answer was lost.
                let ours = found.stamp == Some(stamp);
                Ok(if ours { Ok(written) } else { Err(found) })
            }
            _ => Err(unavailable(OPERATION)(fault)),
        }
    }
}

const READ_RECORDS: &str = "read what was tried";

fn login_keys(key: &AttemptKey, now: u64) -> [Key; 3] {
    let (window, _) = AttemptPolicy::window(now);
    [
        Key::credential(key.address()),
        Key::attempts(key),
        Key::source(key, window),
    ]
}

fn read_records(items: &[Attributes]) -> Result<LoginRecords, StoreError> {
    let mut records = LoginRecords::default();
    for item in items {
        match ItemKind::of(item) {
            ItemKind::Credential => records.credential = Some(read_credential(item)?),
            ItemKind::Attempts | ItemKind::SessionAttempts => records.at_place = read(item)?,
            ItemKind::SourceAttempts => records.of_source = made(item)?,
            // Read by the caller, or not asked for.
            ItemKind::Account
            | ItemKind::Session(_)
            | ItemKind::Link(_)
            | ItemKind::Registration
            | ItemKind::Mails
            | ItemKind::Unknown => {}
        }
    }
    Ok(records)
}

/// Returns the number of attempts in a source's counter.
fn made(attributes: &Attributes) -> Result<u64, StoreError> {
    reader(attributes).number("made")
}

fn reader(attributes: &Attributes) -> Reader<'_> {
    Reader {
        item: "counter",
        attributes,
    }
}

/// Returns the attempts at a place as an item. `stamp` differs for each write.
pub(super) fn write_attempts(key: &AttemptKey, attempts: &Attempts, stamp: &[u8]) -> Attributes {
    let strangers = attempts.strangers();
    Writer::new(Key::attempts(key))
        .texts(
            "sources",
            attempts.sources().iter().map(ToString::to_string),
        )
        .texts(
            "successes",
            attempts.successes().map(|success| success.to_string()),
        )
        .number("strangers_made", strangers.made)
        .number("strangers_last", strangers.last)
        .octets("stamp", stamp)
        .number("expires_at", attempts.expires_at())
        .finish()
}

fn read(attributes: &Attributes) -> Result<VersionedAttempts, StoreError> {
    let item = reader(attributes);
    let made = item.optional_number("strangers_made")?;
    let last = item.optional_number("strangers_last")?;
    let strangers = made.zip(last);
    let strangers = strangers.map(|(made, last)| Strangers { made, last });
    let successes = match item.has("successes") {
        true => item.list("successes")?,
        false => Vec::new(),
    };
    Ok(VersionedAttempts {
        attempts: Attempts::new(item.list("sources")?, successes, strangers),
        stamp: Some(item.octets("stamp")?),
    })
}
