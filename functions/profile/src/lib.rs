//! `GET PUT PATCH DELETE /profile`: shows and changes the profile of an account, and deletes it.

use lambda_http::http::header::ETAG;
use lambda_http::http::{HeaderValue, Method, StatusCode};
use lambda_http::{Body, Request, Response};
use shared::domain::password::Password;
use shared::domain::password::hasher::Hasher;
use shared::domain::{Account, Name, ProfileChange, Status};
use shared::http::{
    Authenticator, Fields, Handler, Identity, Media, Problem, Reauthentication, Throttle,
    TokenRejection, at_version, etag, json, no_content,
};
use shared::observe::{AuditEvent, EndedBy};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::Store;
use shared::store::accounts::{AtVersion, Changed};
use shared::store::credentials::OwnerWrite;

/// Shows, changes and deletes accounts, each only for its owner.
pub struct Profile {
    store: Store,
    hasher: Hasher,
    throttle: Throttle,
    authenticator: Authenticator,
    clock: Clock,
}

impl Profile {
    /// Reads the same settings as [`Store`], [`Hasher`], [`Throttle`] and [`Authenticator`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            store: Store::from_env(env)?,
            hasher: Hasher::from_env(env)?,
            throttle: Throttle::from_env(env)?,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            clock,
        })
    }

    async fn show(&self, owner: &Identity) -> Result<Account, Problem> {
        match self.store.account(owner.user_id).await? {
            Some(account) if account.status == Status::Active => Ok(account),
            // The token has outlived the account it was issued for.
            _ => Err(TokenRejection::Account.into()),
        }
    }

    async fn change(
        &self,
        owner: &Identity,
        change: &ProfileChange,
        at: &AtVersion,
    ) -> Result<Account, Problem> {
        if change.is_empty() {
            let account = self.show(owner).await?;
            return match at {
                AtVersion::OneOf(versions) if !versions.contains(&account.version) => {
                    Err(Problem::PreconditionFailed)
                }
                _ => Ok(account),
            };
        }
        match self.store.change_profile(owner.user_id, change, at).await? {
            Changed::Done(account) => Ok(*account),
            Changed::Stale => Err(Problem::PreconditionFailed),
            Changed::Gone => Err(TokenRejection::Account.into()),
        }
    }

    /// Deletes the account in two steps. The first is one write, after which nobody can log in or
    /// refresh and the address is free. The second removes the rest. If a call finds the first step
    /// done, it does the second.
    async fn delete(&self, owner: &Identity, request: &Request) -> Result<(), Problem> {
        let password = confirmation(request)?;
        let account = self.store.account(owner.user_id).await?;
        let account = account.ok_or(TokenRejection::Account)?;
        match account.status {
            Status::Disabled => return Err(TokenRejection::Account.into()),
            // The credential is already deleted, so the password cannot be verified; the token
            // identifies the owner.
            Status::Deleting => {}
            Status::Active => {
                let now = self.clock.now();
                Reauthentication {
                    store: &self.store,
                    hasher: &self.hasher,
                    throttle: &self.throttle,
                    account: &account,
                    password: &password,
                    request,
                    now,
                }
                .verify()
                .await?;
                match self.store.begin_deletion(&account, now).await? {
                    OwnerWrite::Done => AuditEvent::AccountDeleted.of(account.id).log(),
                    OwnerWrite::PasswordChanged => return Err(Problem::WrongPassword),
                    OwnerWrite::Gone => return Err(TokenRejection::Account.into()),
                }
            }
        }
        self.store.finish_deletion(account.id).await?;
        AuditEvent::SessionsEnded
            .of(account.id)
            .by(EndedBy::Deletion)
            .log();
        Ok(())
    }
}

impl Handler for Profile {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(&request)?;
        let account = match *request.method() {
            Method::GET => self.show(&owner).await?,
            Method::PUT => {
                let (change, at) = (replacement(&request)?, at_version(request.headers())?);
                self.change(&owner, &change, &at).await?
            }
            Method::PATCH => {
                let (change, at) = (patch(&request)?, at_version(request.headers())?);
                self.change(&owner, &change, &at).await?
            }
            Method::DELETE => {
                self.delete(&owner, &request).await?;
                return Ok(no_content());
            }
            _ => {
                return Err(Problem::MethodNotAllowed {
                    allow: "GET, PUT, PATCH, DELETE",
                });
            }
        };
        let mut response = json(StatusCode::OK, &account.view())?;
        // Digits between quotes are always a valid header value.
        if let Ok(tag) = HeaderValue::from_str(&etag(account.version)) {
            response.headers_mut().insert(ETAG, tag);
        }
        Ok(response)
    }

    async fn warm_up(&self) {
        self.store.warm_up(1).await;
    }
}

/// Reads the body of `PUT`, which has all members that can be changed.
fn replacement(request: &Request) -> Result<ProfileChange, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let first_name = fields.required("first_name", Name::parse);
    let last_name = fields.required("last_name", Name::parse_last);
    fields.finish(|| {
        Some(ProfileChange {
            first_name: Some(first_name?),
            last_name: Some(last_name?),
        })
    })
}

/// Reads the body of `DELETE`: the password, because a stolen token must not be enough.
fn confirmation(request: &Request) -> Result<Password, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let password = fields.required("password", Password::presented);
    fields.finish(|| password)
}

/// Reads the body of `PATCH`, a merge patch (RFC 7396). `null` would remove a name, which is not
/// allowed.
fn patch(request: &Request) -> Result<ProfileChange, Problem> {
    let mut fields = Fields::read(request, Media::MergePatch)?;
    let first_name = fields.optional("first_name", Name::parse);
    let last_name = fields.optional("last_name", Name::parse_last);
    fields.finish(|| {
        Some(ProfileChange {
            first_name,
            last_name,
        })
    })
}
