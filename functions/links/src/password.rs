//! The password that is asked for with a link.
//!
//! A link proves who reads the mail of an address, and not who opened the account: anybody can
//! register with the address of somebody else, or ask to move an account there. So the address is
//! proven by somebody who reads its mail and knows the account's password.

use shared::domain::{Event, LinkRefusal, Origin, Password, StoredPassword, Subject};
use shared::http::{AdmittedAttempt, Problem, ReservedAttempt};
use shared::observe::AuditEvent;
use shared::store::Credential;

use super::{Found, Links, Refused};

impl Links {
    /// Verifies that a password is that of the account of a link, and returns the attempt and the
    /// credential. If a later step fails, give the attempt back.
    ///
    /// # Errors
    ///
    /// Returns 403 if it is another, 429 if too many were tried with this link, and the refusal of
    /// the link if the account has changed since it was read.
    pub(super) async fn verify_owner<'a>(
        &'a self,
        Found { link, account, .. }: &Found,
        password: &Password,
        origin: &'a Origin,
    ) -> Result<(ReservedAttempt<'a>, Credential), Problem> {
        // A link that changes the address was sent to another one than the account has.
        let of_link = (link, &account.email);
        let admitted = self.throttle.admit_with_link(&self.store, of_link, origin);
        let (admitted, credential) = admitted.await?;
        // Another account may own the address by now, if this one has given it up.
        let credential = credential.filter(|credential| {
            credential.user_id == account.id && credential.password_epoch == account.password_epoch
        });
        let Some(credential) = credential else {
            let (reason, user) = (LinkRefusal::AccountChanged, Some(account.id));
            return Err(Refused { reason, user }.answer());
        };
        // Whoever has the link and not the password may be a stranger to the account, who never asked
        // for it. The account's owner does not get to see where that person is.
        let refused = AuditEvent::PasswordRefused.of(account.id);
        let refused = Event::new(refused, Subject::address(&account.email), origin);
        let attempt = self.verify_password(admitted, (password, &credential.password), refused);
        Ok((attempt.await?, credential))
    }

    /// Verifies that a password is the one of the stored hash. `refused` tells that it is not.
    ///
    /// # Errors
    ///
    /// Returns 403 if it is not, 429 if concurrent attempts have used up the limit, and 503 if the
    /// password was imported and a secret of its site cannot be read.
    pub(super) async fn verify_password<'a>(
        &self,
        admitted: AdmittedAttempt<'a>,
        (password, stored): (&Password, &StoredPassword),
        refused: Event,
    ) -> Result<ReservedAttempt<'a>, Problem> {
        let secrets = self.import_secrets.of(stored).await?;
        let (verified, reserved) = tokio::join!(
            self.hasher.verify(password, stored, &secrets),
            admitted.reserve(None)
        );
        let reserved = reserved?;
        if verified?.matches {
            return Ok(reserved);
        }
        let stored = self.store.record([&refused]).await;
        refused.log();
        stored?;
        Err(Problem::WrongPassword)
    }
}
