//! Mails and their links: what the function `mailer` does with an event, without the mail.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::{EventId, Link, LinkToken, Purpose};
use shared::platform::clock::Clock;
use shared::store::Store;
use shared::store::links::Minted;

use crate::support::app::{App, env};

/// The parameter with which a deployment sends none.
pub const NO_MAIL: (&str, &str) = ("MailFrom", "");
/// The parameters with which a deployment sends mail.
pub const MAIL: (&str, &str) = ("MailFrom", "accounts@example.com");

impl App {
    /// Starts with mail.
    pub async fn with_mail() -> Self {
        Self::with(&[MAIL]).await
    }

    /// Returns the store of a function of this app.
    pub fn store(&self) -> Store {
        let variables = &self.local.environment["links"];
        let lookup = |name: &str| variables.get(name).cloned();
        Store::from_env(&env(&lookup)).unwrap()
    }

    /// Returns the identifier of an event of this moment.
    pub fn event_now(&self) -> EventId {
        EventId::new(Clock::Manual(self.clock.clone()).millis())
    }

    /// Adds a secret to the link that `event` asked for, to the address of the account, and returns
    /// its token; or `None` if the link was used.
    pub async fn mint_for(&self, user: &str, purpose: Purpose, event: EventId) -> Option<String> {
        let store = self.store();
        let account = store.account(user.parse().unwrap()).await.unwrap().unwrap();
        let link = Link {
            user_id: account.id,
            id: event,
            purpose,
            email: account.email,
            from: None,
            password_epoch: account.password_epoch,
            session_id: None,
            told: false,
            expires_at: event.millis() / 1000 + purpose.seconds(),
            hashes: Vec::new(),
        };
        let token = LinkToken::new(account.id, event);
        match store.mint_link(&link, &token).await.unwrap() {
            Minted::Done => Some(token.expose()),
            Minted::Used => None,
        }
    }

    /// Returns the token of a new link to the address of the account.
    pub async fn mint(&self, user: &str, purpose: Purpose) -> String {
        let event = self.event_now();
        self.mint_for(user, purpose, event).await.unwrap()
    }

    /// Returns all rows of the event table, in the order of their identifiers.
    pub async fn event_rows(&self) -> Vec<BTreeMap<String, AttributeValue>> {
        let table = &self.local.environment["links"]["EVENT_TABLE"];
        let scan = self.dynamodb().scan().table_name(table);
        let items = scan.send().await.unwrap().items.unwrap_or_default();
        let mut rows: Vec<BTreeMap<_, _>> = items
            .into_iter()
            .map(|item| item.into_iter().collect())
            .collect();
        rows.sort_by_key(|row: &BTreeMap<String, AttributeValue>| {
            row["sk"].as_s().unwrap().clone()
        });
        rows
    }

    /// Returns the rows of the event table with this name.
    pub async fn rows_of(&self, event: &str) -> Vec<BTreeMap<String, AttributeValue>> {
        let mut rows = self.event_rows().await;
        rows.retain(|row| row["event"].as_s().unwrap() == event);
        rows
    }
}
