//! Stored password hashes.

use std::fmt;

use argon2::password_hash::phc::{self, Output, Salt};
use argon2::{Algorithm, Params, Version};

use super::hash_memory::MOST_KIB;
use super::hasher::Hasher;
use super::legacy::Work;
use crate::platform::settings::ARGON2_ITERATIONS;

/// The stored form of a password: an Argon2id hash as a PHC string. It cannot be printed by
/// accident.
#[derive(Clone, PartialEq)]
pub struct PasswordHash(pub(super) phc::PasswordHash);

impl PasswordHash {
    /// Parses a stored hash.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a PHC string of Argon2id version 19, has no salt or
    /// hash, or costs more than any hash that [`Hasher`] writes.
    pub fn from_phc(text: &str) -> Result<Self, UnusableHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| UnusableHash)?;
        let stored = Self(hash);
        let (params, _, _) = stored.parts()?;
        let bearable = u64::from(params.m_cost()) <= MOST_KIB
            && u64::from(params.t_cost()) <= *ARGON2_ITERATIONS.range.end()
            && params.p_cost() == Hasher::PARALLELISM;
        let ours = stored.0.algorithm == Algorithm::Argon2id.ident()
            && stored.0.version == Some(Version::V0x13.into());
        if bearable && ours {
            Ok(stored)
        } else {
            Err(UnusableHash)
        }
    }

    /// Parses an Argon2id hash that another system made. It may cost more than ours, and have more
    /// lanes.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a PHC string of Argon2id version 19, has no salt or
    /// hash, has other parameters than memory, passes and lanes, or costs more than [`Work::MOST`].
    pub fn imported(text: &str) -> Result<Self, UnusableHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| UnusableHash)?;
        let stored = Self(hash);
        let (params, _, _) = stored.parts()?;
        let ours = stored.0.algorithm == Algorithm::Argon2id.ident()
            && stored.0.version == Some(Version::V0x13.into())
            && params.p_cost() <= Self::MOST_LANES
            && params.keyid().is_empty()
            && params.data().is_empty();
        let bearable = Work::of_argon2(params.m_cost(), params.t_cost()).bounded();
        if ours && bearable.is_ok() {
            Ok(stored)
        } else {
            Err(UnusableHash)
        }
    }

    /// The limit on the lanes of imported hashes. The lanes are computed one after the other.
    const MOST_LANES: u32 = 64;

    /// Returns whether the hash is at least as strong as one of the equivalent sets of OWASP's
    /// Password Storage Cheat Sheet.
    pub fn is_strong(&self) -> bool {
        let strong = |params: Params| {
            Hasher::is_strong(u64::from(params.m_cost()), u64::from(params.t_cost()))
        };
        self.parts().is_ok_and(|(params, _, _)| strong(params))
    }

    /// Returns the estimated work of verifying it.
    pub fn work(&self) -> Work {
        self.parts().map_or(Work::NONE, |(params, _, _)| {
            Work::of_argon2(params.m_cost(), params.t_cost())
        })
    }

    /// Returns the PHC string to store.
    pub fn to_phc(&self) -> String {
        self.0.to_string()
    }

    pub(super) fn parts(&self) -> Result<(Params, Salt, Output), UnusableHash> {
        let params = Params::try_from(&self.0).map_err(|_| UnusableHash)?;
        let salt = self.0.salt.ok_or(UnusableHash)?;
        let hash = self.0.hash.ok_or(UnusableHash)?;
        Ok((params, salt, hash))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// An error: the stored hash cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an Argon2id hash of a cost that is computed here")]
pub struct UnusableHash;
