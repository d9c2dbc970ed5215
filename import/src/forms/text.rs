//! Reading the parts of stored forms.

use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::{FormError, FormReason};

/// The longest text that is read, in octets.
const LONGEST: usize = 8 * 1024;

/// Returns an error that says `why`.
pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, FormError> {
    refuse_as(FormReason::Unusable, why)
}

/// Returns an error of a kind that says `why`.
pub(super) fn refuse_as<T>(reason: FormReason, why: impl Into<String>) -> Result<T, FormError> {
    let detail = why.into();
    Err(FormError { reason, detail })
}

/// Returns the stored value if it is a text.
pub(super) fn text(stored: &Value) -> Result<&str, FormError> {
    match stored {
        Value::String(text) if text.len() <= LONGEST => Ok(text),
        Value::String(_) => refuse(format!("has more than {LONGEST} octets")),
        _ => refuse("is not a text"),
    }
}

/// Returns the text of the first of the fields `names` that is there.
pub(super) fn field<'a>(stored: &'a Value, names: &[&str]) -> Result<&'a str, FormError> {
    match optional(stored, names) {
        Some(value) => text(value),
        None => refuse(format!("has no field {}", names.join(" or "))),
    }
}

/// Returns the first of the fields `names` that is there and is not null.
pub(super) fn optional<'a>(stored: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let mut values = names.iter().filter_map(|name| stored.get(name));
    values.find(|value| !value.is_null())
}

/// Returns a field that is a number, or a text of one, or `usual` if it is not there.
pub(super) fn number_field(stored: &Value, names: &[&str], usual: u32) -> Result<u32, FormError> {
    match optional(stored, names) {
        None => Ok(usual),
        Some(Value::String(text)) => number(text),
        Some(value) => match value.as_u64().map(u32::try_from) {
            Some(Ok(value)) => Ok(value),
            _ => refuse(format!("{} is not a number", names.join(" or "))),
        },
    }
}

/// Parses a number: decimal digits alone.
pub(super) fn number(text: &str) -> Result<u32, FormError> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ => refuse("has a number that is none, or is too large"),
    }
}

/// Returns the binary logarithm of a number, which must be a power of two.
pub(super) fn logarithm(n: u32) -> Result<u8, FormError> {
    match u8::try_from(n.trailing_zeros()) {
        Ok(log) if n.is_power_of_two() => Ok(log),
        _ => refuse("has a cost parameter that is no power of two"),
    }
}

/// Splits a text into exactly `N` parts.
pub(super) fn parts<const N: usize>(text: &str, separator: char) -> Result<[&str; N], FormError> {
    let parts: Vec<&str> = text.split(separator).collect();
    match <[&str; N]>::try_from(parts) {
        Ok(parts) => Ok(parts),
        Err(parts) => refuse(format!(
            "has {} parts between \"{separator}\", not {N}",
            parts.len()
        )),
    }
}

/// Returns what stands after `prefix`.
pub(super) fn after<'a>(text: &'a str, prefix: &str) -> Result<&'a str, FormError> {
    match text.strip_prefix(prefix) {
        Some(rest) => Ok(rest),
        None => refuse(format!("does not begin with {prefix}")),
    }
}

/// Decodes hexadecimal digits, in lower case or upper case.
pub(super) fn hex(text: &str) -> Result<Vec<u8>, FormError> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    };
    let octets: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    match octets {
        Some(octets) => Ok(octets),
        None => refuse("has characters that are not hexadecimal digits, or an odd number of them"),
    }
}

/// Decodes hexadecimal digits in lower case, which a system compares as text.
pub(super) fn lower_hex(text: &str) -> Result<Vec<u8>, FormError> {
    match text.bytes().any(|octet| octet.is_ascii_uppercase()) {
        true => refuse("has hexadecimal digits in upper case, which the system does not write"),
        false => hex(text),
    }
}

/// The kinds of base64.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base64 {
    /// The standard alphabet with padding.
    Padded,
    /// The standard alphabet without padding.
    Unpadded,
    /// The standard alphabet, with or without padding.
    Lenient,
    /// The alphabet for addresses with padding.
    UrlPadded,
    /// passlib's: `.` instead of `+`, without padding.
    Adapted,
    /// bcrypt's alphabet without padding.
    Bcrypt,
    /// bcrypt's alphabet without padding. Bits that do not count are ignored, since some libraries
    /// wrote salts of random characters.
    BcryptSalt,
}

impl Base64 {
    /// Decodes a text.
    pub(super) fn decode(self, text: &str) -> Result<Vec<u8>, FormError> {
        use DecodePaddingMode as Mode;
        let standard = &alphabet::STANDARD;
        let (alphabet, mode): (&Alphabet, Mode) = match self {
            Self::Padded => (standard, Mode::RequireCanonical),
            Self::Unpadded | Self::Adapted => (standard, Mode::RequireNone),
            Self::Lenient => (standard, Mode::Indifferent),
            Self::UrlPadded => (&alphabet::URL_SAFE, Mode::RequireCanonical),
            Self::Bcrypt | Self::BcryptSalt => (&alphabet::BCRYPT, Mode::RequireNone),
        };
        let config = GeneralPurposeConfig::new()
            .with_decode_padding_mode(mode)
            .with_decode_allow_trailing_bits(matches!(self, Self::BcryptSalt));
        let engine = GeneralPurpose::new(alphabet, config);
        let decoded = match self {
            Self::Adapted if text.contains('+') => return refuse("is not in passlib's base64"),
            Self::Adapted => engine.decode(text.replace('.', "+")),
            _ => engine.decode(text),
        };
        match decoded {
            Ok(octets) => Ok(octets),
            Err(_) => refuse("is not in the base64 that the system writes"),
        }
    }
}
