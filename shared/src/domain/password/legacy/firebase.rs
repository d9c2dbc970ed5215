//! Firebase's scrypt (<https://github.com/firebase/scrypt>).

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::scrypt::Scrypt;
use super::step::{joined, known};
use super::{Digest, LegacyError, Octets, SecretName, Secrets, Work};

/// scrypt, whose key encrypts the signer key of the project. The cipher text is the digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Firebase {
    /// The binary logarithm of scrypt's cost parameter: the project's `mem_cost`.
    pub ln: u8,
    /// scrypt's block size: the project's `rounds`.
    pub r: u32,
    /// scrypt's parallelism: always 1, except in copies of the form.
    pub p: u32,
    /// The salt, and after it the project's `base64_salt_separator`.
    pub salt: Octets,
    /// The secret with the project's `base64_signer_key`, in base64.
    pub signer: SecretName,
}

impl Firebase {
    /// Decodes a signer key: base64, padded or not, of at least one octet.
    pub fn signer_key(text: &str) -> Option<Zeroizing<Vec<u8>>> {
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let key = Zeroizing::new(LENIENT.decode(text.trim()).ok()?);
        (!key.is_empty()).then_some(key)
    }
}

impl Derive for Firebase {
    fn work(&self) -> Work {
        Scrypt::work_of(self.ln, self.r, self.p)
    }

    fn secret(&self) -> Option<&SecretName> {
        Some(&self.signer)
    }

    fn digest(&self, password: &[u8], secrets: &Secrets) -> Result<Option<Digest>, LegacyError> {
        let text = str::from_utf8(known(secrets, &self.signer)?);
        let signer = text.ok().and_then(Self::signer_key);
        let signer = signer.ok_or_else(|| {
            LegacyError::UnusableSecret(self.signer.clone(), "is not a signer key in base64")
        })?;
        let key = Scrypt::derive((self.ln, self.r, self.p), &self.salt.0, 32, password)?;
        let unusable = |_| LegacyError::Unusable;
        let key = UnboundCipherKey::new(&AES_256, &key).map_err(unusable)?;
        let key = EncryptingKey::ctr(key).map_err(unusable)?;
        let mut digest = joined(&signer, &[]);
        // A counter that begins at zero is right, since each key is used once.
        let start = EncryptionContext::Iv128(FixedLength::from([0; 16]));
        key.less_safe_encrypt(&mut digest, start)
            .map_err(unusable)?;
        Ok(Some(digest.to_vec().into()))
    }
}
