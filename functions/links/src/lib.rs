//! `POST /password/reset`, `POST /email/verify`, `POST /email/change/confirm`, `POST
//! /register/confirm`: does what the links in mails are good for.
//!
//! A link is used in the transaction of the change that it is good for. Whatever is wrong with it,
//! the answer is the same. Refusals are in the log only: anybody can send tokens of any account.

mod email_change;
mod password;
mod registration;
mod reset;
mod verify;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use shared::domain::{
    Account, Email, Event, Hasher, Link, LinkRefusal, LinkToken, Mail, Origin, PasswordPolicy,
    Purpose, Registration, Status, Subject, UserId,
};
use shared::http::{Handler, ImportSecrets, Problem, Throttle};
use shared::observe::AuditEvent;
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{Store, StoreError};

/// Uses links.
pub struct Links {
    store: Store,
    hasher: Hasher,
    import_secrets: ImportSecrets,
    policy: PasswordPolicy,
    throttle: Throttle,
    registration: Registration,
    sends_mail: bool,
    clock: Clock,
}

impl Links {
    /// Reads the same settings as [`Store`], [`Hasher`], [`ImportSecrets`], [`PasswordPolicy`],
    /// [`Throttle`], [`Registration`] and [`Mail::is_sent`].
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
            import_secrets: ImportSecrets::from_env(env)?,
            policy: PasswordPolicy::from_env(env)?,
            throttle: Throttle::from_env(env)?,
            registration: Registration::from_env(env)?,
            sends_mail: Mail::is_sent(env),
            clock,
        })
    }
}

/// A link that is refused. Whatever the reason is, the answer is the same.
struct Refused {
    reason: LinkRefusal,
    /// The account of a link that exists. A token that names no link may name any account.
    user: Option<UserId>,
}

impl Refused {
    /// Logs the reason, and returns the answer.
    fn answer(self) -> Problem {
        let entry = match self.user {
            Some(user) => AuditEvent::LinkRefused.of(user),
            None => AuditEvent::LinkRefused.of_nobody(),
        };
        entry.because(self.reason).log();
        Problem::InvalidLink
    }
}

/// A link that is good, of an active account.
struct Found {
    token: LinkToken,
    link: Link,
    account: Account,
}

impl Links {
    /// Returns the link of a presented token, which does not have the form of one if it is `None`,
    /// and its account. The inner error says why the link is good for none of `purposes`.
    async fn find(
        &self,
        token: Option<LinkToken>,
        purposes: &[Purpose],
        now: u64,
    ) -> Result<Result<Found, Refused>, StoreError> {
        let refused = |reason, user| Ok(Err(Refused { reason, user }));
        let Some(token) = token else {
            return refused(LinkRefusal::Malformed, None);
        };
        let (link, account) = self.store.link_and_account(&token).await?;
        let Some(link) = link else {
            return refused(LinkRefusal::Unknown, None);
        };
        let user = Some(link.user_id);
        if let Err(reason) = link.check(&token, purposes, now) {
            return refused(reason, user);
        }
        let Some(account) = account.filter(|account| account.status == Status::Active) else {
            return refused(LinkRefusal::AccountGone, user);
        };
        // Each change of the password or of the address increments the epoch.
        if link.password_epoch != account.password_epoch {
            return refused(LinkRefusal::AccountChanged, user);
        }
        Ok(Ok(Found {
            token,
            link,
            account,
        }))
    }

    /// Records that the address of a link has another account by now, and returns the answer. The
    /// link stays good.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    async fn email_taken(&self, email: &Email, origin: &Origin) -> Result<Problem, StoreError> {
        let taken = AuditEvent::EmailTaken.of_nobody();
        let taken = Event::new(taken, Subject::address(email), origin);
        let stored = self.store.record([&taken]).await;
        taken.log();
        stored?;
        Ok(Problem::EmailTaken)
    }
}

impl Handler for Links {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if !self.sends_mail {
            return Err(Problem::NotFound);
        }
        // Only the end of the path is compared: a custom domain may add a prefix.
        let path = request.uri().path();
        match *request.method() {
            Method::POST if path.ends_with("/password/reset") => self.reset(&request).await,
            Method::POST if path.ends_with("/email/verify") => self.verify(&request).await,
            Method::POST if path.ends_with("/email/change/confirm") => {
                self.change_email(&request).await
            }
            Method::POST if path.ends_with("/register/confirm") => self.register(&request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn warm_up(&self) {
        tokio::join!(self.hasher.warm_up(), self.store.warm_up(1));
    }
}
