//! Asks for the password again, before operations that a token alone does not authorize.

use super::problem::Problem;
use super::throttle::Throttle;
use crate::domain::account::Account;
use crate::domain::event::{Event, Origin};
use crate::domain::id::SessionId;
use crate::domain::password::Password;
use crate::domain::password::hasher::Hasher;
use crate::domain::password::legacy::Secrets;
use crate::observe::audit::AuditEvent;
use crate::store::Store;

/// A request for the account's password from a client that is already logged in. Guesses are
/// counted by session and by source, so a stolen token gives no place to guess without a limit, and
/// guesses at the account's address do not make its owner wait here.
pub struct Reauthentication<'a> {
    /// The table.
    pub store: &'a Store,
    /// The hasher that verifies the password.
    pub hasher: &'a Hasher,
    /// The limit on the guesses.
    pub throttle: &'a Throttle,
    /// The account, as read earlier in this request.
    pub account: &'a Account,
    /// The session of the token that was presented.
    pub session_id: SessionId,
    /// The password that was presented.
    pub password: &'a Password,
    /// Where the request comes from, and when.
    pub origin: &'a Origin,
}

impl Reauthentication<'_> {
    /// Verifies that the password is the account's, as of when the account was read.
    ///
    /// # Errors
    ///
    /// Returns 403 if it is not, and 429 if too many passwords were tried.
    pub async fn verify(&self) -> Result<(), Problem> {
        let Self { account, .. } = self;
        let owner = (*account, self.session_id);
        let admitted = self
            .throttle
            .admit_in_session(self.store, owner, self.origin);
        let (admitted, credential) = admitted.await?;
        // Another account may own the address by now, if this one has given it up.
        let credential = credential.filter(|credential| {
            credential.user_id == account.id && credential.password_epoch == account.password_epoch
        });
        let stored = credential.ok_or(Problem::WrongPassword)?.password;
        // A login has replaced an imported password.
        let no_secrets = Secrets::default();
        let (matches, reserved) = tokio::join!(
            self.hasher.verify(self.password, &stored, &no_secrets),
            admitted.reserve(account.login())
        );
        let reserved = reserved?;
        if !matches?.matches {
            let refused = AuditEvent::PasswordRefused.of(account.id);
            let refused = refused.session(self.session_id);
            let event = Event::new(refused, account.id, self.origin);
            let stored = self.store.record([&event]).await;
            event.log();
            stored?;
            return Err(Problem::WrongPassword);
        }
        Ok(reserved.succeeded().await?)
    }
}
