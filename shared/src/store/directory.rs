//! The directory: accounts in the order of their addresses.
//!
//! It is an index of the table with 8 partitions ([decision
//! 35](../../../docs/decisions/0035-a-directory-in-eight-shards.md)). A list reads all of them at
//! once and merges what they return. Since each is ordered by address, the last address of a page is
//! where all of them go on.
//!
//! DynamoDB updates the index a moment after the table, so a list may lack what was written just
//! before.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use super::accounts::parse_status;
use super::item::{self, Attributes, Key, PK, Reader};
use super::{Store, StoreError, unavailable};
use crate::domain::account::{Account, Status};
use crate::domain::email::Email;
use crate::domain::id::{InvalidId, Role, UserId};
use crate::observe::logging::chain;
use crate::platform::config::{ConfigError, Env};

/// The index, and its partition key.
pub(super) const DIRECTORY: &str = "directory";
/// The sort key of the index: the address in its canonical form.
pub(super) const ADDRESS: &str = "address";
/// The number of partitions of the index.
const SHARDS: u8 = 8;

/// The first character that an address can have, in the order of octets. What follows an address
/// begins with the address and this.
const FIRST: char = '!';
/// The first character after those that an address can have.
const BEYOND: char = '\u{7f}';

/// The number of accounts that one request of a whole list returns. All partitions are asked at
/// once, and a slow machine has to answer within the timeout of a request.
const BATCH: usize = 100;

/// An account in the directory.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The identifier.
    pub id: UserId,
    /// The address.
    pub email: Email,
    /// Whether the account may be used.
    pub status: Status,
    /// The time when the account was opened, in seconds since the epoch.
    pub date_joined: u64,
    /// The roles.
    pub roles: Vec<Role>,
    /// The sort key.
    address: String,
}

/// A place in the directory: the last address of a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Position(String);

/// A page of the directory.
#[derive(Debug)]
pub struct Page {
    /// The accounts, by address.
    pub accounts: Vec<Listed>,
    /// Where the next page begins, if others may follow.
    pub next: Option<Position>,
}

/// The directory.
#[derive(Clone)]
pub struct Directory {
    store: Store,
}

/// A list that is being read: all accounts whose addresses begin with a prefix. It holds a part of
/// each partition, never all of it.
pub struct Listing {
    store: Store,
    /// The first and the last address that the list may have.
    from: String,
    to: String,
    /// The number of accounts that a request returns.
    batch: usize,
    /// The number of accounts of a partition below which it is read on, if another has none left.
    reserve: usize,
    shards: Vec<Shard>,
}

/// A partition of the index, and what has been read of it.
struct Shard {
    name: String,
    found: VecDeque<Listed>,
    rest: Rest,
}

/// What has not been read of a partition.
enum Rest {
    All,
    After(Attributes),
    Nothing,
}

/// Returns the partition of the directory that an account is in. The last octet of a UUIDv7 is
/// random.
pub(super) fn shard_of(user: UserId) -> String {
    let last = user.as_bytes().last().copied().unwrap_or_default();
    (last % SHARDS).to_string()
}

impl Store {
    /// Returns the directory of the accounts in this table.
    pub fn directory(&self) -> Directory {
        Directory {
            store: self.clone(),
        }
    }

    /// Returns the account that has an address, if there is one. It is read by keys and not from the
    /// directory, so it is there as soon as it was registered, and without a directory too.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn account_at(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let Some(owner) = self.owner(&email.fingerprint()).await? else {
            return Ok(None);
        };
        let account = self.account(owner).await?;
        // Between the two reads, the account may have got another address.
        Ok(account.filter(|account| account.email.canonical() == email.canonical()))
    }
}

impl Directory {
    /// Reads `DIRECTORY`. Returns `None` if the deployment has no directory.
    ///
    /// # Errors
    ///
    /// Returns an error if the variable is neither `on`, which is its default, nor `off`.
    pub fn from_env(env: &Env<'_>, store: &Store) -> Result<Option<Self>, ConfigError> {
        match env.optional("DIRECTORY").as_deref() {
            None | Some("on") => Ok(Some(store.directory())),
            Some("off") => Ok(None),
            Some(other) => Err(ConfigError::new(format!(
                "DIRECTORY is \"{other}\"; set it to on or off"
            ))),
        }
    }

    /// Returns at most `most` accounts in the order of their addresses: those behind `after` whose
    /// addresses begin with `prefix`, which is text as a person types it
    /// ([`Email::canonical_prefix`]).
    ///
    /// The partitions are read at once, each with a request for a little more than its share. A
    /// partition is read again only if it has none left before the page is full.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn page(
        &self,
        prefix: Option<&str>,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Page, StoreError> {
        // An account is in each partition with the same chance, so a share varies by the square root
        // of 7/64 of the page. With twice that, few pages need a ninth request.
        let share = most.div_ceil(usize::from(SHARDS)) + (most * 7 / 16).isqrt() + 1;
        let mut listing = self.listing(prefix, after, share, 0);
        let mut accounts = Vec::new();
        while accounts.len() < most {
            match listing.next().await? {
                Some(account) => accounts.push(account),
                None => break,
            }
        }
        let last = accounts.last().filter(|_| listing.may_go_on());
        let next = last.map(|last| Position(last.address.clone()));
        Ok(Page { accounts, next })
    }

    /// Starts a list of all accounts whose addresses begin with `prefix`, for one account after the
    /// other. Its memory does not grow with the number of accounts.
    pub fn stream(&self, prefix: Option<&str>) -> Listing {
        self.listing(prefix, None, BATCH, BATCH / 2)
    }

    fn listing(
        &self,
        prefix: Option<&str>,
        after: Option<&Position>,
        batch: usize,
        reserve: usize,
    ) -> Listing {
        let prefix = prefix.map(Email::canonical_prefix).unwrap_or_default();
        let first = match after {
            Some(Position(address)) => format!("{address}{FIRST}"),
            None => FIRST.to_string(),
        };
        let to = format!("{prefix}{BEYOND}");
        // No address is longer, and DynamoDB refuses keys that are much longer.
        let is_possible = prefix.len() <= Email::MAX_LENGTH;
        let from = prefix.max(first);
        let rest = || match is_possible && from <= to {
            true => Rest::All,
            false => Rest::Nothing,
        };
        let shards = (0..SHARDS).map(|shard| Shard {
            name: shard.to_string(),
            found: VecDeque::new(),
            rest: rest(),
        });
        let shards = shards.collect();
        Listing {
            store: self.store.clone(),
            from,
            to,
            batch,
            reserve,
            shards,
        }
    }
}

impl Position {
    /// Returns the last address of the page.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Position {
    type Err = InvalidId;

    /// Takes what can be an address in its canonical form.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_of_address = |octet: u8| octet.is_ascii_graphic() && !octet.is_ascii_uppercase();
        if (1..=Email::MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_of_address) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId)
        }
    }
}

/// Addresses are personal data and stay out of logs.
impl std::fmt::Debug for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Position")
    }
}

impl Listing {
    /// Returns the next account of the list, or `None` at its end.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. The next call tries again, and nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        while self.shards.iter().any(Shard::is_dry) {
            let low = self.shards.iter_mut();
            let low = low.filter(|shard| shard.is_low(self.reserve));
            let (range, batch) = ((self.from.as_str(), self.to.as_str()), self.batch);
            let read = low.map(|shard| shard.read(&self.store, range, batch));
            all(read).await.into_iter().collect::<Result<(), _>>()?;
        }
        let with_some = self.shards.iter_mut();
        let with_some = with_some.filter(|shard| !shard.found.is_empty());
        // Two accounts have one address only while the index catches up.
        let first = with_some.min_by(|one, other| one.place().cmp(&other.place()));
        Ok(first.and_then(|shard| shard.found.pop_front()))
    }

    /// Returns whether accounts may follow.
    fn may_go_on(&self) -> bool {
        let has_more = |shard: &Shard| !shard.found.is_empty() || shard.is_dry();
        self.shards.iter().any(has_more)
    }
}

impl Shard {
    /// Returns whether the partition must be read on before the next account is known.
    fn is_dry(&self) -> bool {
        self.is_low(0)
    }

    /// Returns whether at most `reserve` accounts are left of what was read, and others may follow.
    fn is_low(&self, reserve: usize) -> bool {
        self.found.len() <= reserve && !matches!(self.rest, Rest::Nothing)
    }

    /// Returns the place of the first account in the order of the list.
    fn place(&self) -> Option<(&str, &[u8; 16])> {
        let first = self.found.front()?;
        Some((&first.address, first.id.as_bytes()))
    }

    /// Reads the next accounts of the partition.
    async fn read(
        &mut self,
        store: &Store,
        (from, to): (&str, &str),
        batch: usize,
    ) -> Result<(), StoreError> {
        let request = store
            .client
            .query()
            .table_name(&store.table)
            .index_name(DIRECTORY)
            .key_condition_expression("directory = :shard AND address BETWEEN :from AND :to")
            .expression_attribute_values(":shard", item::text(&self.name))
            .expression_attribute_values(":to", item::text(to))
            .limit(i32::try_from(batch).unwrap_or(i32::MAX));
        let request = match &self.rest {
            Rest::Nothing => return Ok(()),
            Rest::All => request.expression_attribute_values(":from", item::text(from)),
            Rest::After(last) => {
                // The embedded DynamoDB finds the place by the first condition on the address alone.
                let from = last
                    .get(ADDRESS)
                    .cloned()
                    .unwrap_or_else(|| item::text(from));
                let request = request.expression_attribute_values(":from", from);
                request.set_exclusive_start_key(Some(last.clone()))
            }
        };
        let answer = request
            .send()
            .await
            .map_err(unavailable("list the accounts"))?;
        self.rest = match answer.last_evaluated_key {
            Some(last) => Rest::After(last),
            None => Rest::Nothing,
        };
        let found = answer.items.unwrap_or_default();
        self.found.extend(found.iter().filter_map(read_listed));
        Ok(())
    }
}

/// Reads an account of the directory. One that cannot be read is left out with a line in the log, so
/// that others can be listed, and so is one that is being deleted.
fn read_listed(attributes: &Attributes) -> Option<Listed> {
    match parse_listed(attributes) {
        Ok(listed) => (listed.status != Status::Deleting).then_some(listed),
        Err(fault) => {
            let user_id = owner_of(attributes).map(|id| id.to_string());
            tracing::error!(
                user_id,
                cause = chain(&fault),
                "a list lacks an account that is unreadable"
            );
            None
        }
    }
}

fn parse_listed(attributes: &Attributes) -> Result<Listed, StoreError> {
    let item = Reader {
        item: "account",
        attributes,
    };
    Ok(Listed {
        id: owner_of(attributes).ok_or_else(|| item.corrupt(PK))?,
        email: item.email("email", "email_typed")?,
        status: item.text("status", parse_status)?,
        date_joined: item.number("date_joined")?,
        roles: item.list("roles")?,
        address: item.parsed(ADDRESS)?,
    })
}

/// Returns the account whose partition an item is in.
pub(super) fn owner_of(attributes: &Attributes) -> Option<UserId> {
    let pk = attributes.get(PK)?.as_s().ok()?;
    Key::owner_of_partition(pk)
}

/// Polls all futures in the current task, whose log line their requests are counted in.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        match pending.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    let outputs = pending.into_iter().filter_map(|(_, output)| output);
    outputs.collect()
}
