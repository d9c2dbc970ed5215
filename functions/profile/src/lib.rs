//! `GET PUT PATCH DELETE /profile`, `GET /profile/export`, `POST /profile/delete`, `POST
//! /email/change`: shows and changes the profile of an account, exports and deletes the account, and
//! asks for a link that changes its address.

mod email_change;
mod export;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use shared::domain::session::SessionPolicy;
use shared::domain::{Account, Event, Hasher, Locale, Mail, Name, Password, ProfileChange, Status};
use shared::http::{
    Authenticator, Fields, Handler, Identity, LiveSession, MailThrottle, Media, Preconditions,
    Problem, Reauthentication, Throttle, TokenRejection, etag, json, no_content,
};
use shared::observe::{AuditEvent, EndedBy};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::deletion::Deletion;
use shared::store::{Changed, EventReader, Store};

/// Shows, changes, exports and deletes accounts, each only for its owner.
pub struct Profile {
    store: Store,
    events: EventReader,
    hasher: Hasher,
    throttle: Throttle,
    authenticator: Authenticator,
    sessions: SessionPolicy,
    mails: MailThrottle,
    sends_mail: bool,
    clock: Clock,
}

impl Profile {
    /// Reads the same settings as [`Store`], [`Hasher`], [`Throttle`], [`Authenticator`],
    /// [`SessionPolicy`], [`MailThrottle`] and [`Mail::is_sent`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        let store = Store::from_env(env)?;
        Ok(Self {
            events: store.event_reader(),
            store,
            hasher: Hasher::from_env(env)?,
            throttle: Throttle::from_env(env)?,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            sessions: SessionPolicy::from_env(env)?,
            mails: MailThrottle::from_env(env)?,
            sends_mail: Mail::is_sent(env),
            clock,
        })
    }

    /// Returns the account of whoever has a live session.
    async fn show(&self, owner: &Identity) -> Result<Account, Problem> {
        let now = self.clock.now();
        let live = LiveSession::read(&self.store, owner, &self.sessions, now).await?;
        Ok(live.account)
    }

    /// Makes a change if the preconditions hold for the profile that it changes: it is made only to
    /// the very profile for which they were evaluated.
    async fn change(
        &self,
        owner: &Identity,
        change: &ProfileChange,
        preconditions: &Preconditions,
    ) -> Result<Account, Problem> {
        let account = self.show(owner).await?;
        let needs_it = change.is_empty() || !preconditions.hold_for_any();
        let read = needs_it.then_some(account);
        if let Some(read) = &read
            && let Err(unmet) = preconditions.check(&tag(read)?)
        {
            // RFC 9110 section 13.1.1: a change that was made already may be answered as made. A
            // client that got no answer repeats it with the tag that it knows.
            let mut versions = preconditions.wanted().filter_map(etag::version);
            return match versions.any(|version| change.was_made(version, read)) {
                true if !change.is_empty() => Ok(read.clone()),
                _ => Err(unmet.into()),
            };
        }
        match read {
            Some(read) if change.is_empty() => Ok(read),
            read => {
                let changed = self
                    .store
                    .change_profile(owner.user_id, change, read.as_ref());
                match changed.await? {
                    Changed::Done(account) => Ok(*account),
                    Changed::Stale => Err(Problem::PreconditionFailed),
                    Changed::Gone => Err(TokenRejection::Account.into()),
                }
            }
        }
    }

    /// Deletes the account in two steps. The first is one write, after which nobody can log in or
    /// refresh and the address is free. The second removes the rest. If a call finds the first step
    /// done, it does the second.
    async fn delete(&self, owner: &Identity, request: &Request) -> Result<(), Problem> {
        let password = presented_password(request)?;
        let preconditions = Preconditions::of(request);
        let account = self.store.account(owner.user_id).await?;
        let account = account.ok_or(TokenRejection::Account)?;
        match account.status {
            Status::Disabled => return Err(TokenRejection::Account.into()),
            // The credential is already deleted, so the password cannot be verified; the token
            // identifies the owner.
            Status::Deleting => {}
            Status::Active => {
                preconditions.check(&tag(&account)?)?;
                let unchanged = !preconditions.hold_for_any();
                if account.is_administrator() {
                    return Err(Problem::OwnAccount);
                }
                let origin = self.throttle.origin(request, self.clock.millis());
                Reauthentication {
                    store: &self.store,
                    hasher: &self.hasher,
                    throttle: &self.throttle,
                    account: &account,
                    session_id: owner.session_id,
                    password: &password,
                    origin: &origin,
                }
                .verify()
                .await?;
                let deleted = AuditEvent::AccountDeleted.of(account.id);
                // None can be refreshed any more. Their items are removed below.
                let ended = AuditEvent::SessionsEnded.of(account.id);
                let events = [
                    Event::new(deleted.session(owner.session_id), account.id, &origin),
                    Event::new(ended.by(EndedBy::Deletion), account.id, &origin),
                ];
                let begun = self
                    .store
                    .begin_deletion(&account, unchanged, origin.now(), &events);
                match begun.await? {
                    Deletion::Begun => events.into_iter().for_each(Event::log),
                    Deletion::PasswordChanged => return Err(Problem::WrongPassword),
                    Deletion::Stale => return Err(Problem::PreconditionFailed),
                    Deletion::Gone => return Err(TokenRejection::Account.into()),
                    Deletion::Administrator => return Err(Problem::OwnAccount),
                }
            }
        }
        Ok(self.store.finish_deletion(account.id).await?)
    }
}

impl Handler for Profile {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let owner = self.authenticator.identify(&request)?;
        let preconditions = Preconditions::of(&request);
        let change = match *request.method() {
            // Only the end of the path is compared: a custom domain may add a prefix.
            Method::GET if request.uri().path().ends_with("/profile/export") => {
                return self.export(&owner).await;
            }
            Method::GET => {
                let account = self.show(&owner).await?;
                let response = json(StatusCode::OK, &account.view())?;
                return preconditions.answer(response, &tag(&account)?);
            }
            Method::PUT => replacement(&request)?,
            Method::PATCH => patch(&request)?,
            Method::DELETE => {
                self.delete(&owner, &request).await?;
                return Ok(no_content());
            }
            // Some clients cannot send a body with DELETE, which RFC 9110 section 9.3.5 discourages.
            Method::POST if request.uri().path().ends_with("/profile/delete") => {
                self.delete(&owner, &request).await?;
                return Ok(no_content());
            }
            Method::POST if request.uri().path().ends_with("/email/change") => {
                return self.ask_for_email_change(&owner, &request).await;
            }
            _ => {
                return Err(Problem::MethodNotAllowed {
                    allow: "GET, PUT, PATCH, DELETE",
                });
            }
        };
        let account = self.change(&owner, &change, &preconditions).await?;
        let response = json(StatusCode::OK, &account.view())?;
        Ok(etag::tagged(response, &tag(&account)?))
    }

    async fn warm_up(&self) {
        self.store.warm_up(1).await;
    }
}

/// Returns the strong tag of the profile as its owner sees it.
fn tag(account: &Account) -> Result<String, Problem> {
    etag::of_version(account.version, &account.view())
}

/// Reads the body of `PUT`, which has all members that can be changed. Without a locale, the account
/// has none afterwards.
fn replacement(request: &Request) -> Result<ProfileChange, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let first_name = fields.required("first_name", Name::parse);
    let last_name = fields.required("last_name", Name::parse_last);
    let locale = fields.nullable("locale", Locale::parse).flatten();
    fields.finish(|| {
        Some(ProfileChange {
            first_name: Some(first_name?),
            last_name: Some(last_name?),
            locale: Some(locale),
        })
    })
}

/// Reads the body of a deletion: the password, because a stolen token must not be enough.
fn presented_password(request: &Request) -> Result<Password, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let password = fields.required("password", Password::presented);
    fields.finish(|| password)
}

/// Reads the body of `PATCH`, a merge patch (RFC 7396), in which `null` removes a member: the locale,
/// and no name.
fn patch(request: &Request) -> Result<ProfileChange, Problem> {
    let mut fields = Fields::read(request, Media::MergePatch)?;
    let first_name = fields.optional("first_name", Name::parse);
    let last_name = fields.optional("last_name", Name::parse_last);
    let locale = fields.nullable("locale", Locale::parse);
    fields.finish(|| {
        Some(ProfileChange {
            first_name,
            last_name,
            locale,
        })
    })
}
