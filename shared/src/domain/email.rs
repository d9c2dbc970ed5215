//! E-mail addresses, as typed, and in the canonical form that identifies an account.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::field_error::Violation;
use crate::platform::hex;

/// An address in ASCII with an unquoted local part, as typed except for surrounding blanks.
///
/// Two addresses that differ only in letter case belong to one account ([`Email::canonical`]).
/// Nothing else is folded: no Unicode case mapping, no dropping of dots or `+tags`. Each of these
/// has let somebody into another's account elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// The length of the longest address, in octets (RFC 5321 section 4.5.3.1.3, less the angle
    /// brackets).
    pub const MAX_LENGTH: usize = 254;
    /// The length of the longest local part, in octets (RFC 5321 section 4.5.3.1.1).
    const MAX_LOCAL_LENGTH: usize = 64;
    /// The length of the longest label of a domain, in octets (RFC 1035 section 2.3.4).
    const MAX_LABEL_LENGTH: usize = 63;

    /// Parses an address: a dot-atom, `@`, and a domain of at least two labels. A domain with other
    /// letters must be in its ASCII form (`xn--...`).
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if the text is not such an address.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = text.trim_matches(' ');
        if text.len() > Self::MAX_LENGTH {
            let most = Self::MAX_LENGTH;
            return Err(Violation::new(
                "too-long",
                format!("has more than {most} octets"),
            ));
        }
        match text.split_once('@') {
            Some((local, domain)) if is_local_part(local) && is_domain(domain) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Violation::new(
                "invalid-email",
                "is not an e-mail address such as ada@example.com",
            )),
        }
    }

    /// Returns the address as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form that identifies an account: ASCII letters in lower case.
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_taken_as_typed_but_for_blanks_around_them() {
        for text in [
            "ada@example.com",
            "Ada.Lovelace+news@Sub.Example.co.uk",
            "o'brien_{x}@xn--bcher-kva.example",
            "1@2.c3",
        ] {
            assert_eq!(Email::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(
            Email::parse(" ada@example.com ").unwrap().as_str(),
            "ada@example.com"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("ada@{}.com", "a".repeat(64));
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "a@b@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "ada lovelace@example.com",
            "\"ada\"@example.com",
            "ada@exa mple.com",
            "ada@-example.com",
            "ada@example-.com",
            "ada@example..com",
            "ada@.com",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            "ada@example.com\n",
            "ada\0@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@bücher.example",
            "adä@example.com",
            "ada@exam\u{212a}.com",
            "<ada@example.com>",
            &long_local,
            &long_label,
        ] {
            assert_eq!(
                Email::parse(text).unwrap_err().code,
                "invalid-email",
                "{text:?}"
            );
        }
        let long = format!("ada@{}com", "example.".repeat(32));
        assert_eq!(Email::parse(&long).unwrap_err().code, "too-long");
    }

    #[test]
    fn letter_case_makes_no_second_account_and_nothing_else_is_folded() {
        let fingerprint = |text| Email::parse(text).unwrap().fingerprint();
        assert_eq!(
            fingerprint("ADA@Example.COM"),
            fingerprint("ada@example.com")
        );
        assert_eq!(fingerprint("ada@example.com").len(), 64);
        for other in ["a.da@example.com", "ada+x@example.com", "ada@example.org"] {
            assert_ne!(fingerprint(other), fingerprint("ada@example.com"));
        }
    }

    #[test]
    fn an_address_does_not_show_in_debug_output() {
        assert_eq!(
            format!("{:?}", Email::parse("ada@example.com").unwrap()),
            "Email"
        );
    }

    proptest! {
        #![proptest_config(crate::properties::cases())]

        #[test]
        fn whatever_is_accepted_is_one_plain_address(
            text in prop_oneof![
                any::<String>(),
                "[ -~]{0,30}@[ -~]{0,30}",
                "[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,70}@[A-Za-z0-9.-]{1,200}",
            ],
        ) {
            let Ok(email) = Email::parse(&text) else {
                return Ok(());
            };
            let shown = email.as_str();
            prop_assert!(shown.len() <= 254 && shown.is_ascii());
            let (local, domain) = shown.split_once('@').unwrap();
            prop_assert!(!local.is_empty() && local.len() <= 64);
            prop_assert!(!domain.is_empty() && !domain.contains('@') && domain.contains('.'));
            prop_assert!(!shown.contains(|c: char| c.is_control() || "()<>[]:;\\,\" ".contains(c)));
            // The canonical form is an address too, and its own canonical form.
            let canonical = Email::parse(&email.canonical()).unwrap();
            prop_assert_eq!(canonical.canonical(), email.canonical());
            let upper = Email::parse(&shown.to_ascii_uppercase()).unwrap();
            prop_assert_eq!(upper.fingerprint(), email.fingerprint());
        }
    }
}
