//! Pending registrations: accounts that are opened by a link.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use super::item::{self, Attributes, ItemKind, Key, Reader, Writer};
use super::links::{is_use, read_link};
use super::write::{incomplete, reasons, refuses};
use super::{Store, StoreError, unavailable};
use crate::domain::account::{Account, NewAccount};
use crate::domain::event::Event;
use crate::domain::id::UserId;
use crate::domain::link::{Link, LinkRefusal, LinkToken, Purpose};
use crate::domain::locale::Locale;
use crate::domain::name::Name;
use crate::domain::password::hash::PasswordHash;
use crate::domain::registration::PendingRegistration;
use crate::domain::throttle::{AttemptKey, Attempts};
use crate::platform::random;

/// The outcome of opening the account of a pending registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Opened {
    /// The account was created.
    Done,
    /// The address has an account by now, and nothing was written.
    EmailTaken,
}

impl Store {
    /// Stores a pending registration, and `events`, which make `mailer` send its link. Whether the
    /// address has an account is not looked at.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then stored or nothing.
    pub async fn request_registration(
        &self,
        pending: &PendingRegistration,
        events: &[Event],
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "store the registration";
        // No condition: no other registration has this id.
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write_registration(pending)))
            .build()
            .map_err(incomplete(OPERATION))?;
        let mut actions = vec![TransactWriteItem::builder().put(put).build()];
        actions.extend(self.event_actions(events)?);
        self.transact(actions).await.map_err(unavailable(OPERATION))
    }

    /// Returns the link of a token and the registration that waits for it, read strongly consistent
    /// in one request.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer or an item is unreadable.
    pub async fn link_and_registration(
        &self,
        token: &LinkToken,
    ) -> Result<(Option<Link>, Option<PendingRegistration>), StoreError> {
        const OPERATION: &str = "read the link and its registration";
        let user = token.user_id();
        let keys = [Key::link(user, token.id()), Key::registration(user)];
        let (mut link, mut pending) = (None, None);
        for item in self.get_all(keys, OPERATION).await? {
            match ItemKind::of(&item) {
                ItemKind::Link(id) => link = Some(read_link(user, id, &item)?),
                ItemKind::Registration => pending = Some(read_registration(user, &item)?),
                // Not asked for.
                ItemKind::Credential
                | ItemKind::Account
                | ItemKind::Session(_)
                | ItemKind::Attempts
                | ItemKind::SessionAttempts
                | ItemKind::SourceAttempts
                | ItemKind::Mails
                | ItemKind::Unknown => {}
            }
        }
        Ok((link, pending))
    }

    /// Opens `account`, which `pending` waited for, with its link, as [`Store::create_account`]
    /// does. `events` tell of it. If the link is not as it was read, nothing is written, and the
    /// reason is the inner error.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all of it is then done or nothing.
    pub async fn open_registration(
        &self,
        (token, pending): (&LinkToken, &PendingRegistration),
        account: &Account,
        attempts: (&AttemptKey, &Attempts),
        now: u64,
        events: &[Event],
    ) -> Result<Result<Opened, LinkRefusal>, StoreError> {
        const OPERATION: &str = "open the account";
        let use_id = random::octets();
        let waited = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(Key::registration(pending.account_id).attributes()))
            .condition_expression("password = :hash AND expires_at > :now")
            .expression_attribute_values(":hash", item::text(pending.password.to_phc()))
            .expression_attribute_values(":now", item::number(now))
            .build()
            .map_err(incomplete(OPERATION))?;
        let mut actions = vec![
            self.use_link(token, Purpose::Registration, &use_id, now)?,
            TransactWriteItem::builder().delete(waited).build(),
        ];
        actions.extend(self.creation(account, &pending.password, attempts)?);
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(Ok(Opened::Done));
        };
        match fault.as_service_error().map(reasons) {
            // An earlier try succeeded, and its answer was lost.
            Some([used, ..]) if refuses(used) && is_use(used.item(), &use_id) => {
                Ok(Ok(Opened::Done))
            }
            Some([used, waited, ..]) if refuses(used) || refuses(waited) => {
                Ok(Err(LinkRefusal::Used))
            }
            Some(reasons) if reasons.iter().any(refuses) => Ok(Ok(Opened::EmailTaken)),
            _ => Err(unavailable(OPERATION)(fault)),
        }
    }
}

fn write_registration(pending: &PendingRegistration) -> Attributes {
    let NewAccount {
        email,
        first_name,
        last_name,
        locale,
    } = &pending.new;
    Writer::new(Key::registration(pending.account_id))
        .text("email", email.ascii())
        .optional_text("email_typed", email.unicode())
        .text("first_name", first_name.as_str())
        .text("last_name", last_name.as_str())
        .optional_text("locale", locale.as_ref().map(Locale::as_str))
        .text("password", pending.password.to_phc())
        .number("expires_at", pending.expires_at)
        .finish()
}

fn read_registration(
    account_id: UserId,
    attributes: &Attributes,
) -> Result<PendingRegistration, StoreError> {
    let item = Reader {
        item: "registration",
        attributes,
    };
    Ok(PendingRegistration {
        account_id,
        new: NewAccount {
            email: item.email("email", "email_typed")?,
            first_name: item.text("first_name", Name::stored)?,
            last_name: item.text("last_name", Name::stored)?,
            locale: item.locale()?,
        },
        password: item.text("password", PasswordHash::from_phc)?,
        expires_at: item.number("expires_at")?,
    })
}
