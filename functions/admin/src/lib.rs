//! `/admin/users`: administers accounts.
//!
//! Whoever is no administrator gets one refusal, whatever they ask. The account is read again for
//! it, since a token tells the roles of up to an hour ago.

mod activity;
mod change;
mod delete;
mod invite;
mod list;
mod reset;
mod sessions;
mod show;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use shared::domain::session::SessionPolicy;
use shared::domain::{Account, Hasher, Mail, Origin, UserId};
use shared::http::{
    Authenticator, ClientAddress, Handler, LiveSession, MailThrottle, Problem, etag,
};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::directory::Directory;
use shared::store::{EventReader, Store};
use shared::tokens::TokenSize;

/// Administers accounts, for administrators.
pub struct Admin {
    store: Store,
    events: EventReader,
    hasher: Hasher,
    directory: Option<Directory>,
    token_size: TokenSize,
    authenticator: Authenticator,
    sessions: SessionPolicy,
    client_address: ClientAddress,
    mails: MailThrottle,
    sends_mail: bool,
    clock: Clock,
}

impl Admin {
    /// Reads the same settings as [`Store`], [`Directory`], [`TokenSize`], [`Hasher`],
    /// [`Authenticator`], [`SessionPolicy`], [`ClientAddress`], [`MailThrottle`] and
    /// [`Mail::is_sent`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        let store = Store::from_env(env)?;
        Ok(Self {
            events: store.event_reader(),
            directory: Directory::from_env(env, &store)?,
            token_size: TokenSize::from_env(env)?,
            store,
            hasher: Hasher::from_env(env)?,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            sessions: SessionPolicy::from_env(env)?,
            client_address: ClientAddress::from_env(env)?,
            mails: MailThrottle::from_env(env)?,
            sends_mail: Mail::is_sent(env),
            clock,
        })
    }

    /// Returns the account of the sender, who is an administrator now and has given the password
    /// not long ago.
    ///
    /// # Errors
    ///
    /// Returns 401 if the account is not active or the session has ended, and 403 in all other
    /// cases.
    async fn administrator(&self, request: &Request) -> Result<Account, Problem> {
        let caller = self.authenticator.identify(request)?;
        let now = self.clock.now();
        let live = LiveSession::read(&self.store, &caller, &self.sessions, now).await?;
        if !live.account.is_administrator() {
            return Err(Problem::Forbidden);
        }
        live.require_recent(now)?;
        Ok(live.account)
    }

    /// Returns the account with an identifier as a client gives it.
    ///
    /// # Errors
    ///
    /// Returns 404 if there is none.
    async fn find(&self, id: &str) -> Result<Account, Problem> {
        // A text that is not an identifier names no account.
        let id = UserId::given(id).map_err(|_| Problem::NotFound)?;
        self.store.account(id).await?.ok_or(Problem::NotFound)
    }

    fn origin(&self, request: &Request) -> Origin {
        self.client_address.origin(request, self.clock.millis())
    }
}

/// Returns the strong tag of an account as administrators see it.
fn tag(account: &Account) -> Result<String, Problem> {
    etag::of_version(account.version, &account.operator_view())
}

impl Handler for Admin {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let actor = &self.administrator(&request).await?;
        // Only the end of the path is compared: a custom domain may add a prefix.
        let path = request.uri().path();
        let (_, rest) = path.rsplit_once("/admin/users").ok_or(Problem::NotFound)?;
        let parts: Vec<_> = rest.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, [""]) => self.list(&request).await,
            (&Method::POST, [""]) => self.invite(actor, &request).await,
            (&Method::GET, ["", id]) => self.show(id, &request).await,
            (&Method::PATCH, ["", id]) => self.change(actor, id, &request).await,
            (&Method::DELETE, ["", id]) => self.delete(actor, id, &request).await,
            (&Method::DELETE, ["", id, "sessions"]) => self.sign_out(actor, id, &request).await,
            (&Method::POST, ["", id, "password-reset"]) => self.reset(actor, id, &request).await,
            (&Method::GET, ["", id, "activity"]) => self.activity(id, &request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn warm_up(&self) {
        self.store.warm_up(1).await;
    }
}
