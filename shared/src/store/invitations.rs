//! Invitations, and other requests of operators for mails.

use super::accounts::found_user;
use super::write::{reasons, refuses};
use super::{Store, StoreError, unavailable};
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::password::hash::PasswordHash;
use crate::domain::throttle::{AttemptKey, Attempts};

/// The outcome of opening an account for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Invited {
    /// The account was opened.
    Done,
    /// The address already has an account, and nothing was written.
    EmailTaken,
    /// The operator is no administrator any more, or has another password, and nothing was written.
    ActorGone,
}

const INVITE: &str = "open the account";
const RECORD: &str = "record what an operator asked for";

impl Store {
    /// Opens an account for somebody: the account and its credential, both or neither. The attempts
    /// at the address begin anew with `attempts`. `events` tell of it.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. The account may then exist or not, but never
    /// in part.
    pub async fn invite(
        &self,
        actor: Option<&Account>,
        account: &Account,
        password: &PasswordHash,
        attempts: (&AttemptKey, &Attempts),
        events: &[Event],
    ) -> Result<Invited, StoreError> {
        let mut actions = self.creation(account, password, attempts)?;
        let created = actions.len();
        actions.extend(self.still_administrator(actor, INVITE)?);
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(Invited::Done);
        };
        let Some(refused) = fault.as_service_error() else {
            return Err(unavailable(INVITE)(fault));
        };
        // The existing item is this very account: an earlier try succeeded, and its answer was lost.
        if found_user(refused) == Some(account.id) {
            return Ok(Invited::Done);
        }
        let reasons = reasons(refused);
        let (created, others) = reasons.split_at_checked(created).unwrap_or_default();
        if others.iter().any(refuses) {
            Ok(Invited::ActorGone)
        } else if created.iter().any(refuses) {
            Ok(Invited::EmailTaken)
        } else {
            Err(unavailable(INVITE)(fault))
        }
    }

    /// Stores events of what an administrator asked for, if they still are one. Returns whether they
    /// are.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer. Either all events are then stored or none.
    pub async fn record_of(&self, actor: &Account, events: &[Event]) -> Result<bool, StoreError> {
        let mut actions: Vec<_> = self
            .still_administrator(Some(actor), RECORD)?
            .into_iter()
            .collect();
        actions.extend(self.event_actions(events)?);
        let Err(fault) = self.transact(actions).await else {
            return Ok(true);
        };
        match fault.as_service_error().map(reasons) {
            Some([actor, ..]) if refuses(actor) => Ok(false),
            _ => Err(unavailable(RECORD)(fault)),
        }
    }
}
