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
        if digests.is_empty() {
            // The old system takes no such password. The refusal takes no less time for that.
            self.is_of(hash, &[]).await?;
            work = hash.work();
        }
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
        for _ in done(extra, &self.params)..self.floor {
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

/// Returns how many hashes with `params` take as long as `extra`, if that takes a fifth less time than
/// was estimated.
fn done(extra: Work, params: &Params) -> u64 {
    extra.nanos.saturating_mul(4) / 5 / work_of(params).nanos.max(1)
}

/// Returns how many hashes with `params` a refusal costs beside the ordinary one, if the costliest
/// imported password takes `millis` milliseconds: seven tenths of them, since it may take a fifth less
/// time or two fifths more than was estimated.
pub(super) fn floor(millis: u64, params: &Params) -> u64 {
    let (costliest, ordinary) = (
        millis.saturating_mul(1_000_000),
        work_of(params).nanos.max(1),
    );
    match costliest.saturating_mul(10) < ordinary.saturating_mul(7) {
        true => 0,
        false => costliest
            .saturating_mul(7)
            .div_ceil(ordinary.saturating_mul(10)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::password::legacy::{Derivation, LegacyScheme};
    use crate::platform::config::Env;

    fn hasher() -> Hasher {
        let lookup = |name: &str| (name == "ARGON2_MEMORY_KIB").then(|| "8".to_owned());
        #[expect(
            clippy::disallowed_methods,
            reason = "a test of the order, not of the strength"
        )]
        let env = Env::new(&lookup).with_weak_hashes();
        Hasher::from_env(&env).unwrap()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    async fn matches(stored: &StoredPassword, typed: &str) -> bool {
        let password = Password::presented(typed).unwrap();
        let (hasher, secrets) = (hasher(), Secrets::default());
        let verified = hasher.verify(&password, stored, &secrets).await;
        verified.unwrap().matches
    }

    #[test]
    fn an_imported_password_is_compared_as_typed_and_its_digest_is_no_password() {
        block_on(async {
            let scheme = LegacyScheme::of(Derivation::Plain);
            let digest = "Ange\u{301}lique".as_bytes().to_vec().into();
            let hash = hasher().wrap(&digest).await.unwrap();
            let stored = StoredPassword::Imported(Imported { scheme, hash });
            assert!(matches(&stored, "Ange\u{301}lique").await);
            assert!(!matches(&stored, "Ang\u{e9}lique").await);
            assert!(!matches(&stored, "").await);
            assert!(hasher().is_obsolete(&stored));
        });
    }

    #[test]
    fn an_absent_password_matches_nothing() {
        block_on(async {
            let stored = StoredPassword::from_text("absent").unwrap();
            assert!(!matches(&stored, "absent").await);
            assert!(!matches(&stored, "").await);
        });
    }

    /// Whatever the costliest import takes, and whatever another one does, a refusal takes at most
    /// twice as long as that of an ordinary password, and not less.
    #[test]
    fn refusals_take_between_one_and_two_times_the_ordinary_time() {
        let params = Params::new(19456, 2, 1, None).unwrap();
        let ordinary = work_of(&params).nanos;
        let most = Work::MOST.nanos / 1_000_000;
        for costliest in 0..=most {
            let floor = floor(costliest, &params);
            for imported in [0, costliest / 7, costliest / 2, costliest] {
                let estimated = imported * 1_000_000;
                let hashes = floor.saturating_sub(done(Work::of(estimated, 1), &params));
                // As long as was estimated, a fifth less, or two fifths more.
                for time in [estimated, estimated * 4 / 5, estimated * 7 / 5] {
                    let refusal = time + ordinary + hashes * ordinary;
                    let other = ordinary + floor * ordinary;
                    assert!(
                        refusal >= other * 99 / 100 && refusal <= 2 * other,
                        "{costliest} ms, {imported} ms, {time} ns: {refusal} and {other} ns"
                    );
                }
            }
        }
    }
}
