//! Hashing and verification of passwords.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;
use tokio::task;

use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use super::Password;
use super::legacy::{Digest, LegacyError};
use super::verification::floor;
use crate::observe::request_log::{longest, record};
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;
use crate::platform::settings::{ARGON2_ITERATIONS, ARGON2_MEMORY_KIB, IMPORTED_HASH_MILLIS};

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
    /// What another system made of the password cannot be computed.
    #[error("the imported password")]
    Imported(#[from] LegacyError),
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
    pub(super) params: Params,
    pub(super) written_params: ParamsString,
    /// The number of hashes that a refusal costs beside the ordinary one: see [`Hasher::level`].
    pub(super) floor: u64,
    pub(super) permits: Arc<Semaphore>,
    /// The memory of hashes that run while another hash uses [`MEMORY`].
    spare: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Hasher {
    pub(super) const PARALLELISM: u32 = 1;
    /// The equivalent sets of OWASP's Password Storage Cheat Sheet: memory in KiB, and passes.
    const LEAST: [(u64, u64); 5] = [(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)];

    /// Reads [`ARGON2_MEMORY_KIB`], [`ARGON2_ITERATIONS`] and [`IMPORTED_HASH_MILLIS`]. `p` is 1, since a Lambda function has
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
        if !env.has_weak_hashes() && !Self::is_strong(memory_kib, iterations) {
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
            floor: floor(env.setting(&IMPORTED_HASH_MILLIS)?, &params),
            params,
            written_params,
            permits: Arc::new(Semaphore::new(processors)),
            spare: Arc::default(),
        })
    }

    /// Returns whether hashes with this memory, in KiB, and these passes are strong enough.
    pub(super) fn is_strong(memory_kib: u64, passes: u64) -> bool {
        let mut least = Self::LEAST.into_iter();
        least.any(|(memory, least)| memory_kib >= memory && passes >= least)
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
        self.hash_octets(password.octets()).await
    }

    /// Hashes what another system made of a password, with a fresh salt.
    ///
    /// # Errors
    ///
    /// Returns an error if the hashing itself fails.
    pub async fn wrap(&self, digest: &Digest) -> Result<PasswordHash, HashError> {
        self.hash_octets(digest.expose_secret()).await
    }

    pub(super) async fn hash_octets(&self, octets: &[u8]) -> Result<PasswordHash, HashError> {
        let salt = Salt::new(&random::octets::<16>())?;
        let hash = self.derive(&self.params, octets, salt).await?;
        Ok(self.assemble(salt, hash))
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

    fn assemble(&self, salt: Salt, hash: Output) -> PasswordHash {
        PasswordHash(phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: self.written_params.clone(),
            salt: Some(salt),
            hash: Some(hash),
        })
    }

    pub(super) async fn derive(
        &self,
        params: &Params,
        secret: &[u8],
        salt: Salt,
    ) -> Result<Output, HashError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let _permit = permit.map_err(|_| HashError::Closed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let blocks = params.block_count();
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let spare = Arc::clone(&self.spare);
        let secret = Zeroizing::new(secret.to_vec());
        let work = move || {
            let mut octets = [0; Output::MAX_LENGTH];
            let octets = octets
                .get_mut(..length)
                .ok_or(argon2::Error::OutputTooLong)?;
            let mut fill = |memory: &mut [Block]| {
                let began = Instant::now();
                argon2.hash_password_into_with_memory(&secret, &salt, octets, memory)?;
                Ok::<_, argon2::Error>(began.elapsed())
            };
            let mut shared = MEMORY.try_lock();
            let shared = shared.as_mut().ok();
            let took = if let Some(memory) = shared.and_then(|all| all.get_mut(..blocks)) {
                fill(memory)?
            } else {
                // Another hash or `touch` is using it, or the hash was imported and needs more.
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
mod tests;
