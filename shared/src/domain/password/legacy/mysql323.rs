//! `PASSWORD()` of MySQL before 4.1, `OLD_PASSWORD()` since.

use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::{Digest, LegacyError, Secrets, Work};

/// MySQL's old hash, which passes over blanks and tabs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mysql323 {
    /// Whether it is computed over code points, as Zope's AuthEncoding does, and not over octets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code_points: bool,
}

impl Derive for Mysql323 {
    fn work(&self) -> Work {
        Work::of(1, 2_000)
    }

    fn digest(&self, password: &[u8], _: &Secrets) -> Result<Option<Digest>, LegacyError> {
        let digest = match (self.code_points, str::from_utf8(password)) {
            (true, Ok(text)) => mysql323(text.chars().map(u32::from)),
            _ => mysql323(password.iter().copied().map(u32::from)),
        };
        Ok(Some(digest.to_vec().into()))
    }
}

/// Returns the two halves, of which 31 bits each are kept.
fn mysql323(numbers: impl Iterator<Item = u32>) -> [u8; 8] {
    let (mut first, mut second, mut sum) = (0x5030_5735_u32, 0x1234_5671_u32, 7_u32);
    let blank = |number: &u32| [u32::from(b' '), u32::from(b'\t')].contains(number);
    for number in numbers.filter(|number| !blank(number)) {
        let product = (first & 63).wrapping_add(sum).wrapping_mul(number);
        first ^= product.wrapping_add(first << 8);
        second = second.wrapping_add((second << 8) ^ first);
        sum = sum.wrapping_add(number);
    }
    let kept = |half: u32| u64::from(half & 0x7fff_ffff);
    (kept(first) << 32 | kept(second)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_mysql_s_old_password() {
        // From the documentation of MySQL 4.1 and passlib 1.7.4.
        let known = [
            ("mypass", 0x6f8c_114b_58f2_ce9e_u64),
            ("password", 0x5d2e_19393cc5ef67),
            ("drew", 0x697a_7de8_7c53_90b2),
        ];
        for (password, digest) in known {
            let found = mysql323(password.bytes().map(u32::from));
            assert_eq!(found, digest.to_be_bytes(), "{password}");
        }
        let spaced = mysql323("my\t pass".bytes().map(u32::from));
        assert_eq!(spaced, 0x6f8c_114b_58f2_ce9e_u64.to_be_bytes());
    }
}
