//! `POST /register`: opens an account.

use lambda_http::http::HeaderValue;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use lambda_http::{Body, Request, Response};
use shared::domain::throttle::Attempts;
use shared::domain::{
    Account, Email, Event, Hasher, Name, NewAccount, Password, PasswordPolicy, Subject,
    personal_words,
};
use shared::http::{Fields, Handler, Media, Problem, Throttle, json};
use shared::observe::AuditEvent;
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{Created, Store};

/// Opens accounts.
pub struct Register {
    store: Store,
    hasher: Hasher,
    policy: PasswordPolicy,
    throttle: Throttle,
    registration: Registration,
    clock: Clock,
}

/// Whether people can register.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Registration {
    Open,
    Closed,
}

impl Registration {
    /// Reads `REGISTRATION`: `open`, the default, or `closed`.
    fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        match env.optional("REGISTRATION").as_deref() {
            None | Some("open") => Ok(Self::Open),
            Some("closed") => Ok(Self::Closed),
            Some(other) => Err(ConfigError::new(format!(
                "REGISTRATION is \"{other}\"; set it to open or closed"
            ))),
        }
    }
}

impl Register {
    /// Reads the same settings as [`Store`], [`Hasher`], [`PasswordPolicy`] and [`Throttle`], and
    /// `REGISTRATION`: whether people can register, `open` or `closed`, default `open`.
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
            registration: Registration::from_env(env)?,
            clock,
        })
    }

    fn read(&self, request: &Request) -> Result<(NewAccount, Password), Problem> {
        let mut fields = Fields::read(request, Media::Json)?;
        let email = fields.required("email", Email::parse);
        let first_name = fields.required("first_name", Name::parse);
        let last_name = fields.required("last_name", Name::parse_last);
        let personal_words =
            personal_words(email.as_ref(), [first_name.as_ref(), last_name.as_ref()]);
        let password =
            fields.required("password", |text| self.policy.choose(text, &personal_words));
        fields.finish(|| {
            let (email, first_name, last_name) = (email?, first_name?, last_name?);
            Some((
                NewAccount {
                    email,
                    first_name,
                    last_name,
                },
                password?,
            ))
        })
    }
}

impl Handler for Register {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if self.registration == Registration::Closed {
            return Err(Problem::RegistrationClosed);
        }
        let (new, password) = self.read(&request)?;
        let origin = self.throttle.origin(&request, self.clock.millis());
        let key = self
            .throttle
            .count_registration(&self.store, &new.email, &origin);
        let key = key.await?;
        let hash = self.hasher.hash(&password).await?;
        let account = Account::open(new, self.clock.millis());
        let opened = Event::new(AuditEvent::Registered.of(account.id), account.id, &origin);
        let events = [opened];
        // The owner can log in from here, however often somebody guessed at the address before.
        let attempts = Attempts::of_new_account(&key, origin.now());
        let created = self
            .store
            .create_account(&account, &hash, (&key, &attempts), &events);
        match created.await? {
            Created::EmailTaken => {
                let taken = AuditEvent::EmailTaken.of_nobody();
                let event = Event::new(taken, Subject::address(&account.email), &origin);
                let stored = self.store.record([&event]).await;
                event.log();
                stored?;
                Err(Problem::EmailTaken)
            }
            Created::Done => {
                events.into_iter().for_each(Event::log);
                let mut response = json(StatusCode::CREATED, &account.view())?;
                // Relative to the path of this request (RFC 9110 section 10.2.2): a custom domain may
                // add a base path, which functions do not see.
                response
                    .headers_mut()
                    .insert(LOCATION, HeaderValue::from_static("profile"));
                Ok(response)
            }
        }
    }

    async fn warm_up(&self) {
        tokio::join!(self.hasher.warm_up(), self.store.warm_up(1));
    }
}
