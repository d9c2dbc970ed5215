//! `POST /register`: opens an account, or asks for a link that opens one.

use lambda_http::http::HeaderValue;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use lambda_http::{Body, Request, Response};
use shared::domain::throttle::{AttemptKey, Attempts};
use shared::domain::{
    Account, Email, EmailVerification, Event, Hasher, Locale, Mail, Name, NewAccount, Origin,
    Password, PasswordPolicy, PendingRegistration, Purpose, Registration, Subject, UserId,
    personal_words,
};
use shared::http::{Fields, Handler, MailThrottle, Media, Problem, Throttle, accepted, json};
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
    verification: EmailVerification,
    mails: MailThrottle,
    clock: Clock,
}

impl Register {
    /// Reads the same settings as [`Store`], [`Hasher`], [`PasswordPolicy`], [`Throttle`],
    /// [`Registration`], [`EmailVerification`] and [`MailThrottle`].
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
            verification: EmailVerification::from_env(env)?,
            mails: MailThrottle::from_env(env)?,
            clock,
        })
    }

    fn read(&self, request: &Request) -> Result<(NewAccount, Password), Problem> {
        let mut fields = Fields::read(request, Media::Json)?;
        let email = fields.required("email", Email::parse);
        let first_name = fields.required("first_name", Name::parse);
        let last_name = fields.required("last_name", Name::parse_last);
        let locale = fields.nullable("locale", Locale::parse).flatten();
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
                    locale,
                },
                password?,
            ))
        })
    }
}

impl Register {
    /// Opens the account at once.
    ///
    /// # Errors
    ///
    /// Returns 409 if the address has an account.
    async fn open(
        &self,
        (request, origin): (&Request, &Origin),
        new: NewAccount,
        password: &Password,
    ) -> Result<Response<Body>, Problem> {
        let key = self.count((request, origin), &new.email).await?;
        let hash = self.hasher.hash(password).await?;
        let account = Account::open(new, self.clock.millis());
        let opened = Event::new(AuditEvent::Registered.of(account.id), account.id, origin);
        let events = [match self.verification {
            EmailVerification::Later => opened.mail(Mail::EmailVerification),
            EmailVerification::Off | EmailVerification::First => opened,
        }];
        // The owner can log in from here, however often somebody guessed at the address before.
        let attempts = Attempts::of_new_account(&key, origin.now());
        let created = self
            .store
            .create_account(&account, &hash, (&key, &attempts), &events);
        match created.await? {
            Created::EmailTaken => {
                let taken = AuditEvent::EmailTaken.of_nobody();
                let event = Event::new(taken, Subject::address(&account.email), origin);
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

    /// Asks for a link that opens the account. Never looks whether the address has one: the work
    /// and the answer are the same for every address.
    async fn ask_for_link(
        &self,
        (request, origin): (&Request, &Origin),
        new: NewAccount,
        password: &Password,
    ) -> Result<Response<Body>, Problem> {
        let millis = origin.millis;
        self.count((request, origin), &new.email).await?;
        let password = self.hasher.hash(password).await?;
        let account_id = UserId::new(millis);
        let requested = AuditEvent::RegistrationRequested.of_nobody();
        let requested =
            Event::new(requested, Subject::address(&new.email), origin).of_registration(account_id);
        let events = [requested.mail(Mail::Registration)];
        let pending = PendingRegistration {
            account_id,
            new,
            password,
            expires_at: millis / 1000 + Purpose::Registration.seconds(),
        };
        self.store.request_registration(&pending, &events).await?;
        events.into_iter().for_each(Event::log);
        Ok(accepted())
    }

    /// Counts a registration, and the mail that it asks for, if it does. In both modes with mail it
    /// counts as a mail of a registration, so that whoever asks for links that prove an address does
    /// not keep its owner from registering.
    ///
    /// # Errors
    ///
    /// Returns 429 if the source has made too many attempts or asked for too many mails, or if too
    /// many accounts were opened at the address.
    async fn count(
        &self,
        (request, origin): (&Request, &Origin),
        email: &Email,
    ) -> Result<AttemptKey, Problem> {
        let Self { store, .. } = self;
        let counted = self.throttle.count_registration(store, email, origin);
        let key = counted.await?;
        // A registration that is refused uses up no mail.
        if self.verification != EmailVerification::Off {
            let of = (Mail::Registration, email);
            self.mails.count(store, of, request, origin.millis).await?;
        }
        Ok(key)
    }
}

impl Handler for Register {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if self.registration == Registration::Closed {
            return Err(Problem::RegistrationClosed);
        }
        let (new, password) = self.read(&request)?;
        let origin = self.throttle.origin(&request, self.clock.millis());
        let of = (&request, &origin);
        match self.verification {
            EmailVerification::Off | EmailVerification::Later => {
                self.open(of, new, &password).await
            }
            EmailVerification::First => self.ask_for_link(of, new, &password).await,
        }
    }

    async fn warm_up(&self) {
        tokio::join!(self.hasher.warm_up(), self.store.warm_up(1));
    }
}
