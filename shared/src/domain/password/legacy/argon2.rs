//! Argon2 of any kind (RFC 9106, and version 16 before it).

use ::argon2::{Algorithm as Kind, Argon2, AssociatedData, Params, ParamsBuilder, Version};
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::step::known;
use super::{Digest, LegacyError, Octets, SecretName, Secrets, Work};

/// Argon2 as other systems use it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyArgon2 {
    /// The kind.
    pub kind: Argon2Kind,
    /// The version: 16 or 19.
    pub v: u32,
    /// The memory, in KiB.
    pub m: u32,
    /// The number of passes.
    pub t: u32,
    /// The number of lanes.
    pub p: u32,
    /// The salt.
    pub salt: Octets,
    /// The associated data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Octets>,
    /// The secret of the site that is used as Argon2's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
    /// The length of the digest in octets.
    #[serde(rename = "len")]
    pub length: u32,
}

/// The kinds of Argon2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Argon2Kind {
    /// Argon2d.
    D,
    /// Argon2i.
    I,
    /// Argon2id.
    Id,
}

impl LegacyArgon2 {
    /// The limit on the length of the digest in octets.
    pub const MOST_OCTETS: u32 = 1024;

    fn params(&self) -> Result<Params, LegacyError> {
        let mut builder = ParamsBuilder::new();
        builder.m_cost(self.m).t_cost(self.t).p_cost(self.p);
        if let Some(data) = &self.data {
            let data = AssociatedData::new(&data.0).map_err(|_| LegacyError::Unusable)?;
            builder.data(data);
        }
        builder.build().map_err(|_| LegacyError::Unusable)
    }

    /// Returns whether Argon2 accepts the parameters.
    pub fn is_usable(&self) -> bool {
        let version = Version::try_from(self.v).is_ok();
        let length = (4..=Self::MOST_OCTETS).contains(&self.length);
        let salt = self.salt.0.len() >= ::argon2::MIN_SALT_LEN;
        version && length && salt && self.params().is_ok()
    }
}

impl Derive for LegacyArgon2 {
    fn work(&self) -> Work {
        Work::of_argon2(self.m, self.t)
    }

    fn secret(&self) -> Option<&SecretName> {
        self.secret.as_ref()
    }

    fn digest(&self, password: &[u8], secrets: &Secrets) -> Result<Option<Digest>, LegacyError> {
        if !self.is_usable() {
            return Err(LegacyError::Unusable);
        }
        let kind = match self.kind {
            Argon2Kind::D => Kind::Argon2d,
            Argon2Kind::I => Kind::Argon2i,
            Argon2Kind::Id => Kind::Argon2id,
        };
        let version = Version::try_from(self.v).map_err(|_| LegacyError::Unusable)?;
        let params = self.params()?;
        let argon2 = match &self.secret {
            None => Argon2::new(kind, version, params),
            Some(name) => Argon2::new_with_secret(known(secrets, name)?, kind, version, params)
                .map_err(|_| LegacyError::UnusableSecret(name.clone(), "is too long"))?,
        };
        let length = usize::try_from(self.length).map_err(|_| LegacyError::Unusable)?;
        let mut digest = vec![0; length];
        let done = argon2.hash_password_into(password, &self.salt.0, &mut digest);
        done.map_err(|_| LegacyError::Unusable)?;
        Ok(Some(digest.into()))
    }
}
