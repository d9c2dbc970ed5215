//! The text of tokens with a secret: a prefix that marks them for people and secret scanners, and
//! octets in base64url.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Returns the text of `parts`, one after the other.
pub(super) fn write(prefix: &str, parts: &[&[u8]]) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(parts.concat()))
}

/// Parses a text of exactly `N` octets. Returns `None` if it does not have this form.
pub(super) fn read<const N: usize>(prefix: &str, text: &str) -> Option<[u8; N]> {
    let octets = URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?;
    octets.as_slice().try_into().ok()
}

/// Returns SHA-256 of a secret, which is stored. A fast hash is enough for 256 random bits.
pub(super) fn hash(secret: &[u8; 32]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret).as_ref());
    hash
}
