//! Stands before every place where a password can be guessed.

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

/// Bounds how often passwords are guessed: by address, by source, and by both.
pub struct Throttle {
    policy: AttemptPolicy,
}

/// An attempt that may go on to the password.
pub struct AdmittedAttempt<'a> {
    throttle: &'a Throttle,
    store: &'a Store,
    key: AttemptKey,
    now: u64,
    seen: VersionedAttempts,
}

/// An attempt that counts: its outcome may be told.
pub struct ReservedAttempt<'a> {
    attempt: AdmittedAttempt<'a>,
    /// How many the source has made at all addresses, where that was counted.
    of_source: u64,
}

impl Throttle {
    /// Reads what [`AttemptPolicy::from_env`] reads.
    ///
    /// # Errors
    ///
    /// Where it is unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            policy: AttemptPolicy::from_env(env)?,
        })
    }

    /// Begins an attempt at the password of `email`, at `now`, and gives what the address logs in with,
    /// if it has an account. Nothing is hashed for an attempt that has to wait.
    ///
    /// # Errors
    ///
    /// 429 where it has to wait.
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
    /// Counts the attempt, at an account with that last login, if it has one. It is to run beside
    /// the hash, and what the hash says is to be looked at only when it has counted.
    ///
    /// # Errors
    ///
    /// 429 where others have used up what was left meanwhile.
    pub async fn reserve(
        mut self,
        login: Option<LastLogin>,
    ) -> Result<ReservedAttempt<'a>, Problem> {
        let Throttle { policy } = self.throttle;
        let seen = std::mem::take(&mut self.seen);
        let mut of_source = 0;
        // A source that has logged in here before is nobody who tries one address after the other.
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
    /// What is to be noted in the account where this was a login: it tells the next attempt so.
    pub fn login(&self) -> LastLogin {
        let AdmittedAttempt { seen, key, now, .. } = &self.attempt;
        LastLogin {
            at: *now,
            attempt: seen.attempts.last_of(key),
        }
    }

    /// The password was right: the source starts anew at this address, and is known there.
    ///
    /// # Errors
    ///
    /// Where DynamoDB does not answer.
    pub async fn succeeded(&self) -> Result<(), StoreError> {
        let AdmittedAttempt {
            throttle,
            store,
            key,
            now,
            seen,
        } = &self.attempt;
        let give_back = async {
            // A source in good standing is spared the write; one that many people share would
            // otherwise be shut for their logins.
            if self.of_source > throttle.policy.of_source / 2 {
                store.uncount_source(key, *now).await?;
            }
            Ok(())
        };
        let reset = store.reset_attempts(key, seen, *now);
        tokio::try_join!(give_back, reset).map(|_| ())
    }

    /// The password was right, and then something of ours failed: whoever tries again until that is
    /// over must not be made to wait as if they guessed. Where this fails too, the attempt counts.
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

/// `by` is what has too many attempts: the address, the source, or the source at this address.
fn refused(seconds: u64, by: &'static str) -> Problem {
    AuditEvent::AttemptRefused
        .of_nobody()
        .by(by)
        .wait(seconds)
        .log();
    Problem::TooManyAttempts { seconds }
}
