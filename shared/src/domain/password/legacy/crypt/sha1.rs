//! NetBSD's sha1-crypt (Simon Gerraty).

use aws_lc_rs::hmac;

/// Returns the digest. `rounds` is at least 1.
pub(super) fn sha1_crypt(password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password);
    let first = [salt, b"$sha1$", rounds.to_string().as_bytes()].concat();
    let mut digest = hmac::sign(&key, &first);
    for _ in 1..rounds {
        digest = hmac::sign(&key, digest.as_ref());
    }
    digest.as_ref().to_vec()
}
