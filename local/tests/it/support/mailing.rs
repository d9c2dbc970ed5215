//! What the function `mailer` does with the events that ask for links, without the mail.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use local::dynamodb;
use shared::domain::{Email, EventId, Link, LinkToken, Purpose};
use shared::platform::clock::Clock;
use shared::store::Store;
use shared::store::links::Minted;

use crate::support::app::{App, env};

type Item = BTreeMap<String, AttributeValue>;

impl App {
    /// Starts with mail, and with these parameters of the template.
    pub async fn mailing(parameters: &[(&str, &str)]) -> Self {
        let from = ("MailFrom", "accounts@example.com");
        Self::with(&[&[from], parameters].concat()).await
    }

    /// Mints a link for the latest event that asked for this mail, and returns its token; or `None`
    /// if the link was used.
    pub async fn mailed(&self, mail: &str) -> Option<String> {
        let row = self.asking(mail).await.pop();
        self.mint_for_row(&row.unwrap_or_else(|| panic!("nothing asks for {mail}")))
            .await
    }

    /// Mints a link for each event that asked for this mail, in their order.
    pub async fn all_mailed(&self, mail: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        for row in self.asking(mail).await {
            tokens.extend(self.mint_for_row(&row).await);
        }
        tokens
    }

    /// Returns the rows of the event table that ask for this mail, in their order.
    pub async fn asking(&self, mail: &str) -> Vec<Item> {
        let mail = AttributeValue::S(mail.to_owned());
        let mut rows = self.rows().await;
        rows.retain(|row| row.get("mail") == Some(&mail));
        rows
    }

    /// Returns all rows of the event table, in the order of their identifiers.
    pub async fn rows(&self) -> Vec<Item> {
        let table = &self.local.environment["links"]["EVENT_TABLE"];
        let scan = self.dynamodb().scan().table_name(table);
        let items = scan.send().await.unwrap().items.unwrap_or_default();
        let mut rows: Vec<Item> = items
            .into_iter()
            .map(|item| item.into_iter().collect())
            .collect();
        rows.sort_by_key(|row| row["sk"].as_s().unwrap().clone());
        rows
    }

    async fn mint_for_row(&self, row: &Item) -> Option<String> {
        let text = |name: &str| row[name].as_s().unwrap().clone();
        let id: EventId = text("sk").parse().unwrap();
        let user = match (row.get("pending"), text("pk").strip_prefix("USER#")) {
            (Some(pending), _) => pending.as_s().unwrap().clone(),
            (None, Some(user)) => user.to_owned(),
            (None, None) => {
                let owner = self.item(&text("pk"), "CREDENTIAL").await?;
                owner["user_id"].as_s().unwrap().clone()
            }
        };
        let (purpose, of_link) = match text("mail").as_str() {
            "registration" => (Purpose::Registration, "REGISTRATION".to_owned()),
            "email_change" => (Purpose::EmailChange, format!("TOKEN#{id}")),
            "email_verification" => (Purpose::EmailVerification, "ACCOUNT".to_owned()),
            "password_reset" => (Purpose::PasswordReset, "ACCOUNT".to_owned()),
            "invitation" => (Purpose::Invitation, "ACCOUNT".to_owned()),
            other => panic!("a link by {other}"),
        };
        let partition = match purpose {
            Purpose::Registration => format!("PENDING#{user}"),
            _ => format!("USER#{user}"),
        };
        let item = self.item(&partition, &of_link).await?;
        let email = |name: &str| {
            let typed = item.get(&format!("{name}_typed"));
            let typed = typed.map(|typed| typed.as_s().unwrap().clone());
            Email::stored(item.get(name)?.as_s().unwrap(), typed).ok()
        };
        let epoch = item.get("password_epoch");
        let epoch = epoch.map_or(0, |epoch| epoch.as_n().unwrap().parse().unwrap());
        let link = Link {
            user_id: user.parse().unwrap(),
            id,
            purpose,
            email: email("email").unwrap(),
            from: None,
            password_epoch: epoch,
            session_id: None,
            told: false,
            expires_at: id.millis() / 1000 + purpose.seconds(),
            hashes: Vec::new(),
        };
        let variables = &self.local.environment["links"];
        let lookup = |name: &str| variables.get(name).cloned();
        let store = Store::from_env(&env(&lookup)).unwrap();
        let token = LinkToken::new(link.user_id, id);
        match store.mint_link(&link, &token).await.unwrap() {
            Minted::Done => Some(token.expose()),
            Minted::Used => None,
        }
    }

    /// Returns the time, in seconds since the epoch.
    pub fn clock_now(&self) -> u64 {
        Clock::Manual(self.clock.clone()).now()
    }

    /// Returns all items of users, without the secrets of links: the mailer adds some at any time.
    pub async fn items_but_secrets(&self) -> Vec<Item> {
        let mut items = self.items().await;
        items
            .iter_mut()
            .for_each(|item| drop(item.remove("hashes")));
        items
    }

    /// Returns an item of the main table.
    pub async fn item(&self, pk: &str, sk: &str) -> Option<Item> {
        let get = self.dynamodb().get_item().table_name(dynamodb::TABLE);
        let get = get
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .consistent_read(true);
        let item = get.send().await.unwrap().item?;
        Some(item.into_iter().collect())
    }
}
