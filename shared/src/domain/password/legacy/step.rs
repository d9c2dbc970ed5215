//! What other systems do to the octets of a password before they derive a digest from them.

use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::{Algorithm, Encoding, LegacyError, Octets, SecretName, Secrets};

/// One step before the derivation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Unicode normalisation form C. Octets that are not UTF-8 stay as they are, in all steps on
    /// text.
    Nfc,
    /// Unicode normalisation form KC.
    Nfkc,
    /// Unicode normalisation form KD.
    Nfkd,
    /// SASLprep (RFC 4013). What it forbids stays as it is, as PostgreSQL does.
    Saslprep,
    /// SASLprep (RFC 4013). What it forbids, the old system refuses.
    SaslprepOrRefuse,
    /// Upper case (the Unicode Standard section 3.13).
    Uppercase,
    /// UTF-16, little end first.
    Utf16Le,
    /// Removes white space at both ends, as Unicode defines it.
    Trim,
    /// Puts octets before.
    Prepend(Octets),
    /// Puts octets after.
    Append(Octets),
    /// Puts a secret of the site after (a pepper).
    AppendSecret(SecretName),
    /// Puts a secret of the site before.
    PrependSecret(SecretName),
    /// Keeps only so many octets from the start.
    Cut(usize),
    /// Keeps only what stands before the first NUL.
    CutAtNul,
    /// The old system refuses passwords with a NUL.
    RefuseNul,
    /// The old system refuses passwords of more octets.
    RefuseLonger(usize),
    /// The old system refuses the empty password.
    RefuseEmpty,
    /// Replaces the octets by their digest.
    Digest(Algorithm, Encoding),
    /// Replaces the octets by their digest if there are more than so many, or a NUL among them, as
    /// Symfony does.
    DigestIfLonger(usize, Algorithm, Encoding),
    /// Replaces the octets by their HMAC (RFC 2104).
    Hmac(Algorithm, HmacKey, Encoding),
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

/// What a step works on.
type Input = Zeroizing<Vec<u8>>;

impl Step {
    /// Returns the name of the secret that it needs, if any.
    pub(super) fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::AppendSecret(name)
            | Self::PrependSecret(name)
            | Self::Hmac(_, HmacKey::Secret(name), _) => Some(name),
            _ => None,
        }
    }

    /// Does the step. Returns `None` if the old system refuses the octets.
    fn apply(&self, input: Input, secrets: &Secrets) -> Result<Option<Input>, LegacyError> {
        let output = match self {
            Self::Nfc => on_text(input, |text, out| out.extend(text.nfc())),
            Self::Nfkc => on_text(input, |text, out| out.extend(text.nfkc())),
            Self::Nfkd => on_text(input, |text, out| out.extend(text.nfkd())),
            Self::Saslprep => saslprep(&input).unwrap_or(input),
            Self::SaslprepOrRefuse => return Ok(saslprep(&input)),
            Self::Uppercase => on_text(input, |text, out| {
                out.extend(text.chars().flat_map(char::to_uppercase));
            }),
            Self::Utf16Le => utf16(input),
            Self::Trim => on_text(input, |text, out| out.push_str(text.trim())),
            Self::Prepend(octets) => joined(&octets.0, &input),
            Self::Append(octets) => joined(&input, &octets.0),
            Self::AppendSecret(name) => joined(&input, known(secrets, name)?),
            Self::PrependSecret(name) => joined(known(secrets, name)?, &input),
            Self::Cut(most) => cut(input, *most),
            Self::CutAtNul => {
                let end = input.iter().position(|&octet| octet == 0);
                let end = end.unwrap_or(input.len());
                cut(input, end)
            }
            Self::RefuseNul if input.contains(&0) => return Ok(None),
            Self::RefuseLonger(most) if input.len() > *most => return Ok(None),
            Self::RefuseEmpty if input.is_empty() => return Ok(None),
            Self::RefuseNul | Self::RefuseLonger(_) | Self::RefuseEmpty => input,
            Self::Digest(algorithm, encoding) => {
                Zeroizing::new(encoding.encode(algorithm.digest(&input)))
            }
            Self::DigestIfLonger(most, algorithm, encoding) => {
                match input.len() > *most || input.contains(&0) {
                    true => Zeroizing::new(encoding.encode(algorithm.digest(&input))),
                    false => input,
                }
            }
            Self::Hmac(algorithm, key, encoding) => {
                let key = match key {
                    HmacKey::Octets(octets) => octets.0.as_slice(),
                    HmacKey::Secret(name) => known(secrets, name)?,
                };
                Zeroizing::new(encoding.encode(algorithm.hmac(key, &input)))
            }
        };
        Ok(Some(output))
    }
}

/// Does `steps` on what was typed. Returns `None` if the old system refuses it.
pub(super) fn prepare(
    steps: &[Step],
    typed: &str,
    secrets: &Secrets,
) -> Result<Option<Input>, LegacyError> {
    let mut octets = Zeroizing::new(typed.as_bytes().to_vec());
    for step in steps {
        match step.apply(octets, secrets)? {
            Some(output) => octets = output,
            None => return Ok(None),
        }
    }
    Ok(Some(octets))
}

/// Returns the text with a backslash before each `'`, `"`, `\`, and `\0` for NUL, as PHP's
/// `addslashes` writes it, or `None` if it has none of these characters.
pub(super) fn slashed(text: &str) -> Option<Zeroizing<String>> {
    let special = |letter| matches!(letter, '\'' | '"' | '\\' | '\0');
    text.contains(special).then(|| {
        let mut out = Zeroizing::new(String::with_capacity(2 * text.len()));
        for letter in text.chars() {
            if special(letter) {
                out.push('\\');
            }
            out.push(if letter == '\0' { '0' } else { letter });
        }
        out
    })
}

/// Returns the octets of a secret.
pub(super) fn known<'a>(secrets: &'a Secrets, name: &SecretName) -> Result<&'a [u8], LegacyError> {
    let secret = secrets.get(name);
    let secret = secret.ok_or_else(|| LegacyError::NoSecret(name.clone()))?;
    Ok(secret.expose_secret().as_bytes())
}

/// Returns `first` and then `second`. It allocates once, so that no copy is left behind.
pub(super) fn joined(first: &[u8], second: &[u8]) -> Input {
    let mut out = Zeroizing::new(Vec::with_capacity(first.len() + second.len()));
    out.extend_from_slice(first);
    out.extend_from_slice(second);
    out
}

fn cut(mut input: Input, most: usize) -> Input {
    input.truncate(most);
    input
}

/// Applies `change` to the octets if they are a text. No normalisation form is longer than eighteen
/// times the text (UAX #15), and few texts grow beyond four times.
fn on_text(input: Input, change: impl FnOnce(&str, &mut String)) -> Input {
    let Ok(text) = str::from_utf8(&input) else {
        return input;
    };
    let mut out = String::with_capacity(4 * text.len());
    change(text, &mut out);
    Zeroizing::new(out.into_bytes())
}

fn saslprep(input: &Input) -> Option<Input> {
    let text = str::from_utf8(input).ok()?;
    let prepared = stringprep::saslprep(text).ok()?;
    // RFC 4013 says nothing of a text of which nothing is left; PostgreSQL refuses it.
    let empty = prepared.is_empty() && !text.is_empty();
    (!empty).then(|| Zeroizing::new(prepared.into_owned().into_bytes()))
}

fn utf16(input: Input) -> Input {
    let Ok(text) = str::from_utf8(&input) else {
        return input;
    };
    let mut out = Zeroizing::new(Vec::with_capacity(2 * text.len()));
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    out
}
