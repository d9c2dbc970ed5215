//! Where an attempt comes from.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::email::Email;

/// Where an attempt comes from, as far as counting goes: an IPv4 address, or the /64 of an IPv6
/// address, all of which one subscriber has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source([u8; 16]);

impl Source {
    /// The source of a request from `ip`, as the gateway says. What is no address is one source.
    pub fn of(ip: &str) -> Self {
        // An IPv4 address in the other notation is the same place.
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

    /// A name for a key of the table.
    pub fn fingerprint(&self) -> String {
        name(&[b"source", &self.0])
    }

    /// A name among the sources of one address; no two addresses call a source the same.
    pub(super) fn at(&self, email: &Email) -> String {
        name(&[email.fingerprint().as_bytes(), &self.0])
    }
}

fn name(parts: &[&[u8]]) -> String {
    let hash = digest(&SHA256, &parts.concat());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])
}
