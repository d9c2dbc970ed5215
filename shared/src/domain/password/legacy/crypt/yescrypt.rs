//! yescrypt, and libxcrypt's gost-yescrypt.

use ::yescrypt::{Mode, Params};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::super::{Algorithm, Work, crypt64};

/// The settings of a yescrypt hash: what stands between `$y$` or `$gy$` and the hash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Yescrypt {
    /// Flavour, N, r and the optional parameters, as the text has them.
    pub params: String,
    /// The salt, as the text has it.
    pub salt: String,
    /// Whether an HMAC with Streebog follows (`$gy$`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gost: bool,
}

struct Cost {
    mode: Mode,
    n: u64,
    r: u32,
    p: u32,
    t: u32,
}

impl Yescrypt {
    /// Returns whether the parameters are ones that are computed here.
    pub fn is_usable(&self) -> bool {
        self.cost().is_some()
    }

    /// Returns the work, which is endless if the parameters are unusable.
    pub(super) fn work(&self) -> Work {
        let Some(Cost { mode, n, r, p, t }) = self.cost() else {
            return Work {
                nanos: u64::MAX,
                kib: u64::MAX,
            };
        };
        let times = match mode {
            Mode::Rw => 1,
            _ => u64::from(p),
        };
        let blocks = n.saturating_mul(u64::from(r));
        let passes = times.saturating_mul(u64::from(t) + 1);
        let once = Work::of(blocks.saturating_mul(passes), NANOS_A_BLOCK);
        let kib = (blocks + u64::from(r) * u64::from(p)) / 8 + 16;
        Work { kib, ..once }
    }

    /// Returns the digest, or `None` if the parameters are unusable.
    pub(super) fn digest(&self, password: &[u8]) -> Option<Vec<u8>> {
        let Cost { mode, n, r, p, t } = self.cost()?;
        let params = Params::new_with_all_params(mode, n, r, p, t, 0).ok()?;
        let salt = crypt64::decode(&self.salt, crypt64::Order::LowFirst)?;
        let mut digest = Zeroizing::new([0; 32]);
        ::yescrypt::yescrypt(password, &salt, &params, digest.as_mut()).ok()?;
        match self.gost {
            false => Some(digest.to_vec()),
            true => {
                let settings = format!("$gy${}${}", self.params, self.salt);
                let streebog = Algorithm::Streebog256;
                let key = Zeroizing::new(streebog.digest(password));
                let key = Zeroizing::new(streebog.hmac(&key, settings.as_bytes()));
                Some(streebog.hmac(&key, digest.as_ref()))
            }
        }
    }

    fn cost(&self) -> Option<Cost> {
        let mut rest = self.params.as_bytes();
        let mode = Mode::try_from(number(&mut rest, 0)?).ok()?;
        let log_n = number(&mut rest, 1)?;
        let r = number(&mut rest, 1)?;
        let (mut p, mut t) = (1, 0);
        if !rest.is_empty() {
            let have = number(&mut rest, 1)?;
            if have & 1 != 0 {
                p = number(&mut rest, 2)?;
            }
            if have & 2 != 0 {
                t = number(&mut rest, 1)?;
            }
            // Upgraded hashes (4) and such with a table in ROM (8) are not made by any crypt(3).
            if have & !3 != 0 || !rest.is_empty() {
                return None;
            }
        }
        let usable = (8..=20).contains(&log_n) && r <= 1024 && p <= 64 && t <= 64;
        let n = 1_u64.checked_shl(log_n)?;
        usable.then_some(Cost { mode, n, r, p, t })
    }
}

/// How long a block of 128 octets takes.
const NANOS_A_BLOCK: u64 = 170;

/// Reads a number in yescrypt's form: the first character tells how many follow, so that small
/// numbers take one. The least number is written as `.`.
fn number(rest: &mut &[u8], least: u32) -> Option<u32> {
    let mut next = || {
        let (&first, others) = rest.split_first()?;
        *rest = others;
        crypt64::value(first).map(u32::from)
    };
    let first = next()?;
    let (mut start, mut end, mut bits) = (0, 47, 0_u32);
    let mut number = least;
    while first > end {
        // 24 bits are more than any usable parameter.
        if bits >= 24 {
            return None;
        }
        number = number.checked_add((end + 1 - start) << bits)?;
        start = end + 1;
        end = start + (62 - end) / 2;
        bits += 6;
    }
    number = number.checked_add((first - start) << bits)?;
    while bits > 0 {
        bits -= 6;
        number = number.checked_add(next()? << bits)?;
    }
    Some(number)
}
