//! Sources of attempts.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::email::Email;
use crate::domain::id::{EventId, SessionId, UserId};

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

/// The place where passwords are tried, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The address. Anyone can try there, whether it has an account or not.
    Address,
    /// A session of an account. Only someone who has a token of the session can try there, so
    /// strangers who guess at the address cannot make the owner wait.
    Session(UserId, SessionId),
    /// A link in a mail, which is good with the account's password. Only someone who has the link can
    /// try there, so strangers who guess at the address cannot make the owner wait.
    Link(UserId, EventId),
}

/// The key by which an attempt at a password is counted: the address whose password is tried, the
/// place where, and the source that tries it.
///
/// Build it once for each request, since it hashes all its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptKey {
    address: String,
    place: Place,
    source: String,
    source_at_place: String,
    is_home: bool,
}

impl AttemptKey {
    /// Returns the key of an attempt from `source` at the password of `email`.
    pub fn new(email: &Email, place: Place, source: &Source) -> Self {
        let address = email.fingerprint();
        let source_at_place = match place {
            Place::Address => name(&[address.as_bytes(), &source.0]),
            Place::Session(_, session) => name(&[session.as_bytes(), &source.0]),
            Place::Link(_, link) => name(&[link.as_bytes(), &source.0]),
        };
        Self {
            source: name(&[b"source", &source.0]),
            source_at_place,
            address,
            place,
            is_home: false,
        }
    }

    /// Returns the same key for a source from which the session began: it is known there.
    #[must_use]
    pub fn at_home(self) -> Self {
        Self {
            is_home: true,
            ..self
        }
    }

    pub(super) fn is_home(&self) -> bool {
        self.is_home
    }

    /// Returns [`Email::fingerprint`] of the address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the place.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Returns the source's name in keys of the table.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the source's name among the sources of this place. It differs for each place.
    pub(super) fn source_at_place(&self) -> &str {
        &self.source_at_place
    }
}

fn name(parts: &[&[u8]]) -> String {
    let hash = digest(&SHA256, &parts.concat());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])
}
