//! E-mail addresses, as typed, and in the canonical form that identifies an account.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::domain::field_error::Violation;
use crate::platform::hex;

/// An address with an unquoted local part in ASCII, as typed except for surrounding blanks.
///
/// The domain may be typed in Unicode. Its ASCII form (UTS 46) is stored and identifies the
/// account, and what was typed is shown.
///
/// Two addresses that differ only in letter case belong to one account ([`Email::canonical`]), and
/// so do the two forms of a domain. Nothing else is folded: no Unicode case mapping of the local
/// part, no dropping of dots or `+tags`, no other letters for those of ASCII. Each of these has let
/// somebody into another's account elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// The address in ASCII, in the letter case in which it was typed.
    ascii: String,
    /// The address as typed, if that was not in ASCII.
    unicode: Option<String>,
}

impl Email {
    /// The length of the longest address, in octets (RFC 5321 section 4.5.3.1.3, less the angle
    /// brackets).
    pub const MAX_LENGTH: usize = 254;
    /// The length of the longest local part, in octets (RFC 5321 section 4.5.3.1.1).
    const MAX_LOCAL_LENGTH: usize = 64;
    /// The length of the longest label of a domain, in octets (RFC 1035 section 2.3.4).
    const MAX_LABEL_LENGTH: usize = 63;

    /// Parses an address: a dot-atom, `@`, and a domain of at least two labels.
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if the text is not such an address.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = text.trim_matches(' ');
        let too_long = || {
            let most = Self::MAX_LENGTH;
            Violation::new("too-long", format!("has more than {most} octets"))
        };
        // The ASCII form has at least one octet for each character.
        if text.chars().count() > Self::MAX_LENGTH {
            return Err(too_long());
        }
        let parts = text
            .split_once('@')
            .filter(|(local, _)| is_local_part(local));
        let ascii = parts.and_then(|(local, domain)| {
            if domain.is_ascii() {
                return is_domain(domain).then(|| text.to_owned());
            }
            let domain = ascii_domain(domain).filter(|domain| is_domain(domain))?;
            Some(format!("{local}@{domain}"))
        });
        let ascii = ascii.ok_or_else(|| {
            Violation::new(
                "invalid-email",
                "is not an e-mail address such as ada@example.com",
            )
        })?;
        if ascii.len() > Self::MAX_LENGTH {
            return Err(too_long());
        }
        let unicode = (ascii != text).then(|| text.to_owned());
        Ok(Self { ascii, unicode })
    }

    /// Returns an address from the table: its ASCII form, and what was typed if that was another.
    /// The ASCII form is not computed again, since a later version of UTS 46 could find another one
    /// and separate the account from its credential.
    ///
    /// # Errors
    ///
    /// Returns an error if `ascii` is not an address in ASCII.
    pub fn stored(ascii: &str, unicode: Option<String>) -> Result<Self, Violation> {
        let parsed = Self::parse(ascii)?;
        if parsed.unicode.is_some() {
            return Err(Violation::new("invalid-email", "is not in ASCII"));
        }
        Ok(Self { unicode, ..parsed })
    }

    /// Returns the address as typed.
    pub fn as_str(&self) -> &str {
        self.unicode.as_deref().unwrap_or(&self.ascii)
    }

    /// Returns the address in ASCII, in the letter case in which it was typed.
    pub fn ascii(&self) -> &str {
        &self.ascii
    }

    /// Returns the address as typed, if that was not in ASCII.
    pub fn unicode(&self) -> Option<&str> {
        self.unicode.as_deref()
    }

    /// Returns the form that identifies an account: in ASCII and lower case.
    pub fn canonical(&self) -> String {
        self.ascii.to_ascii_lowercase()
    }

    /// Returns what the canonical forms of those addresses begin with that begin with `text` as a
    /// person types it.
    ///
    /// Blanks around it are dropped and ASCII letters become lower case. If the domain has other
    /// letters, it is read as a whole one and converted to ASCII: the ASCII form of a label tells
    /// nothing of the labels that begin with the same letters. So `ada@bücher` finds
    /// `ada@bücher.example`, and `ada@büch` does not. A text that no address begins with is
    /// returned as it is.
    pub fn canonical_prefix(text: &str) -> String {
        let text = text.trim_matches(' ').to_ascii_lowercase();
        let Some((local, domain)) = text.split_once('@') else {
            return text;
        };
        // A longer one is no domain, and its conversion would take long.
        if domain.is_ascii() || domain.chars().count() > Self::MAX_LENGTH {
            return text;
        }
        // UTS 46 takes the empty label behind a last dot for the root.
        match ascii_domain(domain) {
            Some(domain) => format!("{local}@{domain}"),
            None => text,
        }
    }

    /// Returns SHA-256 of the canonical form, in hexadecimal: a key without personal data.
    pub fn fingerprint(&self) -> String {
        hex(digest(&SHA256, self.canonical().as_bytes()).as_ref())
    }
}

/// Addresses are personal data and stay out of logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email")
    }
}

/// Returns whether `text` is a dot-atom (RFC 5322 section 3.2.3) of ASCII.
fn is_local_part(text: &str) -> bool {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= Email::MAX_LOCAL_LENGTH
        && text
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(atext))
}

/// Returns whether `text` has at least two labels of letters, digits and inner hyphens. The last
/// must not be all digits, so that no IP address passes (RFC 1123 section 2.1).
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=Email::MAX_LABEL_LENGTH).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let Some((_, last)) = text.rsplit_once('.') else {
        return false;
    };
    text.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// Returns the ASCII form of a domain that was typed in Unicode (UTS 46, "ToASCII", with its checks
/// of joiners and of writing direction).
///
/// Characters that UTS 46 maps to ASCII, such as the Kelvin sign or a fullwidth letter, are refused
/// where they would make a label of ASCII: nobody writes their address so except to disguise it.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Ignore,
        )
        .ok()?;
    // UTS 46 section 2.3: these separate labels too.
    let typed = domain.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
    let mut labels = ascii.split('.');
    let as_typed = typed.zip(labels.by_ref()).all(|(typed, ascii)| {
        if typed.is_ascii() {
            typed.eq_ignore_ascii_case(ascii)
        } else {
            ascii.starts_with("xn--")
        }
    });
    (as_typed && labels.next().is_none()).then(|| ascii.into_owned())
}

#[cfg(test)]
mod tests;
