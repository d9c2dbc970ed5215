//! The session of a request, as it is now: a token tells what was so when it was issued.

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
        let read = store.session_and_account(caller.user_id, caller.session_id);
        let (session, account) = read.await?;
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
