//! The session of a request, as it is now: a token tells what was so when it was issued.
//!
//! A token outlives its session by some minutes. What an account's owner must not let anybody do any
//! more after ending a session or setting a new password asks here.

use super::authenticate::{Identity, active};
use super::problem::{Problem, TokenRejection};
use crate::domain::account::Account;
use crate::domain::session::{Session, SessionPolicy};
use crate::store::Store;

/// A session that has not ended, and its account, which is active.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// The session.
    pub session: Session,
    /// The account.
    pub account: Account,
}

impl LiveSession {
    /// How long after the password was given something goes on that a copied token must not do, in
    /// seconds.
    const RECENT: u64 = 10 * 60;

    /// Reads the session and the account of `caller` at `now`, in seconds since the epoch.
    ///
    /// # Errors
    ///
    /// Returns 401 if the account is not active or the session has ended.
    pub async fn read(
        store: &Store,
        caller: &Identity,
        policy: &SessionPolicy,
        now: u64,
    ) -> Result<Self, Problem> {
        let read = || store.session_and_account(caller.user_id, caller.session_id);
        let mut items = read().await?;
        if let (Some(session), Some(account)) = (&items.0, &items.1)
            && session.password_epoch != account.password_epoch
        {
            // A change of the password, which the session outlives, may lie between the two.
            items = read().await?;
        }
        Ok(Self::of(items, policy, now)?)
    }

    /// Returns the session of a token and its account, as they were read.
    ///
    /// # Errors
    ///
    /// Returns an error if the account is not active or the session has ended.
    pub fn of(
        (session, account): (Option<Session>, Option<Account>),
        policy: &SessionPolicy,
        now: u64,
    ) -> Result<Self, TokenRejection> {
        let account = active(account)?;
        let session = session.filter(|session| {
            session.is_live(policy, now) && session.password_epoch == account.password_epoch
        });
        let session = session.ok_or(TokenRejection::Session)?;
        Ok(Self { session, account })
    }

    /// Checks that the owner has given the password within the last ten minutes.
    ///
    /// # Errors
    ///
    /// Returns 403 `reauthentication-required` otherwise.
    pub fn require_recent(&self, now: u64) -> Result<(), Problem> {
        let age = now.saturating_sub(self.session.authenticated_at);
        (age < Self::RECENT)
            .then_some(())
            .ok_or(Problem::ReauthenticationRequired)
    }
}
