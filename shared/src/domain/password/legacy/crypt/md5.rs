//! md5-crypt (Poul-Henning Kamp, FreeBSD 2.0), and Solaris' crypt_sunmd5.

use ::md5::{Digest as _, Md5};

use super::hamlet::HAMLET;

/// Returns the digest of md5-crypt. `magic` is `$1$`, or `$apr1$` for Apache's variant.
pub(super) fn md5_crypt(password: &[u8], salt: &[u8], magic: &str) -> [u8; 16] {
    let mut all = Md5::new();
    all.update(password);
    all.update(magic);
    all.update(salt);
    let mut inner = Md5::new();
    inner.update(password);
    inner.update(salt);
    inner.update(password);
    let inner = inner.finalize();
    for part in password.chunks(16) {
        all.update(inner.get(..part.len()).unwrap_or_default());
    }
    let mut bits = password.len();
    while bits > 0 {
        match bits & 1 {
            1 => all.update([0]),
            _ => all.update(password.get(..1).unwrap_or_default()),
        }
        bits >>= 1;
    }
    let mut digest = <[u8; 16]>::from(all.finalize());
    for round in 0..1000 {
        let mut next = Md5::new();
        let odd = round % 2 == 1;
        next.update(if odd { password } else { &digest });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &digest } else { password });
        digest = next.finalize().into();
    }
    digest
}

/// How many rounds crypt_sunmd5 adds to those that the text names.
pub(super) const SUN_ROUNDS: u32 = 4096;

/// Returns the digest of Solaris' crypt_sunmd5. `settings` is the text of the stored password up to
/// its salt, which includes the `$` after the salt if two follow.
pub(super) fn sun_md5(password: &[u8], settings: &str, rounds: u32) -> [u8; 16] {
    let first = Md5::new_with_prefix(password).chain_update(settings);
    let mut digest = <[u8; 16]>::from(first.finalize());
    for round in 0..rounds.saturating_add(SUN_ROUNDS) {
        let mut next = Md5::new_with_prefix(digest);
        if coin(&digest, round) {
            next.update(HAMLET);
        }
        next.update(round.to_string());
        digest = next.finalize().into();
    }
    digest
}

/// Returns a bit that depends on the bits of `digest` in a way that is hard to compute in parallel.
fn coin(digest: &[u8; 16], round: u32) -> bool {
    let octet = |place: usize| digest[place % 16];
    let bit = |place: u32| octet((place / 8) as usize) >> (place % 8) & 1;
    // Seven bits of an octet that four bits of another one choose.
    let seven = |place: usize| {
        let (one, other) = (octet(place), octet(place + 3));
        let chosen = octet(usize::from(one >> (other % 5) & 15));
        chosen >> (other >> (one % 8) & 1) & 0x7f
    };
    let eight = |first: usize| {
        let bits = (0..8).map(|each| bit(u32::from(seven(first + each))) << each);
        bits.fold(0, |all, bit| all | bit)
    };
    let one = eight(0) >> bit(round) & 0x7f;
    let other = eight(8) >> bit(round.wrapping_add(64)) & 0x7f;
    bit(u32::from(one)) != bit(u32::from(other))
}
