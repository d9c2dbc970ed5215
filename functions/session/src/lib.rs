//! `POST /refresh`, `POST /logout`, `GET DELETE /sessions`, `DELETE /sessions/{id}`: extends, lists
//! and ends sessions.

mod end_all;
mod list;
mod logout;
mod refresh;

use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt as _, Response};
use shared::domain::session::{RefreshToken, SessionPolicy};
use shared::domain::{Event, Origin, SessionId, UserId};
use shared::http::{
    Authenticator, ClientAddress, Fields, Handler, LiveSession, Media, Problem, no_content,
};
use shared::observe::{AuditEvent, EndedBy};
use shared::platform::{Clock, ConfigError, Env};
use shared::store::{Store, StoreError};
use shared::tokens::Issuer;

/// Extends, lists and ends sessions.
pub struct Sessions {
    store: Store,
    issuer: Issuer,
    policy: SessionPolicy,
    authenticator: Authenticator,
    client_address: ClientAddress,
    clock: Clock,
}

impl Sessions {
    /// Reads the same settings as [`Store`], [`Issuer`], [`SessionPolicy`], [`Authenticator`]
    /// and [`ClientAddress`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            store: Store::from_env(env)?,
            issuer: Issuer::from_env(env)?,
            policy: SessionPolicy::from_env(env)?,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            client_address: ClientAddress::from_env(env)?,
            clock,
        })
    }
}

impl Sessions {
    /// Ends a session, and returns whether it existed and was live at the time of the request.
    async fn end(
        &self,
        user: UserId,
        session: SessionId,
        by: EndedBy,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let events = [ended(user, session, by, origin)];
        let has_ended = self
            .store
            .end_session(user, session, origin.now(), &events)
            .await?;
        if has_ended {
            events.into_iter().for_each(Event::log);
        }
        Ok(has_ended)
    }

    fn origin(&self, request: &Request) -> Origin {
        self.client_address.origin(request, self.clock.millis())
    }
}

/// Returns the event of the end of a session.
fn ended(user: UserId, session: SessionId, by: EndedBy, origin: &Origin) -> Event {
    let entry = AuditEvent::SessionEnded.of(user).session(session);
    Event::new(entry.by(by), user, origin)
}

impl Handler for Sessions {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        // Only the end of the path is compared: a custom domain may add a prefix.
        let path = request.uri().path().to_owned();
        let id = request
            .path_parameters_ref()
            .and_then(|parameters| parameters.first("id"));
        match (request.method().clone(), id) {
            (Method::POST, None) if path.ends_with("/refresh") => self.refresh(&request).await,
            (Method::POST, None) if path.ends_with("/logout") => self.logout(&request).await,
            (Method::GET, None) if path.ends_with("/sessions") => self.list(&request).await,
            (Method::DELETE, None) if path.ends_with("/sessions") => self.end_all(&request).await,
            (Method::DELETE, Some(id)) => {
                let owner = self.authenticator.identify(&request)?;
                // A text that is not an identifier names no session.
                let id = SessionId::given(id).map_err(|_| Problem::NotFound)?;
                let origin = self.origin(&request);
                LiveSession::read(&self.store, &owner, &self.policy, origin.now()).await?;
                if self.end(owner.user_id, id, EndedBy::Owner, &origin).await? {
                    Ok(no_content())
                } else {
                    Err(Problem::NotFound)
                }
            }
            _ => Err(Problem::NotFound),
        }
    }

    async fn warm_up(&self) {
        tokio::join!(self.store.warm_up(1), self.issuer.warm_up());
    }
}

/// Reads the body of `/refresh` and `/logout`. Returns `None` if the token does not have the form
/// of one, which gets the same response as an unknown token.
fn token(request: &Request) -> Result<Option<RefreshToken>, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let token = fields.required("refresh_token", |text| Ok(RefreshToken::parse(text)));
    fields.finish(|| token)
}
