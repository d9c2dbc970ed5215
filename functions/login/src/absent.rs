//! Accounts that were imported without a password.

use shared::domain::password::stored::Absent;
use shared::domain::{Account, Email, Event, Mail, Origin, Status, StoredPassword, Subject};
use shared::http::Problem;
use shared::observe::AuditEvent;

use super::{Login, LoginRequest};
use crate::user_pool::Answer;

impl Login {
    /// Returns whether `password` is right at an account without a password: whether the user pool
    /// that the account comes from says so. If there is nobody to ask, or the user cannot log in
    /// there either, sends the owner a link to set one, once.
    ///
    /// Call it after the attempt was counted, and beside the hash, so that the mail costs no time.
    ///
    /// # Errors
    ///
    /// Returns 503 if the pool or DynamoDB does not answer.
    pub(super) async fn is_right_without_one(
        &self,
        LoginRequest { email, password }: &LoginRequest,
        stored: &StoredPassword,
        account: Option<&Account>,
        origin: &Origin,
    ) -> Result<bool, Problem> {
        let StoredPassword::Absent(absent) = stored else {
            return Ok(false);
        };
        let Some(account) = account else {
            return Ok(false);
        };
        let answer = match &self.user_pool {
            Some(pool) => pool.verify(&account.email, password).await?,
            None => Answer::NoPassword,
        };
        if answer == Answer::NoPassword
            && *absent == Absent::Untold
            && account.status == Status::Active
        {
            self.tell(email, origin).await?;
        }
        Ok(answer == Answer::Right)
    }

    /// Asks for the mail as `POST /password/forgot` does, unless the address or the source has had
    /// too many. If something fails afterwards, the next attempt asks once more.
    async fn tell(&self, email: &Email, origin: &Origin) -> Result<(), Problem> {
        const MAIL: Mail = Mail::PasswordReset;
        if !self.sends_mail {
            return Ok(());
        }
        let counted = self
            .mails
            .counts(&self.store, (MAIL, email), origin)
            .await?;
        if counted.is_err() {
            return Ok(());
        }
        let requested = AuditEvent::PasswordResetRequested.of_nobody();
        let event = Event::new(requested, Subject::address(email), origin).mail(MAIL);
        self.store.record([&event]).await?;
        event.log();
        let [untold, told] = [Absent::Untold, Absent::Told].map(StoredPassword::Absent);
        Ok(self.store.replace_stored(email, &untold, &told).await?)
    }
}
