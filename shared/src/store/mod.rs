//! The table. No other layer knows DynamoDB.
//!
//! Each operation is one method, and the database decides (uniqueness, versions) in one conditional
//! write. A refusal that the rules foresee is a value; only a fault is an error.

pub mod account_scan;
pub mod accounts;
pub mod administration;
pub mod attempts;
mod bond;
pub mod credentials;
pub mod deletion;
pub mod directory;
pub mod email_changes;
pub mod event_log;
pub mod events;
pub mod exports;
pub mod imports;
pub mod invitations;
mod item;
mod link_uses;
pub mod links;
pub mod mails;
pub mod new_passwords;
pub mod password_scan;
pub mod recipients;
pub mod refreshes;
pub mod registrations;
pub mod sessions;
pub mod stream;
mod unchanged;
mod values;
mod write;

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use tokio::task::JoinSet;

use crate::aws::{self, Stopwatch};
use crate::observe::logging::chain;
use crate::observe::request_log::{longest, one_more, record};
use crate::platform::config::{ConfigError, Env};
use events::EventTable;
use item::{Attributes, Key};
use write::unprocessed;

pub use accounts::{Changed, Created};
pub use administration::Administered;
pub use credentials::{Credential, OwnerWrite};
pub use directory::{Directory, Listed, Position};
pub use events::{EventPage, EventReader};
pub use invitations::Invited;
pub use new_passwords::PasswordSet;

/// The tables and the client that accesses them.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: String,
    events: EventTable,
}

/// A failed operation of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not answer, or answered with a fault.
    #[error("DynamoDB did not {operation}")]
    Unavailable {
        /// The operation, in words.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A stored item cannot be read.
    #[error("a stored {item} is unreadable: its attribute \"{attribute}\" is missing or malformed")]
    Corrupt {
        /// The kind of item.
        item: &'static str,
        /// The name of the attribute. Its value is never logged.
        attribute: &'static str,
    },
}

/// Returns a client of DynamoDB, also for a function with a table of its own. The log line of a
/// request has the number and the time of the client's requests.
///
/// Reads `AWS_ENDPOINT_URL_DYNAMODB` if DynamoDB is not AWS's own, and the settings of
/// [`aws::config`].
///
/// # Errors
///
/// Returns an error if a required setting is missing.
pub fn client(env: &Env<'_>) -> Result<Client, ConfigError> {
    let config = aws::config(env, "AWS_ENDPOINT_URL_DYNAMODB")?;
    let stopwatch = Stopwatch::adding(|log, took| {
        one_more(&mut log.store_requests);
        longest(&mut log.store_ms, took);
    });
    let config = Builder::from(&config).interceptor(stopwatch).build();
    Ok(Client::from_conf(config))
}

impl Store {
    /// Reads `TABLE_NAME`, `EVENT_TABLE`, `EVENTS`, `EVENT_DAYS` and `MAIL_FROM`, and the settings of
    /// [`client`].
    ///
    /// # Errors
    ///
    /// Returns an error if a required setting is missing.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Self::with_client(client(env)?, env)
    }

    /// Reads the same settings, without those of a client: an operator's program has its own, whose
    /// credentials and times are not those of a function.
    ///
    /// # Errors
    ///
    /// Returns an error if a required setting is missing.
    pub fn with_client(client: Client, env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            client,
            table: env.required("TABLE_NAME", "the name of the DynamoDB table")?,
            events: EventTable::from_env(env)?,
        })
    }

    /// Opens `connections` connections to DynamoDB ahead of the first request, as many as one
    /// request uses at once, by reading an item that never exists. Each read costs half a read
    /// unit. In a small function a handshake takes hundreds of milliseconds, but far less before
    /// the first event, when Lambda gives the function more processor time. If this fails, requests
    /// try again.
    pub async fn warm_up(&self, connections: usize) {
        let mut asked = JoinSet::new();
        (0..connections).for_each(|_| self.reach(&mut asked));
        while let Some(answer) = asked.join_next().await {
            if let Ok(Err(fault)) = answer {
                tracing::warn!(cause = chain(&fault), "DynamoDB cannot be reached yet");
                // The other connections would fail in the same way.
                return;
            }
        }
    }

    /// Returns those of the items `keys` that exist, in any order, read strongly consistent in one
    /// request.
    async fn get_all(
        &self,
        keys: impl IntoIterator<Item = Key>,
        operation: &'static str,
    ) -> Result<Vec<Attributes>, StoreError> {
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.into_iter().map(Key::attributes).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| StoreError::Unavailable {
                operation,
                source: error.into(),
            })?;
        let mut wanted = Some(HashMap::from([(self.table.clone(), wanted)]));
        let mut found = Vec::new();
        for attempt in 0.. {
            let request = self.client.batch_get_item().set_request_items(wanted);
            let answer = request.send().await.map_err(unavailable(operation))?;
            let tables = answer.responses.unwrap_or_default();
            found.extend(tables.into_values().flatten());
            wanted = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
            if wanted.is_none() {
                break;
            }
            unprocessed(attempt, operation).await?;
        }
        Ok(found)
    }

    /// Returns these attributes of an item, if it exists, read strongly consistent. A role that may
    /// read no others can read so.
    async fn get_some(
        &self,
        key: Key,
        attributes: &[&str],
        operation: &'static str,
    ) -> Result<Option<Attributes>, StoreError> {
        let mut request = self.client.get_item().table_name(&self.table);
        let mut places = Vec::with_capacity(attributes.len());
        for (n, attribute) in attributes.iter().enumerate() {
            let place = format!("#a{n}");
            // Some names are words of DynamoDB's language.
            request = request.expression_attribute_names(&place, *attribute);
            places.push(place);
        }
        let request = request
            .set_key(Some(key.attributes()))
            .projection_expression(places.join(", "))
            .consistent_read(true);
        let answer = request.send().await;
        Ok(answer.map_err(unavailable(operation))?.item)
    }

    fn reach(&self, asked: &mut JoinSet<Result<(), StoreError>>) {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.set_key(Some(Key::nothing().attributes()));
        asked.spawn(async {
            let answer = request.send().await;
            answer.map(drop).map_err(unavailable("answer at the start"))
        });
    }
}

/// Returns a function that makes a [`StoreError`] of a fault in `operation`.
fn unavailable<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> StoreError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |fault| {
        record(|log| one_more(&mut log.store_faults));
        StoreError::Unavailable {
            operation,
            source: aws::cause(fault),
        }
    }
}
