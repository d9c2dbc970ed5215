//! `POST /register`: opens an account.

use lambda_http::http::HeaderValue;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use lambda_http::{Body, Request, Response};
use shared::domain::password::hasher::Hasher;
use shared::domain::password::{Password, PasswordPolicy, personal_words};
use shared::domain::{Account, Email, Name, NewAccount};
use shared::http::{Fields, Handler, Media, Problem, json};
use shared::observe::AuditEvent;
use shared::platform::{Clock, ConfigError, Env};
use shared::store::Store;
use shared::store::accounts::Created;

/// Opens accounts.
pub struct Register {
    store: Store,
    hasher: Hasher,
    policy: PasswordPolicy,
    clock: Clock,
}

impl Register {
    /// Reads the same settings as [`Store`], [`Hasher`] and [`PasswordPolicy`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        // First, because its memory is prepared while the rest is read.
        let hasher = Hasher::from_env(env)?;
        hasher.start_warm_up();
        Ok(Self {
            store: Store::from_env(env)?,
            hasher,
            policy: PasswordPolicy::from_env(env)?,
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
        let (new, password) = self.read(&request)?;
        let hash = self.hasher.hash(&password).await?;
        let account = Account::open(new, self.clock.millis());
        match self.store.create_account(&account, &hash).await? {
            Created::EmailTaken => Err(Problem::EmailTaken),
            Created::Done => {
                AuditEvent::Registered.of(account.id).log();
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
