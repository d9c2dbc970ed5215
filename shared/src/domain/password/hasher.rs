//! Hashing and verification of passwords.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;
use tokio::task;

use super::Password;
use crate::observe::request_log::{longest, record};
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;
use crate::platform::settings::{ARGON2_ITERATIONS, ARGON2_MEMORY_KIB};

use super::hash::{PasswordHash, UnusableHash};
use super::hash_memory::{MEMORY, MOST_KIB, touch};

/// A failure of the hashing itself, not due to the password.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Argon2 refused its input.
    #[error("argon2 failed")]
    Argon2(#[from] argon2::Error),
    /// A salt or an output is not valid in a PHC string.
    #[error("the hash cannot be written")]
    Phc(#[from] phc::Error),
    /// The stored hash cannot be used.
    #[error("the stored hash")]
    Stored(#[from] UnusableHash),
    /// The hashing thread has ended.
    #[error("the hashing task failed")]
    Task(#[source] task::JoinError),
    /// The hasher is shutting down.
    #[error("the hasher is closed")]
    Closed,
}

/// Hashes and verifies passwords with Argon2id (RFC 9106).
///
/// The memory of a hash is allocated once and reused, since the first hash of a process takes half
/// as long again. Hashes run on threads of their own, so that a handler can wait for DynamoDB at
/// the same time. At most as many run at once as there are processors.
#[derive(Clone)]
pub struct Hasher {
    params: Params,
    written_params: ParamsString,
    permits: Arc<Semaphore>,
    /// The memory of hashes that run while another hash uses [`MEMORY`].
    spare: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Hasher {
    pub(super) const PARALLELISM: u32 = 1;
    /// The equivalent sets of OWASP's Password Storage Cheat Sheet: memory in KiB, and passes.
    const LEAST: [(u64, u64); 5] = [(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)];

    /// Reads [`ARGON2_MEMORY_KIB`] and [`ARGON2_ITERATIONS`]. `p` is 1, since a Lambda function has
    /// about one processor.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is not a number in its range, or if both together are weaker
    /// than OWASP requires.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let memory_range = match env.has_weak_hashes() {
            true => u64::from(Params::MIN_M_COST)..=MOST_KIB,
            false => ARGON2_MEMORY_KIB.range,
        };
        let memory_kib = env.setting_within(&ARGON2_MEMORY_KIB, memory_range)?;
        let iterations = env.setting(&ARGON2_ITERATIONS)?;
        let refused = || {
            ConfigError::new(format!(
                "ARGON2_MEMORY_KIB is {memory_kib} with ARGON2_ITERATIONS {iterations}, which is \
                 too little work; set them to a pair no weaker than 47104 and 1, 19456 and 2, \
                 12288 and 3, 9216 and 4, or 7168 and 5"
            ))
        };
        let strong = |(memory, passes)| memory_kib >= memory && iterations >= passes;
        if !env.has_weak_hashes() && !Self::LEAST.into_iter().any(strong) {
            return Err(refused());
        }
        let [memory, passes] = [memory_kib, iterations].map(u32::try_from);
        let (Ok(memory), Ok(passes)) = (memory, passes) else {
            return Err(refused());
        };
        let params = Params::new(memory, passes, Self::PARALLELISM, None);
        let params = params.map_err(|_| refused())?;
        let written_params = ParamsString::try_from(&params).map_err(|_| refused())?;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            params,
            written_params,
            permits: Arc::new(Semaphore::new(processors)),
            spare: Arc::default(),
        })
    }

    /// Starts to touch the memory of the first hash, on two threads, and returns at once.
    pub fn start_warm_up(&self) {
        let blocks = self.params.block_count();
        // If the thread cannot be started, [`Hasher::warm_up`] or the first hash touches the
        // memory.
        let _ = thread::Builder::new().spawn(move || touch(blocks));
    }

    /// Waits until the memory of the first hash is available.
    pub async fn warm_up(&self) {
        let blocks = self.params.block_count();
        let _ = task::spawn_blocking(move || touch(blocks)).await;
    }

    /// Hashes a password with a fresh salt.
    ///
    /// # Errors
    ///
    /// Returns an error if the hashing itself fails.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let salt = Salt::new(&random::octets::<16>())?;
        let hash = self.derive(&self.params, password, salt).await?;
        Ok(self.assemble(salt, hash))
    }

    /// Returns whether `stored` is a hash of `password`.
    ///
    /// # Errors
    ///
    /// Returns an error if the hashing itself fails.
    pub async fn verify(
        &self,
        password: &Password,
        stored: &PasswordHash,
    ) -> Result<bool, HashError> {
        let (params, salt, hash) = stored.parts()?;
        // The comparison of two `Output`s takes constant time.
        Ok(self.derive(&params, password, salt).await? == hash)
    }

    /// Returns a hash that no password matches and that takes as long to verify as any other, for
    /// addresses that have no account.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Hasher::hash`], without hashing.
    pub fn unmatchable(&self) -> Result<PasswordHash, HashError> {
        let hash = Output::new(&random::octets::<{ Params::DEFAULT_OUTPUT_LEN }>())?;
        Ok(self.assemble(Salt::new(&random::octets::<16>())?, hash))
    }

    /// Returns whether `stored` was made with other parameters than the configured ones. If so,
    /// replace it while the password is at hand.
    pub fn is_obsolete(&self, stored: &PasswordHash) -> bool {
        stored.0.params != self.written_params
    }

    fn assemble(&self, salt: Salt, hash: Output) -> PasswordHash {
        PasswordHash(phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: self.written_params.clone(),
            salt: Some(salt),
            hash: Some(hash),
        })
    }

    async fn derive(
        &self,
        params: &Params,
        password: &Password,
        salt: Salt,
    ) -> Result<Output, HashError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let _permit = permit.map_err(|_| HashError::Closed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let blocks = params.block_count();
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let spare = Arc::clone(&self.spare);
        let password = password.clone();
        let work = move || {
            let mut octets = [0; Output::MAX_LENGTH];
            let octets = octets
                .get_mut(..length)
                .ok_or(argon2::Error::OutputTooLong)?;
            let mut fill = |memory: &mut [Block]| {
                let began = Instant::now();
                argon2.hash_password_into_with_memory(password.octets(), &salt, octets, memory)?;
                Ok::<_, argon2::Error>(began.elapsed())
            };
            let took = if let Ok(mut memory) = MEMORY.try_lock() {
                fill(&mut memory[..blocks])?
            } else {
                // Another hash or `touch` is using it.
                let free = || spare.lock().unwrap_or_else(PoisonError::into_inner);
                let mut memory = free().pop().unwrap_or_default();
                if memory.len() < blocks {
                    memory.resize(blocks, Block::new());
                }
                let took = fill(&mut memory[..blocks]);
                free().push(memory);
                took?
            };
            Ok::<_, HashError>((Output::new(octets)?, took))
        };
        let work = task::spawn_blocking(work).await;
        let (hash, took) = work.map_err(HashError::Task)??;
        record(|log| longest(&mut log.hash_ms, took));
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(memory_kib: &str) -> Hasher {
        let lookup = |name: &str| match name {
            "ARGON2_MEMORY_KIB" => Some(memory_kib.to_owned()),
            "ARGON2_ITERATIONS" => Some("5".to_owned()),
            _ => None,
        };
        Hasher::from_env(&Env::new(&lookup)).unwrap()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    fn password(text: &str) -> Password {
        Password::presented(text).unwrap()
    }

    #[test]
    fn a_password_matches_its_own_hash_and_no_other() {
        block_on(async {
            let hasher = hasher("7168");
            let stored = hasher
                .hash(&password("correct horse battery"))
                .await
                .unwrap();
            assert!(
                stored
                    .to_phc()
                    .starts_with("$argon2id$v=19$m=7168,t=5,p=1$")
            );
            let read = PasswordHash::from_phc(&stored.to_phc()).unwrap();
            assert!(
                hasher
                    .verify(&password("correct horse battery"), &read)
                    .await
                    .unwrap()
            );
            for wrong in [
                "",
                "Correct horse battery",
                "correct horse battery ",
                "correct\0horse",
            ] {
                assert!(
                    !hasher.verify(&password(wrong), &read).await.unwrap(),
                    "{wrong:?}"
                );
            }
            let unmatchable = hasher.unmatchable().unwrap();
            assert!(!hasher.verify(&password(""), &unmatchable).await.unwrap());
        });
    }

    #[test]
    fn octets_after_a_nul_count() {
        block_on(async {
            let hasher = hasher("7168");
            let stored = hasher.hash(&password("nul\0one")).await.unwrap();
            assert!(!hasher.verify(&password("nul\0two"), &stored).await.unwrap());
        });
    }

    #[test]
    fn two_ways_to_write_a_letter_are_one_password() {
        block_on(async {
            let hasher = hasher("7168");
            let stored = hasher.hash(&password("Ang\u{e9}lique")).await.unwrap();
            assert!(
                hasher
                    .verify(&password("Ange\u{301}lique"), &stored)
                    .await
                    .unwrap()
            );
        });
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        block_on(async {
            let hasher = hasher("7168");
            let one = hasher.hash(&password("the same password")).await.unwrap();
            let two = hasher.hash(&password("the same password")).await.unwrap();
            assert_ne!(one.to_phc(), two.to_phc());
        });
    }

    #[test]
    fn the_memory_of_hashes_at_the_same_time_is_reused_and_grows_for_costlier_ones() {
        let small = hasher("7168");
        // The lock simulates another hash at work.
        let busy = MEMORY.lock();
        block_on(async {
            let stored = hasher("8192")
                .hash(&password("from another time"))
                .await
                .unwrap();
            for _ in 0..3 {
                small.hash(&password("again and again")).await.unwrap();
                assert!(
                    small
                        .verify(&password("from another time"), &stored)
                        .await
                        .unwrap()
                );
            }
        });
        drop(busy);
        let spare = small.spare.lock().unwrap();
        assert_eq!(spare.iter().map(Vec::len).collect::<Vec<_>>(), [8192]);
    }

    #[test]
    fn parameters_weaker_than_owasp_s_stop_the_start() {
        let from = |memory: &'static str, passes: &'static str| {
            let lookup = |name: &str| match name {
                "ARGON2_MEMORY_KIB" => Some(memory.to_owned()),
                _ => Some(passes.to_owned()),
            };
            Hasher::from_env(&Env::new(&lookup)).map(|_| ())
        };
        for (memory, passes) in [
            ("19456", "2"),
            ("65536", "1"),
            ("7168", "5"),
            ("10000", "4"),
        ] {
            assert!(from(memory, passes).is_ok(), "{memory} {passes}");
        }
        for (memory, passes) in [("7168", "4"), ("19455", "2"), ("47103", "1")] {
            let sentence = from(memory, passes).unwrap_err().to_string();
            assert!(sentence.starts_with("ARGON2_MEMORY_KIB is"), "{sentence}");
        }
    }

    #[test]
    fn a_hash_of_other_parameters_is_obsolete() {
        block_on(async {
            let (now, before) = (hasher("8192"), hasher("7168"));
            let stored = before.hash(&password("still valid")).await.unwrap();
            assert!(now.is_obsolete(&stored));
            assert!(!before.is_obsolete(&stored));
        });
    }

    #[test]
    fn neither_a_password_nor_its_hash_shows_in_debug_output() {
        let hash = hasher("7168").unmatchable().unwrap();
        assert_eq!(
            format!("{:?} {hash:?}", password("secret")),
            "Password PasswordHash"
        );
    }

    #[test]
    fn a_hash_of_another_kind_or_of_hostile_cost_is_unusable() {
        let salt_and_hash = "c29tZXNhbHRzb21lc2FsdA$\
                             MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
        let phc = |head: &str| PasswordHash::from_phc(&format!("{head}${salt_and_hash}"));
        assert!(phc("$argon2id$v=19$m=19456,t=2,p=1").is_ok());
        for head in [
            "$argon2i$v=19$m=19456,t=2,p=1",
            "$argon2id$v=16$m=19456,t=2,p=1",
            "$argon2id$v=19$m=4194304,t=2,p=1",
            "$argon2id$v=19$m=19456,t=1000,p=1",
            "$argon2id$v=19$m=19456,t=2,p=8",
            "plain",
        ] {
            assert_eq!(phc(head), Err(UnusableHash), "{head}");
        }
        assert_eq!(
            PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1"),
            Err(UnusableHash)
        );
        assert_eq!(PasswordHash::from_phc(""), Err(UnusableHash));
    }
}
