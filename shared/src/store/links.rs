//! Links in mails: the hashes of their secrets, and what they are good for.
//!
//! An event may be delivered to `mailer` more than once, so a link has a small set of secrets, any
//! of which is good until one is used. A used link stays until it expires, so that a late delivery
//! does not bring it back.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::accounts::read_account;
use super::item::{self, Attributes, ItemKind, Key, Reader};
use super::write::{carried_out, incomplete, retry_conflicts};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::id::{EventId, UserId};
use crate::domain::link::{Link, LinkToken, Purpose};

/// The outcome of adding a secret to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Minted {
    /// The secret is good.
    Done,
    /// The link was used, and nothing was written.
    Used,
}

impl Store {
    /// The number of secrets that a link has at most.
    const SECRETS: u64 = 8;

    /// Adds the secret of `token` to `link`, which is stored if it is new. If the link was stored
    /// when the account had another password, its earlier secrets are void, and stay so.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn mint_link(&self, link: &Link, token: &LinkToken) -> Result<Minted, StoreError> {
        const OPERATION: &str = "store the link";
        let secret = AttributeValue::Bs(vec![Blob::new(token.hash())]);
        let mut sets = vec![
            "purpose = :purpose",
            "email = :email",
            "password_epoch = :epoch",
            "expires_at = :end",
        ];
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::link(link.user_id, link.id).attributes()))
            .expression_attribute_values(":purpose", item::text(link.purpose.name()))
            .expression_attribute_values(":email", item::text(link.email.ascii()))
            .expression_attribute_values(":epoch", item::number(link.password_epoch))
            .expression_attribute_values(":end", item::number(link.expires_at))
            .expression_attribute_values(":secret", secret);
        if let Some(typed) = link.email.unicode() {
            sets.push("email_typed = :typed");
            request = request.expression_attribute_values(":typed", item::text(typed));
        }
        let sets = sets.join(", ");
        let one_more = request
            .clone()
            .update_expression(format!("SET {sets} ADD hashes :secret"))
            .condition_expression(
                "attribute_not_exists(used) \
                 AND (attribute_not_exists(password_epoch) OR password_epoch = :epoch) \
                 AND (attribute_not_exists(hashes) OR size(hashes) < :most)",
            )
            .expression_attribute_values(":most", item::number(Self::SECRETS));
        // So many secrets were made because no mail could be sent, or the earlier ones are of
        // another password. The latest one counts.
        let instead = request
            .update_expression(format!("SET {sets}, hashes = :secret"))
            .condition_expression("attribute_not_exists(used)");
        for request in [one_more, instead] {
            let Err(fault) = retry_conflicts(|| request.clone().send()).await else {
                return Ok(Minted::Done);
            };
            match fault.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => {}
                _ => return Err(unavailable(OPERATION)(fault)),
            }
        }
        Ok(Minted::Used)
    }

    /// Returns a link without the hashes of its secrets, if it exists, whether it was used or not.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or the item is unreadable.
    pub async fn link(&self, user: UserId, id: EventId) -> Result<Option<Link>, StoreError> {
        const ATTRIBUTES: [&str; 9] = [
            "purpose",
            "email",
            "email_typed",
            "from",
            "from_typed",
            "password_epoch",
            "session_id",
            "told",
            "expires_at",
        ];
        let item = self.get_some(Key::link(user, id), &ATTRIBUTES, "read the link");
        let item = item.await?;
        item.map(|item| read_link(user, id, &item)).transpose()
    }

    /// Notes that the address of a link has got its mail. Does nothing if there is no such link.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn note_told(&self, user: UserId, id: EventId) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::link(user, id).attributes()))
            .update_expression("SET told = :told")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":told", item::boolean(true));
        let answer = retry_conflicts(|| request.clone().send()).await;
        carried_out(answer, "note that a mail was sent").map(drop)
    }

    /// Returns the link of a token and the account that it is about, read strongly consistent in
    /// one request.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn link_and_account(
        &self,
        token: &LinkToken,
    ) -> Result<(Option<Link>, Option<Account>), StoreError> {
        let user = token.user_id();
        let keys = [Key::link(user, token.id()), Key::account(user)];
        let (mut link, mut account) = (None, None);
        for item in self.get_all(keys, "read the link and its account").await? {
            match ItemKind::of(&item) {
                ItemKind::Link(id) => link = Some(read_link(user, id, &item)?),
                ItemKind::Account => account = Some(read_account(user, &item)?),
                // Not asked for.
                ItemKind::Credential
                | ItemKind::Session(_)
                | ItemKind::Registration
                | ItemKind::Attempts
                | ItemKind::SessionAttempts
                | ItemKind::SourceAttempts
                | ItemKind::Mails
                | ItemKind::Unknown => {}
            }
        }
        Ok((link, account))
    }

    /// How long a used link stays, in seconds: a late delivery must find it used, and the notice of
    /// a change of address must find the old one.
    const USED_SECONDS: u64 = 24 * 60 * 60;

    /// Returns the action that uses a link for `purpose`. Its condition lets one use succeed. `use_id`
    /// tells an earlier try of this very use, whose answer was lost, from another use: see
    /// [`is_use`].
    pub(super) fn use_link(
        &self,
        token: &LinkToken,
        purpose: Purpose,
        use_id: &[u8; 16],
        now: u64,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::link(token.user_id(), token.id()).attributes()))
            .update_expression("SET used = :use, expires_at = :end REMOVE hashes")
            .condition_expression(
                "contains(hashes, :secret) AND purpose = :purpose AND expires_at > :now",
            )
            .expression_attribute_values(":use", item::octets(use_id))
            .expression_attribute_values(":secret", item::octets(&token.hash()))
            .expression_attribute_values(":purpose", item::text(purpose.name()))
            .expression_attribute_values(":now", item::number(now))
            .expression_attribute_values(":end", item::number(now + Self::USED_SECONDS))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete("use the link"))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// Returns whether the link that refused a use was used by this very use before.
pub(super) fn is_use(found: Option<&Attributes>, use_id: &[u8; 16]) -> bool {
    found.and_then(|item| item.get("used")) == Some(&item::octets(use_id))
}

pub(super) fn read_link(
    user_id: UserId,
    id: EventId,
    attributes: &Attributes,
) -> Result<Link, StoreError> {
    let item = Reader {
        item: "link",
        attributes,
    };
    Ok(Link {
        user_id,
        id,
        purpose: item.text("purpose", |name| Purpose::named(name).ok_or(()))?,
        email: item.email("email", "email_typed")?,
        from: match item.has("from") {
            true => Some(item.email("from", "from_typed")?),
            false => None,
        },
        password_epoch: item.number("password_epoch")?,
        session_id: item.optional_text("session_id")?,
        told: item.truth("told")?,
        expires_at: item.number("expires_at")?,
        hashes: item.octet_set("hashes")?,
    })
}
