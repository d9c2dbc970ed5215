//! Limits password guessing. Every operation that verifies a password goes through it.

use lambda_http::Request;

use super::authenticate::gateway_context;
use super::problem::Problem;
use crate::domain::email::Email;
use crate::domain::throttle::{AttemptKey, AttemptPolicy, LastLogin, Source, Wait};
use crate::observe::audit::AuditEvent;
use crate::observe::logging;
use crate::platform::config::{ConfigError, Env};
use crate::store::attempts::{LoginRecords, Reserved, VersionedAttempts};
use crate::store::credentials::Credential;
use crate::store::{Store, StoreError};

/// The limit on how often passwords are guessed: by address, by source, and by both.
pub struct Throttle {
    policy: AttemptPolicy,
}

/// An attempt that may go on to verify the password.
pub struct AdmittedAttempt<'a> {
    throttle: &'a Throttle,
    store: &'a Store,
    key: AttemptKey,
    now: u64,
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
    /// Reads the same settings as [`AttemptPolicy::from_env`].
    ///
    /// # Errors
    ///
    /// Returns an error if a setting is unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            policy: AttemptPolicy::from_env(env)?,
        })
    }

    /// Starts an attempt at the password of `email` at `now`, and returns it with the credential of
    /// the address, if it has an account. If the attempt has to wait, no password is hashed.
    ///
    /// # Errors
    ///
    /// Returns 429 if the attempt has to wait.
    pub async fn admit<'a>(
        &'a self,
        store: &'a Store,
        email: &Email,
        request: &Request,
        now: u64,
    ) -> Result<(AdmittedAttempt<'a>, Option<Credential>), Problem> {
        let gateway = gateway_context(request);
        let ip = gateway.and_then(|gateway| gateway.http.source_ip.as_deref());
        let key = AttemptKey::new(email, &Source::of(ip.unwrap_or_default()));
        let LoginRecords {
            credential,
            at_address: seen,
            of_source,
        } = store.login_records(&key, now).await?;
        let known = seen.attempts.is_known(&key, now);
        let waits_as_source = self.policy.source_waits(of_source, now);
        if let Some(seconds) = waits_as_source.filter(|_| !known) {
            return Err(refused(seconds, "source"));
        }
        let may_try = seen.attempts.may_try(&key, &self.policy, now);
        may_try.map_err(waits)?;
        let attempt = AdmittedAttempt {
            throttle: self,
            store,
            key,
            now,
            seen,
        };
        Ok((attempt, credential))
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
        let Throttle { policy } = self.throttle;
        let seen = std::mem::take(&mut self.seen);
        let mut of_source = 0;
        // A source that has logged in here before is not trying one address after the other.
        if !seen.attempts.is_known(&self.key, self.now) {
            let counted = self.store.count_source(&self.key, policy, self.now);
            of_source = counted
                .await?
                .map_err(|seconds| refused(seconds, "source"))?;
        }
        let reserve =
            self.store
                .reserve_attempt(&self.key, seen, policy, (login.as_ref(), self.now));
        match reserve.await? {
            Reserved::Granted(seen) => Ok(ReservedAttempt {
                attempt: Self { seen, ..self },
                of_source,
            }),
            Reserved::Refused(wait) => Err(waits(wait)),
        }
    }
}

impl ReservedAttempt<'_> {
    /// Returns the last login to store in the account if this attempt was a login. The next attempt
    /// reads it to reset the count.
    pub fn login(&self) -> LastLogin {
        let AdmittedAttempt { seen, key, now, .. } = &self.attempt;
        LastLogin {
            at: *now,
            attempt: seen.attempts.last_of(key),
        }
    }

    /// Records that the password was right: resets the source's count at this address, where the
    /// source becomes known.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer.
    pub async fn succeeded(&self) -> Result<(), StoreError> {
        let AdmittedAttempt {
            throttle,
            store,
            key,
            now,
            seen,
        } = &self.attempt;
        let give_back = async {
            // Sources with few attempts skip the write. Without it, a source that many people share
            // would be locked out by their logins.
            if self.of_source > throttle.policy.of_source / 2 {
                store.uncount_source(key, *now).await?;
            }
            Ok(())
        };
        let reset = store.reset_attempts(key, seen, *now);
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

fn waits(wait: Wait) -> Problem {
    let by = if wait.of_account { "address" } else { "both" };
    refused(wait.seconds, by)
}

/// `by` names what has too many attempts: the address, the source, or the source at this address.
fn refused(seconds: u64, by: &'static str) -> Problem {
    AuditEvent::AttemptRefused
        .of_nobody()
        .by(by)
        .wait(seconds)
        .log();
    Problem::TooManyAttempts { seconds }
}
