//! `POST /login`: exchanges an e-mail address and a password for tokens.
//!
//! The work is the same whatever is wrong: an unknown address, a wrong password and a disabled
//! account each cost the same reads, the same count and one hash, and get the same response. This
//! also holds after too many passwords were tried. An imported password takes longer to verify; the
//! refusals of all others then take about as long ([`Hasher::level`]). An account that was imported
//! without a password makes more requests beside the hash (`absent.rs`).

mod absent;
mod user_pool;

use lambda_http::{Body, Request, Response};
use shared::domain::session::{RefreshToken, Session, SessionPolicy};
use shared::domain::{
    Account, Email, Event, Hasher, Mail, Origin, Password, Status, StoredPassword, Subject, UserId,
};
use shared::http::{
    Fields, Handler, ImportSecrets, MailThrottle, Media, Problem, ReservedAttempt, Throttle,
    domain_name, tokens,
};
use shared::observe::{AuditEvent, LoginRefusal};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{Credential, Store};
use shared::tokens::{AccessToken, Issuer};

use self::user_pool::UserPool;

/// The handler of logins.
pub struct Login {
    store: Store,
    hasher: Hasher,
    import_secrets: ImportSecrets,
    throttle: Throttle,
    issuer: Issuer,
    sessions: SessionPolicy,
    notices: Notices,
    mails: MailThrottle,
    sends_mail: bool,
    user_pool: Option<UserPool>,
    clock: Clock,
}

/// Whether owners are told of logins from new sources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notices {
    On,
    Off,
}

impl Notices {
    /// Reads `LOGIN_NOTICES`: `on`, the default, or `off`.
    fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        match env.optional("LOGIN_NOTICES").as_deref() {
            None | Some("on") => Ok(Self::On),
            Some("off") => Ok(Self::Off),
            Some(other) => Err(ConfigError::new(format!(
                "LOGIN_NOTICES is \"{other}\"; set it to on or off"
            ))),
        }
    }
}

/// An e-mail address and a password, as presented.
struct LoginRequest {
    email: Email,
    password: Password,
}

/// A login whose password was right.
struct Verified<'a> {
    account: Account,
    attempt: ReservedAttempt<'a>,
    /// The stored password, which matches.
    stored: StoredPassword,
}

/// A session that is not stored yet, and its tokens.
struct NewSession {
    session: Session,
    refresh_token: RefreshToken,
    access_token: AccessToken,
}

impl Login {
    /// Reads the same settings as [`Store`], [`Hasher`], [`ImportSecrets`], [`Throttle`],
    /// [`Issuer`], [`SessionPolicy`], [`MailThrottle`], [`Mail::is_sent`] and `USER_POOL`, and
    /// `LOGIN_NOTICES`: whether owners are told of logins from new sources, `on` or `off`, default
    /// `on`.
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
            throttle: Throttle::from_env(env)?,
            issuer: Issuer::from_env(env)?,
            sessions: SessionPolicy::from_env(env)?,
            notices: Notices::from_env(env)?,
            mails: MailThrottle::from_env(env)?,
            sends_mail: Mail::is_sent(env),
            user_pool: UserPool::from_env(env)?,
            clock,
        })
    }

    /// Verifies the password, and returns the account. The attempt is counted before the outcome is
    /// looked at.
    ///
    /// # Errors
    ///
    /// Returns 401 if the login is refused, the same for every reason, 429 if too many passwords
    /// were tried, and 503 if the password was imported and a secret of its site cannot be read, or
    /// the user pool that has it does not answer.
    async fn verify<'a>(
        &'a self,
        login: &LoginRequest,
        origin: &'a Origin,
    ) -> Result<Verified<'a>, Problem> {
        let admitted = self.throttle.admit(&self.store, &login.email, origin);
        let (admitted, credential) = admitted.await?;
        let is_known = credential.is_some();
        let Credential {
            user_id,
            password: stored,
            password_epoch: epoch,
        } = match credential {
            Some(credential) => credential,
            None => Credential {
                // The id of no account. Reading it costs as much as reading an account, and a new
                // id each time keeps any one key from getting hot.
                user_id: UserId::new(self.clock.millis()),
                password: self.hasher.unmatchable()?.into(),
                password_epoch: 0,
            },
        };
        let count = async {
            let account = self.store.account(user_id).await?;
            let last_login = account.as_ref().and_then(Account::login);
            let attempt = admitted.reserve(last_login).await?;
            let absent = self.is_right_without_one(login, &stored, account.as_ref(), origin);
            Ok::<_, Problem>((absent.await?, account, attempt))
        };
        let secrets = self.import_secrets.of(&stored).await?;
        let verify = self.hasher.verify(&login.password, &stored, &secrets);
        let (verified, counted) = tokio::join!(verify, count);
        let (is_right_elsewhere, account, attempt) = counted?;
        let verified = verified?;
        let refusal = match (verified.matches || is_right_elsewhere, account) {
            _ if !is_known => LoginRefusal::UnknownAddress,
            (false, _) => LoginRefusal::WrongPassword,
            (true, Some(account)) if account.status != Status::Active => {
                LoginRefusal::AccountDisabled
            }
            (true, Some(account)) if account.password_epoch == epoch => {
                return Ok(Verified {
                    account,
                    attempt,
                    stored,
                });
            }
            // The account was deleted, or its password was changed, since the credential was read.
            _ => LoginRefusal::AccountChanged,
        };
        self.hasher.level(verified.extra).await?;
        Err(self.refuse(&login.email, user_id, refusal, origin).await)
    }

    /// Tells why the login is refused, and returns the same answer for every reason, after the same
    /// work. The event is stored under the address, whether it has an account or not.
    async fn refuse(
        &self,
        email: &Email,
        user_id: UserId,
        reason: LoginRefusal,
        origin: &Origin,
    ) -> Problem {
        let entry = match reason {
            // The id that was read belongs to nobody.
            LoginRefusal::UnknownAddress => AuditEvent::LoginRefused.of_nobody(),
            _ => AuditEvent::LoginRefused.of(user_id),
        };
        let event = Event::new(entry.because(reason), Subject::address(email), origin);
        let stored = self.store.record([&event]).await;
        event.log();
        match stored {
            Ok(()) => Problem::InvalidCredentials,
            Err(fault) => fault.into(),
        }
    }

    /// Creates the session and its tokens. The access token is signed before the session is stored,
    /// so a failure of the key leaves nothing behind.
    ///
    /// # Errors
    ///
    /// Returns an error if the password's hash is out of date and cannot be replaced, or if the
    /// token cannot be signed.
    async fn new_session(
        &self,
        login: &LoginRequest,
        verified: &Verified<'_>,
        (request, origin): (&Request, &Origin),
    ) -> Result<NewSession, Problem> {
        let Verified {
            account, stored, ..
        } = verified;
        if self.hasher.is_obsolete(stored) {
            let hash = self.hasher.hash(&login.password).await?;
            let new = hash.into();
            self.store
                .replace_stored(&login.email, stored, &new)
                .await?;
        }
        let millis = self.clock.millis();
        let device = origin.device.clone();
        let (session, refresh_token) = Session::begin(account, device, &self.sessions, millis);
        let access_token = self
            .issuer
            .issue(account, &session, domain_name(request), session.created_at)
            .await?;
        Ok(NewSession {
            session,
            refresh_token,
            access_token,
        })
    }

    /// Stores the session and the event, records the login in the account, and resets the attempts,
    /// all concurrently. So the event may be stored although the login fails, but no session is
    /// without its event.
    ///
    /// # Errors
    ///
    /// Returns an error if any of them fails, and 401 if the account was deleted or disabled or its
    /// password was changed in the meantime. The session is then removed.
    async fn store_session(
        &self,
        Verified {
            account, attempt, ..
        }: &Verified<'_>,
        session: &Session,
        origin: &Origin,
    ) -> Result<(), Problem> {
        let login = attempt.login();
        let event = AuditEvent::LoggedIn.of(account.id).session(session.id);
        let event = Event::new(event, account.id, origin);
        let event = match self.notices == Notices::On && !attempt.is_of_known_source() {
            true => event.mail(Mail::NewSource),
            false => event,
        };
        let (created, recorded, succeeded, told) = tokio::join!(
            self.store.create_session(session),
            self.store.record_login(account, &login),
            attempt.succeeded(),
            self.store.record([&event]),
        );
        if matches!(
            (&created, &recorded, &succeeded, &told),
            (Ok(()), Ok(true), Ok(()), Ok(()))
        ) {
            event.log();
            return Ok(());
        }
        // Nobody receives this session's tokens. If the account was deleted or its password
        // changed, its sessions were ended then, but this one may have been stored later.
        let now = session.created_at;
        let ended = self
            .store
            .end_session(account.id, session.id, now, &[])
            .await;
        created?;
        succeeded?;
        told?;
        if !recorded? {
            ended?;
            let reason = LoginRefusal::AccountChanged;
            return Err(self
                .refuse(&account.email, account.id, reason, origin)
                .await);
        }
        Ok(())
    }
}

impl Handler for Login {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let login = read(&request)?;
        let origin = self.throttle.origin(&request, self.clock.millis());
        let verified = self.verify(&login, &origin).await?;
        let NewSession {
            session,
            refresh_token,
            access_token,
        } = match self
            .new_session(&login, &verified, (&request, &origin))
            .await
        {
            Ok(new) => new,
            Err(problem) => {
                verified.attempt.refund().await;
                return Err(problem);
            }
        };
        self.store_session(&verified, &session, &origin).await?;
        tokens(&access_token, &refresh_token, &session, session.created_at)
    }

    async fn warm_up(&self) {
        tokio::join!(
            self.hasher.warm_up(),
            self.store.warm_up(4),
            self.issuer.warm_up()
        );
    }
}

fn read(request: &Request) -> Result<LoginRequest, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let email = fields.required("email", Email::parse);
    let password = fields.required("password", Password::presented);
    fields.finish(|| {
        Some(LoginRequest {
            email: email?,
            password: password?,
        })
    })
}
