//! Limits password guessing. Every operation that verifies a password goes through it.

use lambda_http::Request;

use super::client_address::ClientAddress;
use super::problem::Problem;
use crate::domain::account::Account;
use crate::domain::email::Email;
use crate::domain::event::{Event, Origin, Subject};
use crate::domain::id::SessionId;
use crate::domain::link::Link;
use crate::domain::session::Session;
use crate::domain::throttle::{AttemptKey, AttemptPolicy, LastLogin, Place, Source, Wait};
use crate::observe::audit::AuditEvent;
use crate::observe::logging;
use crate::platform::config::{ConfigError, Env};
use crate::store::attempts::{LoginRecords, Reserved, VersionedAttempts};
use crate::store::credentials::Credential;
use crate::store::{Store, StoreError};

/// The limit on how often passwords are guessed: by place, by source, and by both. A place is an
/// address, or a session whose token someone has.
pub struct Throttle {
    policy: AttemptPolicy,
    client_address: ClientAddress,
}

/// An attempt that may go on to verify the password.
pub struct AdmittedAttempt<'a> {
    throttle: &'a Throttle,
    store: &'a Store,
    key: AttemptKey,
    origin: &'a Origin,
    seen: VersionedAttempts,
}

/// An attempt that has been counted. Its outcome may be disclosed.
pub struct ReservedAttempt<'a> {
    attempt: AdmittedAttempt<'a>,
    /// The number of attempts that the source has made at all addresses; 0 if they were not
    /// counted.
    of_source: u64,
}

impl Throttle {
    /// Reads the same settings as [`AttemptPolicy::from_env`] and [`ClientAddress::from_env`].
    ///
    /// # Errors
    ///
    /// Returns an error if a setting is unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            policy: AttemptPolicy::from_env(env)?,
            client_address: ClientAddress::from_env(env)?,
        })
    }

    /// Starts an attempt at the password of `email`, and returns it with the credential of
    /// the address, if it has an account. If the attempt has to wait, it counts nowhere, and no
    /// password is hashed.
    ///
    /// # Errors
    ///
    /// Returns 429 if the attempt has to wait.
    pub async fn admit<'a>(
        &'a self,
        store: &'a Store,
        email: &Email,
        origin: &'a Origin,
    ) -> Result<(AdmittedAttempt<'a>, Option<Credential>), Problem> {
        let key = AttemptKey::new(email, Place::Address, &origin.source());
        let records = store.login_records(&key, origin.now()).await?;
        self.check(store, key, records, origin).await
    }

    /// As [`Throttle::admit`], for a password that the owner of a session is asked for again. These
    /// attempts are counted by session, and not at the address: whoever guesses there cannot make
    /// the owner wait here. With a token whose session has ended, they are counted at the address.
    ///
    /// # Errors
    ///
    /// Returns 429 if the attempt has to wait.
    pub async fn admit_in_session<'a>(
        &'a self,
        store: &'a Store,
        (account, session_id): (&Account, SessionId),
        origin: &'a Origin,
    ) -> Result<(AdmittedAttempt<'a>, Option<Credential>), Problem> {
        let place = Place::Session(account.id, session_id);
        let (source, now) = (origin.source(), origin.now());
        let key = AttemptKey::new(&account.email, place, &source);
        let records = store.session_records(account.id, session_id, &key, now);
        let (records, session) = records.await?;
        let is_live = |session: &Session| {
            session.expires_at > now && session.password_epoch == account.password_epoch
        };
        let Some(session) = session.filter(is_live) else {
            return self.admit(store, &account.email, origin).await;
        };
        let key = match Source::of(&session.device.ip) == source {
            true => key.at_home(),
            false => key,
        };
        self.check(store, key, records, origin).await
    }

    /// As [`Throttle::admit`], for a password that is asked for with a link. These attempts are counted
    /// by link: whoever guesses at the address cannot make its owner wait here.
    ///
    /// # Errors
    ///
    /// Returns 429 if the attempt has to wait.
    pub async fn admit_with_link<'a>(
        &'a self,
        store: &'a Store,
        (link, email): (&Link, &Email),
        origin: &'a Origin,
    ) -> Result<(AdmittedAttempt<'a>, Option<Credential>), Problem> {
        let place = Place::Link(link.user_id, link.id);
        let key = AttemptKey::new(email, place, &origin.source());
        let records = store.login_records(&key, origin.now()).await?;
        self.check(store, key, records, origin).await
    }

    async fn check<'a>(
        &'a self,
        store: &'a Store,
        key: AttemptKey,
        records: LoginRecords,
        origin: &'a Origin,
    ) -> Result<(AdmittedAttempt<'a>, Option<Credential>), Problem> {
        let LoginRecords {
            credential,
            at_place: seen,
            of_source,
        } = records;
        let now = origin.now();
        let is_counted = is_counted_at_all_addresses(&key, &seen, now);
        let waits_as_source = self.policy.source_waits(of_source, now);
        if let Some(seconds) = waits_as_source.filter(|_| is_counted) {
            return Err(refused(store, &key, origin, (seconds, "source")).await);
        }
        if let Err(wait) = seen.attempts.may_try(&key, &self.policy, now) {
            return Err(waits(store, &key, origin, wait).await);
        }
        let attempt = AdmittedAttempt {
            throttle: self,
            store,
            key,
            origin,
            seen,
        };
        Ok((attempt, credential))
    }

    /// Counts a registration of the source, like an attempt at an address where it is not known, and
    /// returns the source's key at the address. Nothing gives it back: a registration proves nothing,
    /// and its answer tells whether the address has an account.
    ///
    /// # Errors
    ///
    /// Returns 429 if the source has made too many attempts.
    pub async fn count_registration(
        &self,
        store: &Store,
        email: &Email,
        origin: &Origin,
    ) -> Result<AttemptKey, Problem> {
        let key = AttemptKey::new(email, Place::Address, &origin.source());
        let counted = store.count_source(&key, &self.policy, origin.now());
        match counted.await? {
            Ok(_) => Ok(key),
            Err(seconds) => Err(refused(store, &key, origin, (seconds, "source")).await),
        }
    }

    /// Returns where a request comes from, as [`ClientAddress::origin`] does.
    pub fn origin(&self, request: &Request, millis: u64) -> Origin {
        self.client_address.origin(request, millis)
    }
}

impl<'a> AdmittedAttempt<'a> {
    /// Counts this attempt. `login` is the last login of the account, if there is one. Run it
    /// concurrently with the hash, and look at the hash's result only after this has returned `Ok`.
    ///
    /// # Errors
    ///
    /// Returns 429 if concurrent attempts have used up the limit.
    pub async fn reserve(
        mut self,
        login: Option<LastLogin>,
    ) -> Result<ReservedAttempt<'a>, Problem> {
        let Throttle { policy, .. } = self.throttle;
        let (store, origin, now) = (self.store, self.origin, self.origin.now());
        let seen = std::mem::take(&mut self.seen);
        let mut of_source = 0;
        if is_counted_at_all_addresses(&self.key, &seen, now) {
            let counted = store.count_source(&self.key, policy, now);
            of_source = match counted.await? {
                Ok(made) => made,
                Err(seconds) => {
                    return Err(refused(store, &self.key, origin, (seconds, "source")).await);
                }
            };
        }
        let reserve = store.reserve_attempt(&self.key, seen, policy, (login.as_ref(), now));
        match reserve.await? {
            Reserved::Granted(seen) => Ok(ReservedAttempt {
                attempt: Self { seen, ..self },
                of_source,
            }),
            Reserved::Refused(wait) => {
                // Concurrent attempts were faster. This one is refused, so it counts nowhere.
                if of_source > 0 {
                    store.uncount_source(&self.key, now).await?;
                }
                Err(waits(store, &self.key, origin, wait).await)
            }
        }
    }
}

impl ReservedAttempt<'_> {
    /// Returns whether the source was known at this place before this attempt.
    pub fn is_of_known_source(&self) -> bool {
        let AdmittedAttempt {
            seen, key, origin, ..
        } = &self.attempt;
        seen.attempts.is_known(key, origin.now())
    }

    /// Returns the last login to store in the account if this attempt was a login. The next attempt
    /// reads it to reset the count.
    pub fn login(&self) -> LastLogin {
        let AdmittedAttempt {
            seen, key, origin, ..
        } = &self.attempt;
        LastLogin {
            at: origin.now(),
            attempt: seen.attempts.last_of(key),
        }
    }

    /// Records that the password was right: resets the source's count at this place, where the source
    /// becomes known.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn succeeded(&self) -> Result<(), StoreError> {
        let AdmittedAttempt {
            throttle,
            store,
            key,
            origin,
            seen,
        } = &self.attempt;
        let now = origin.now();
        let give_back = async {
            // A source with few attempts skips this write. A source that many people share needs it:
            // their logins would lock it out.
            if self.of_source > throttle.policy.of_source / 2 {
                store.uncount_source(key, now).await?;
            }
            Ok(())
        };
        let reset = store.reset_attempts(key, seen, now);
        tokio::try_join!(give_back, reset).map(|_| ())
    }

    /// Gives the attempt back if the password was right and a later step failed on the server, so
    /// that a client that retries is not throttled as if it guessed. If this fails too, the attempt
    /// still counts.
    pub async fn refund(&self) {
        if let Err(error) = self.succeeded().await {
            let cause = logging::chain(&error);
            tracing::warn!(cause, "an attempt with the right password still counts");
        }
    }
}

/// Returns whether the attempt is among those of the source at all addresses. A source that has
/// logged in at the address before, or has a token of a session, is not trying one address after the
/// other.
fn is_counted_at_all_addresses(key: &AttemptKey, seen: &VersionedAttempts, now: u64) -> bool {
    key.place() == Place::Address && !seen.attempts.is_known(key, now)
}

async fn waits(store: &Store, key: &AttemptKey, origin: &Origin, wait: Wait) -> Problem {
    let by = if wait.of_strangers { "address" } else { "both" };
    refused(store, key, origin, (wait.seconds, by)).await
}

/// `by` names what has too many attempts: the address, the session or the link, the source, or the
/// source there. The event is stored at the place: an owner reads of what happens with a token of the
/// account, and not of what strangers do at its address.
async fn refused(
    store: &Store,
    key: &AttemptKey,
    origin: &Origin,
    (seconds, by): (u64, &'static str),
) -> Problem {
    const REFUSED: AuditEvent = AuditEvent::AttemptRefused;
    let (entry, subject) = match key.place() {
        // Whoever has a link may be a stranger to the account, which may not even be open yet.
        Place::Address | Place::Link(..) => (
            REFUSED.of_nobody(),
            Subject::Address(key.address().to_owned()),
        ),
        Place::Session(user, session) => (REFUSED.of(user).session(session), user.into()),
    };
    let event = Event::new(entry.by(by).wait(seconds), subject, origin);
    let stored = store.record([&event]).await;
    event.log();
    match stored {
        Ok(()) => Problem::TooManyAttempts { seconds },
        Err(fault) => fault.into(),
    }
}
