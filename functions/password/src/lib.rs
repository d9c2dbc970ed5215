//! `POST /password/change`: changes the password.
//!
//! The session that asks goes on with new tokens. Its refresh token is replaced in the transaction
//! that changes the password, so a copy of the old one is worth nothing from then on. The access
//! token is signed before that, so a failure of the key changes nothing.

use lambda_http::{Body, Request, Response};
use shared::domain::session::{Session, SessionPolicy};
use shared::domain::{Account, Event, Hasher, Mail, Password, PasswordPolicy, personal_words};
use shared::http::{
    Authenticator, Fields, Handler, Identity, Media, Problem, Reauthentication, Throttle,
    TokenRejection, active, domain_name, tokens,
};
use shared::observe::{AuditEvent, EndedBy};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{OwnerWrite, Store};
use shared::tokens::Issuer;

/// Changes passwords, each only for its owner.
pub struct ChangePassword {
    store: Store,
    hasher: Hasher,
    policy: PasswordPolicy,
    throttle: Throttle,
    authenticator: Authenticator,
    issuer: Issuer,
    sessions: SessionPolicy,
    clock: Clock,
}

/// The current password and the new one.
struct Change {
    current: Password,
    new: Password,
}

impl ChangePassword {
    /// Reads the same settings as [`Store`], [`Hasher`], [`PasswordPolicy`], [`Throttle`],
    /// [`Authenticator`], [`Issuer`] and [`SessionPolicy`].
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
            issuer: Issuer::from_env(env)?,
            sessions: SessionPolicy::from_env(env)?,
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

impl ChangePassword {
    /// Returns the account and the session of the sender.
    ///
    /// # Errors
    ///
    /// Returns 401 if the account is not active, or the session has ended.
    async fn find(&self, owner: &Identity, now: u64) -> Result<(Account, Session), Problem> {
        let read = self
            .store
            .session_and_account(owner.user_id, owner.session_id);
        let (session, account) = read.await?;
        let account = active(account)?;
        let session = session.filter(|session| session.is_live(&self.sessions, now));
        Ok((account, session.ok_or(TokenRejection::Session)?))
    }
}

impl Handler for ChangePassword {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(&request)?;
        let origin = self.throttle.origin(&request, self.clock.millis());
        let now = origin.now();
        let (account, session) = self.find(&owner, now).await?;
        let change = self.read(&request, &account)?;
        Reauthentication {
            store: &self.store,
            hasher: &self.hasher,
            throttle: &self.throttle,
            account: &account,
            session_id: owner.session_id,
            password: &change.current,
            origin: &origin,
        }
        .verify()
        .await?;
        let new = self.hasher.hash(&change.new).await?;
        let epoch = account.password_epoch.saturating_add(1);
        let (next, refresh_token) =
            session.with_new_token(epoch, &origin.source(), &self.sessions, now);
        let domain_name = domain_name(&request);
        let signed = self.issuer.issue(&account, &next, domain_name, now);
        let access_token = signed.await?;
        let changed = AuditEvent::PasswordChanged.of(account.id);
        let ended = AuditEvent::SessionsEnded.of(account.id);
        let events = [
            Event::new(changed.session(session.id), account.id, &origin)
                .mail(Mail::PasswordChanged),
            Event::new(ended.by(EndedBy::PasswordChange), account.id, &origin),
        ];
        let changed = self.store.change_password(&account, &next, &new, &events);
        match changed.await? {
            OwnerWrite::Done => {}
            OwnerWrite::PasswordChanged => return Err(Problem::WrongPassword),
            OwnerWrite::Gone => return Err(TokenRejection::Session.into()),
        }
        events.into_iter().for_each(Event::log);
        self.store
            .remove_ended_sessions(account.id, Some(session.id))
            .await;
        tokens(&access_token, &refresh_token, &next, now)
    }

    async fn warm_up(&self) {
        tokio::join!(
            self.hasher.warm_up(),
            self.store.warm_up(1),
            self.issuer.warm_up()
        );
    }
}
