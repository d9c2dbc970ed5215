//! `GET /profile/export`: all that is stored about the owner of an account, as one document.
//!
//! Hashes, secrets and tokens are left out, and so is what strangers do at the account's address.

use lambda_http::http::header::CONTENT_DISPOSITION;
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::Serialize;
use shared::domain::account::OperatorView;
use shared::domain::event::{EventView, StoredEvent};
use shared::domain::session::{Session, SessionView};
use shared::domain::{EventId, Link, SessionId, rfc3339};
use shared::http::{Identity, LiveSession, Problem, json};

use super::Profile;

/// The greatest number of octets of sessions and events, as Lambda passes them on: text in JSON, in
/// JSON. Lambda's limit for an answer is 6,291,556.
const MOST: usize = 5 * 1024 * 1024;

/// How long sessions and events are read, in milliseconds. It leaves time to write the answer before
/// the function's end.
const READING: u64 = 4_000;

/// The most sessions or events in one request to DynamoDB.
const PAGE: i32 = 250;

/// All that is stored about the owner of an account.
#[derive(Serialize)]
struct Document<'a> {
    exported_at: String,
    account: OperatorView<'a>,
    /// What is known against sending mail to the address.
    email_state: Option<&'a str>,
    links: Vec<LinkView<'a>>,
    sessions: Vec<SessionView<'a>>,
    activity: Vec<EventView<'a>>,
    /// Whether there are sessions or events that did not fit.
    truncated: bool,
    /// The `cursor` of `GET /sessions` for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions_cursor: Option<SessionId>,
    /// The `cursor` of `GET /activity` for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    activity_cursor: Option<EventId>,
}

/// A link in a mail that can still be used, such as that of a change of address that waits.
#[derive(Serialize)]
struct LinkView<'a> {
    purpose: &'static str,
    /// Where it was sent.
    email: &'a str,
    requested_at: String,
    expires_at: String,
}

/// What is left of [`MOST`] and [`READING`].
struct Budget {
    octets: usize,
    /// In milliseconds since the epoch.
    until: u64,
}

/// A list that was read as far as the budget allowed.
struct Part<T, C> {
    read: Vec<T>,
    /// The last one that was looked at, behind which the rest begins.
    last: Option<C>,
    /// Whether there is no rest.
    is_whole: bool,
}

impl Profile {
    /// Returns the document.
    ///
    /// # Errors
    ///
    /// Returns 401 if the account is not active or the session has ended, and 403 if the owner has
    /// not given the password within the last ten minutes.
    pub(super) async fn export(&self, owner: &Identity) -> Result<Response<Body>, Problem> {
        let millis = self.clock.millis();
        let now = millis / 1000;
        let live = LiveSession::read(&self.store, owner, &self.sessions, now).await?;
        live.require_recent(now)?;
        let (links, email_state) = tokio::try_join!(
            self.store.links_of(owner.user_id, now),
            self.store.email_state(owner.user_id),
        )?;
        let mut budget = Budget {
            octets: MOST / 2,
            until: millis.saturating_add(READING),
        };
        let sessions = self.sessions_of(&live, now, &mut budget).await?;
        budget.octets += MOST - MOST / 2;
        let events = self.events_of(owner, now, &mut budget).await?;
        let document = Document {
            exported_at: rfc3339(now),
            account: live.account.operator_view(),
            email_state: email_state.as_deref(),
            links: links.iter().map(link).collect(),
            sessions: sessions
                .read
                .iter()
                .map(|session| session.view(owner.session_id))
                .collect(),
            activity: events
                .read
                .iter()
                .filter_map(|event| event.owner_view(now))
                .collect(),
            truncated: !(sessions.is_whole && events.is_whole),
            sessions_cursor: sessions.last,
            activity_cursor: events.last,
        };
        let mut response = json(StatusCode::OK, &document)?;
        response.headers_mut().insert(
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"account.json\""),
        );
        Ok(response)
    }

    /// Reads the sessions, the latest first.
    async fn sessions_of(
        &self,
        live: &LiveSession,
        now: u64,
        budget: &mut Budget,
    ) -> Result<Part<Session, SessionId>, Problem> {
        let owner = &live.account;
        let mut part = Part::new();
        loop {
            let page = self.store.sessions(owner.id, part.last, PAGE).await?;
            for session in page.sessions {
                let is_live = session.is_live(&self.sessions, now)
                    && session.password_epoch == owner.password_epoch;
                if is_live && !budget.takes(&session.view(live.session.id))? {
                    return Ok(part);
                }
                part.last = Some(session.id);
                part.read.extend(is_live.then_some(session));
            }
            part.is_whole = page.last.is_none();
            part.last = page.last;
            if part.is_whole || self.clock.millis() >= budget.until {
                return Ok(part);
            }
        }
    }

    /// Reads the events, the latest first.
    async fn events_of(
        &self,
        owner: &Identity,
        now: u64,
        budget: &mut Budget,
    ) -> Result<Part<StoredEvent, EventId>, Problem> {
        let mut part = Part::new();
        loop {
            let page = self.events.events_of(owner.user_id, part.last, PAGE, now);
            let page = page.await?;
            for event in page.events {
                if let Some(view) = event.owner_view(now)
                    && !budget.takes(&view)?
                {
                    return Ok(part);
                }
                part.last = Some(event.id);
                part.read.push(event);
            }
            part.is_whole = page.last.is_none();
            part.last = page.last;
            if part.is_whole || self.clock.millis() >= budget.until {
                return Ok(part);
            }
        }
    }
}

impl<T, C> Part<T, C> {
    fn new() -> Self {
        Self {
            read: Vec::new(),
            last: None,
            is_whole: false,
        }
    }
}

impl Budget {
    /// Takes the octets of one more member of a list, and returns whether there were enough.
    ///
    /// # Errors
    ///
    /// Returns 500 if it cannot be serialized. No type here causes that.
    fn takes(&mut self, member: &impl Serialize) -> Result<bool, Problem> {
        let text = serde_json::to_vec(member).map_err(|error| Problem::Internal(error.into()))?;
        // Lambda gets the document as a text in JSON, in which these have a backslash before them.
        let escaped = text.iter().filter(|octet| matches!(octet, b'"' | b'\\'));
        let comma = 1;
        match self
            .octets
            .checked_sub(text.len() + escaped.count() + comma)
        {
            Some(left) => {
                self.octets = left;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

fn link(link: &Link) -> LinkView<'_> {
    LinkView {
        purpose: link.purpose.name(),
        email: link.email.as_str(),
        requested_at: rfc3339(link.id.millis() / 1000),
        expires_at: rfc3339(link.expires_at),
    }
}
