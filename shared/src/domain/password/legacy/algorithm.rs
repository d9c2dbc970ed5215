//! Hash algorithms that other systems use.

use ::hmac::{KeyInit as _, Mac as _, SimpleHmac};
use aws_lc_rs::{digest, hmac};
use md4::Digest as _;
use serde::{Deserialize, Serialize};

/// A hash algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// MD4 (RFC 1320).
    Md4,
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-1 (FIPS 180-4).
    Sha1,
    /// SHA-224 (FIPS 180-4).
    Sha224,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-384 (FIPS 180-4).
    Sha384,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// SHA3-224 (FIPS 202).
    Sha3_224,
    /// SHA3-256 (FIPS 202).
    Sha3_256,
    /// SHA3-384 (FIPS 202).
    Sha3_384,
    /// SHA3-512 (FIPS 202).
    Sha3_512,
    /// Streebog with 256 bits (RFC 6986).
    Streebog256,
}

impl Algorithm {
    /// Returns the length of its digests in octets.
    pub fn length(self) -> usize {
        match self {
            Self::Md4 | Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha3_256 | Self::Streebog256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// Returns the time to hash one block, in nanoseconds, on one core of an ordinary server of
    /// 2025.
    pub(super) fn nanos(self) -> u64 {
        match self {
            Self::Sha1 | Self::Sha224 | Self::Sha256 => 150,
            Self::Md4 | Self::Md5 | Self::Sha384 | Self::Sha512 => 350,
            Self::Sha3_224 | Self::Sha3_256 | Self::Sha3_384 | Self::Sha3_512 => 600,
            Self::Streebog256 => 3_000,
        }
    }

    /// Returns the digest of `octets`.
    pub fn digest(self, octets: &[u8]) -> Vec<u8> {
        let aws = |algorithm| digest::digest(algorithm, octets).as_ref().to_vec();
        match self {
            Self::Md4 => md4::Md4::digest(octets).to_vec(),
            Self::Md5 => md5::Md5::digest(octets).to_vec(),
            Self::Sha1 => aws(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha224 => aws(&digest::SHA224),
            Self::Sha256 => aws(&digest::SHA256),
            Self::Sha384 => aws(&digest::SHA384),
            Self::Sha512 => aws(&digest::SHA512),
            Self::Sha3_224 => sha3::Sha3_224::digest(octets).to_vec(),
            Self::Sha3_256 => aws(&digest::SHA3_256),
            Self::Sha3_384 => aws(&digest::SHA3_384),
            Self::Sha3_512 => aws(&digest::SHA3_512),
            Self::Streebog256 => streebog::Streebog256::digest(octets).to_vec(),
        }
    }

    /// Returns the HMAC (RFC 2104) of `octets` under `key`.
    pub fn hmac(self, key: &[u8], octets: &[u8]) -> Vec<u8> {
        macro_rules! rust_crypto {
            ($hash:ty) => {
                // A key of any length is right: RFC 2104 section 3.
                SimpleHmac::<$hash>::new_from_slice(key)
                    .map(|mac| mac.chain_update(octets).finalize().into_bytes().to_vec())
                    .unwrap_or_default()
            };
        }
        let aws = |algorithm| {
            let key = hmac::Key::new(algorithm, key);
            hmac::sign(&key, octets).as_ref().to_vec()
        };
        match self {
            Self::Md4 => rust_crypto!(md4::Md4),
            Self::Md5 => rust_crypto!(md5::Md5),
            Self::Sha1 => aws(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha224 => aws(hmac::HMAC_SHA224),
            Self::Sha256 => aws(hmac::HMAC_SHA256),
            Self::Sha384 => aws(hmac::HMAC_SHA384),
            Self::Sha512 => aws(hmac::HMAC_SHA512),
            Self::Sha3_224 => rust_crypto!(sha3::Sha3_224),
            Self::Sha3_256 => rust_crypto!(sha3::Sha3_256),
            Self::Sha3_384 => rust_crypto!(sha3::Sha3_384),
            Self::Sha3_512 => rust_crypto!(sha3::Sha3_512),
            Self::Streebog256 => rust_crypto!(streebog::Streebog256),
        }
    }
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

impl Encoding {
    /// Writes `octets`.
    pub(super) fn encode(self, octets: Vec<u8>) -> Vec<u8> {
        use base64::Engine as _;
        match self {
            Self::Raw => octets,
            Self::Hex => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |number: u8| DIGITS.get(usize::from(number)).copied().unwrap_or(b'0');
                let pair = |octet: u8| [digit(octet >> 4), digit(octet & 15)];
                octets.into_iter().flat_map(pair).collect()
            }
            Self::Base64 => base64::engine::general_purpose::STANDARD
                .encode(octets)
                .into(),
        }
    }
}
