//! Verification of passwords: our own and imported ones.

use std::sync::Arc;
use std::time::Instant;

use argon2::Params;
use secrecy::ExposeSecret as _;
use tokio::task;

use super::Password;
use super::hash::PasswordHash;
use super::hasher::{HashError, Hasher};
use super::legacy::{LegacyError, Secrets, Work};
use super::stored::{Imported, StoredPassword};
use crate::observe::request_log::{longest, record};
use crate::platform::random;
#[cfg(doc)]
use crate::platform::settings::IMPORTED_HASH_MILLIS;

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// Whether the password is the stored one.
    pub matches: bool,
    /// The work that it took beyond that of an ordinary password. A refusal gives it to
    /// [`Hasher::level`].
    pub extra: Work,
}

impl Hasher {
    /// Returns whether `stored` is of `password`. `secrets` are those that the scheme of an imported
    /// password names.
    ///
    /// # Errors
    ///
    /// Returns an error if the hashing itself fails, or a secret is missing.
    pub async fn verify(
        &self,
        password: &Password,
        stored: &StoredPassword,
        secrets: &Secrets,
    ) -> Result<Verification, HashError> {
        match stored {
            StoredPassword::Own(hash) => Ok(Verification {
                matches: self.is_of(hash, password.octets()).await?,
                extra: Work::NONE,
            }),
            StoredPassword::Imported(imported) => {
                self.verify_imported(password, imported, secrets).await
            }
            StoredPassword::Absent(_) => {
                self.is_of(&self.unmatchable()?, password.octets()).await?;
                Ok(Verification {
                    matches: false,
                    extra: Work::NONE,
                })
            }
        }
    }

    async fn verify_imported(
        &self,
        password: &Password,
        Imported { scheme, hash }: &Imported,
        secrets: &Secrets,
    ) -> Result<Verification, HashError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| HashError::Closed)?;
        let once = scheme.work_of_one().and(hash.work());
        let (scheme, secrets) = (scheme.clone(), secrets.clone());
        let password = password.clone();
        let work = move || {
            let began = Instant::now();
            let digests = scheme.digests(password.expose_typed(), &secrets)?;
            Ok::<_, LegacyError>((digests, began.elapsed()))
        };
        let work = task::spawn_blocking(work).await;
        let (digests, took) = work.map_err(HashError::Task)??;
        drop(permit);
        record(|log| longest(&mut log.hash_ms, took));
        let mut matches = false;
        let mut work = Work::NONE;
        for digest in &digests {
            // Each is compared, so that the time does not tell which one it is.
            matches |= self.is_of(hash, digest.expose_secret()).await?;
            work = work.and(once);
        }
        Ok(Verification {
            matches,
            extra: Work {
                nanos: work.nanos.saturating_sub(work_of(&self.params).nanos),
                ..work
            },
        })
    }

    /// Returns whether `hash` is of `octets`.
    async fn is_of(&self, hash: &PasswordHash, octets: &[u8]) -> Result<bool, HashError> {
        let (params, salt, hash) = hash.parts()?;
        // The comparison of two `Output`s takes constant time.
        Ok(self.derive(&params, octets, salt).await? == hash)
    }

    /// Hashes for as long as a refusal is to take beside the verification, whose work beyond that of
    /// an ordinary password was `extra`. Imported passwords cost more to verify than others, and a
    /// refusal must not tell which addresses have one: so every refusal takes at least nearly as
    /// long as that of the costliest of them ([`IMPORTED_HASH_MILLIS`]), and that one at most twice
    /// as long as the others.
    ///
    /// # Errors
    ///
    /// Returns an error if the hashing itself fails.
    pub async fn level(&self, extra: Work) -> Result<(), HashError> {
        // The estimate may be a quarter too high.
        let done = extra.nanos.saturating_mul(4) / 5 / work_of(&self.params).nanos.max(1);
        for _ in done..self.floor {
            self.hash_octets(&random::octets::<16>()).await?;
        }
        Ok(())
    }

    /// Returns whether `stored` was made with other parameters than the configured ones, or was
    /// imported. If so, replace it while the password is at hand.
    pub fn is_obsolete(&self, stored: &StoredPassword) -> bool {
        match stored {
            StoredPassword::Own(hash) => hash.0.params != self.written_params,
            StoredPassword::Imported(_) | StoredPassword::Absent(_) => true,
        }
    }
}

fn work_of(params: &Params) -> Work {
    Work::of_argon2(params.m_cost(), params.t_cost())
}

/// Returns how many hashes with `params` a refusal costs beside the ordinary one, if the costliest
/// imported password takes `millis` milliseconds: seven tenths of them, since the estimate may be a
/// quarter too high or half as much too low.
pub(super) fn floor(millis: u64, params: &Params) -> u64 {
    let (costliest, ordinary) = (
        millis.saturating_mul(1_000_000),
        work_of(params).nanos.max(1),
    );
    match costliest.saturating_mul(10) < ordinary.saturating_mul(9) {
        true => 0,
        false => costliest
            .saturating_mul(7)
            .div_ceil(ordinary.saturating_mul(10)),
    }
}
