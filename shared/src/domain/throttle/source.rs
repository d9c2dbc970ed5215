//! Sources of attempts.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::email::Email;

/// The source of an attempt, for counting: an IPv4 address, or the /64 network of an IPv6 address,
/// since one subscriber has all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source([u8; 16]);

impl Source {
    /// Returns the source of a request from the address `ip`, which the gateway reports. All texts
    /// that are not addresses are one source.
    pub fn of(ip: &str) -> Self {
        // An IPv4-mapped IPv6 address is the same source as the IPv4 address.
        Self(match ip.parse().map(|ip: IpAddr| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets(),
            Ok(IpAddr::V6(ip)) => {
                let mut octets = ip.octets();
                octets[8..].fill(0);
                octets
            }
            Err(_) => [0; 16],
        })
    }

    /// Returns the address of the source's network.
    pub(in crate::domain) fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The key by which an attempt is counted: the address that is tried, and the source that tries it.
///
/// Build it once for each request, since it hashes all its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptKey {
    address: String,
    source: String,
    source_at_address: String,
}

impl AttemptKey {
    /// Returns the key of an attempt at `email` from `source`.
    pub fn new(email: &Email, source: &Source) -> Self {
        let address = email.fingerprint();
        Self {
            source: name(&[b"source", &source.0]),
            source_at_address: name(&[address.as_bytes(), &source.0]),
            address,
        }
    }

    /// Returns [`Email::fingerprint`] of the address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the source's name in keys of the table.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the source's name among the sources of this address. It differs for each address.
    pub(super) fn source_at_address(&self) -> &str {
        &self.source_at_address
    }
}

fn name(parts: &[&[u8]]) -> String {
    let hash = digest(&SHA256, &parts.concat());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])
}
