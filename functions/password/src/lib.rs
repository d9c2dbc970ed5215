//! `POST /password/change`: changes the password.

use lambda_http::{Body, Request, Response};
use shared::domain::{Account, Hasher, Password, PasswordPolicy, personal_words};
use shared::http::{
    Authenticator, Fields, Handler, Media, Problem, Reauthentication, Throttle, TokenRejection,
    active, no_content,
};
use shared::observe::{AuditEvent, EndedBy};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{OwnerWrite, Store};

/// Changes passwords, each only for its owner.
pub struct ChangePassword {
    store: Store,
    hasher: Hasher,
    policy: PasswordPolicy,
    throttle: Throttle,
    authenticator: Authenticator,
    clock: Clock,
}

/// The current password and the new one.
struct Change {
    current: Password,
    new: Password,
}

impl ChangePassword {
    /// Reads the same settings as [`Store`], [`Hasher`], [`PasswordPolicy`], [`Throttle`] and
    /// [`Authenticator`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        // The hasher comes first: its memory is touched while the rest is read.
        let hasher = Hasher::from_env(env)?;
        hasher.start_warm_up();
        Ok(Self {
            store: Store::from_env(env)?,
            hasher,
            policy: PasswordPolicy::from_env(env)?,
            throttle: Throttle::from_env(env)?,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            clock,
        })
    }

    fn read(&self, request: &Request, owner: &Account) -> Result<Change, Problem> {
        let mut fields = Fields::read(request, Media::Json)?;
        let current = fields.required("current_password", Password::presented);
        let personal_words = personal_words(
            Some(&owner.email),
            [Some(&owner.first_name), Some(&owner.last_name)],
        );
        let new = fields.required("new_password", |text| {
            self.policy.choose(text, &personal_words)
        });
        fields.finish(|| {
            Some(Change {
                current: current?,
                new: new?,
            })
        })
    }
}

impl Handler for ChangePassword {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(&request)?;
        let account = active(self.store.account(owner.user_id).await?)?;
        let change = self.read(&request, &account)?;
        let now = self.clock.now();
        Reauthentication {
            store: &self.store,
            hasher: &self.hasher,
            throttle: &self.throttle,
            account: &account,
            password: &change.current,
            request: &request,
            now,
        }
        .verify()
        .await?;
        let new = self.hasher.hash(&change.new).await?;
        match self
            .store
            .change_password(&account, owner.session_id, &new, now)
            .await?
        {
            OwnerWrite::Done => {}
            OwnerWrite::PasswordChanged => return Err(Problem::WrongPassword),
            OwnerWrite::Gone => return Err(TokenRejection::Session.into()),
        }
        let by = EndedBy::PasswordChange;
        AuditEvent::PasswordChanged
            .of(account.id)
            .session(owner.session_id)
            .log();
        AuditEvent::SessionsEnded.of(account.id).by(by).log();
        // The write above has ended the other sessions. This removes their items; if it fails,
        // their time to live does.
        let removed = self
            .store
            .end_sessions(account.id, Some(owner.session_id))
            .await;
        if let Err(error) = removed {
            tracing::warn!(
                error = shared::observe::logging::chain(&error),
                "the items of ended sessions were not removed"
            );
        }
        Ok(no_content())
    }

    async fn warm_up(&self) {
        tokio::join!(self.hasher.warm_up(), self.store.warm_up(1));
    }
}
