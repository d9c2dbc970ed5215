//! Cursors of lists that are searched: where a page ended, and of which list.
//!
//! A cursor is no secret and no permission: whoever sends it may read the list anyway. The checksum
//! keeps a client from going on in another list, or where none ended.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::id::InvalidId;

/// A list, by its kind and by what was asked for. Its cursors are good for no other list.
#[derive(Debug, Clone, Copy)]
pub struct ListCursor<'a> {
    /// The kind of list, such as `users`.
    pub kind: &'a str,
    /// What was asked for, such as the prefix of addresses.
    pub query: &'a str,
}

/// The first octet of a cursor. Another form has another version.
const VERSION: u8 = 1;
/// How long a cursor is good, in seconds.
const AGE: u64 = 24 * 60 * 60;
/// How many seconds the clock of another instance of the function may be ahead.
const AHEAD: u64 = 5 * 60;
/// The length of the fingerprint of the list, and of the checksum, in octets.
const LIST: usize = 8;
const CHECKSUM: usize = 16;

impl ListCursor<'_> {
    /// Returns the cursor behind the entry `last`, at the time `now` in seconds since the epoch.
    pub fn write(&self, last: &str, now: u64) -> String {
        let mut octets = vec![VERSION];
        octets.extend(self.fingerprint());
        octets.extend(now.to_be_bytes());
        octets.extend(last.as_bytes());
        octets.extend(checksum(&octets));
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Returns the last entry before a presented cursor.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is no cursor, has been changed, is one of another list, of
    /// another version, or older than 24 hours.
    pub fn read(&self, text: &str, now: u64) -> Result<String, InvalidId> {
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidId)?;
        let (octets, sum) = octets.split_last_chunk::<CHECKSUM>().ok_or(InvalidId)?;
        let (version, rest) = octets.split_first().ok_or(InvalidId)?;
        let (list, rest) = rest.split_first_chunk::<LIST>().ok_or(InvalidId)?;
        let (written, last) = rest.split_first_chunk::<8>().ok_or(InvalidId)?;
        let written = u64::from_be_bytes(*written);
        let is_recent = now.saturating_sub(written) <= AGE && written <= now.saturating_add(AHEAD);
        let is_good = *version == VERSION
            && *list == self.fingerprint()
            && is_recent
            && *sum == checksum(octets);
        if !is_good {
            return Err(InvalidId);
        }
        String::from_utf8(last.to_vec()).map_err(|_| InvalidId)
    }

    fn fingerprint(&self) -> [u8; LIST] {
        // The length separates the two texts.
        let length = self.kind.len().to_be_bytes();
        hash(&[&length, self.kind.as_bytes(), self.query.as_bytes()])
    }
}

fn checksum(octets: &[u8]) -> [u8; CHECKSUM] {
    hash(&[b"latchkey-cursor", octets])
}

/// Returns the first octets of the SHA-256 of all parts.
fn hash<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut first = [0; N];
    for (to, from) in first.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const ALL: ListCursor<'_> = ListCursor {
        kind: "users",
        query: "",
    };

    #[test]
    fn a_cursor_names_the_entry_for_a_day() {
        let cursor = ALL.write("ada@example.com", NOW);
        for now in [NOW, NOW + AGE, NOW - AHEAD] {
            assert_eq!(ALL.read(&cursor, now).as_deref(), Ok("ada@example.com"));
        }
        for now in [NOW + AGE + 1, NOW - AHEAD - 1, 0, u64::MAX] {
            assert_eq!(ALL.read(&cursor, now), Err(InvalidId), "{now}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let list = |kind, query| ListCursor { kind, query };
        let lists = [
            ALL,
            list("users", "ada"),
            list("users", "ad"),
            list("user", "sada"),
            list("events", ""),
        ];
        for (n, one) in lists.iter().enumerate() {
            let cursor = one.write("ada@example.com", NOW);
            for (m, other) in lists.iter().enumerate() {
                assert_eq!(
                    other.read(&cursor, NOW).is_ok(),
                    n == m,
                    "{one:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn a_cursor_with_another_octet_or_of_another_length_is_refused() {
        let cursor = ALL.write("ada@example.com", NOW);
        let octets = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        let refused = |octets: &[u8]| {
            let text = URL_SAFE_NO_PAD.encode(octets);
            assert_eq!(ALL.read(&text, NOW), Err(InvalidId), "{octets:?}");
        };
        for place in 0..octets.len() {
            for bit in 0..8 {
                let mut forged = octets.clone();
                forged[place] ^= 1 << bit;
                refused(&forged);
            }
            refused(&octets[..place]);
            refused(&octets[place + 1..]);
        }
        refused(&[&octets[..], &[0]].concat());
        // The text has one form only.
        for text in [
            String::new(),
            format!("{cursor}="),
            format!(" {cursor}"),
            cursor.replace(['-', '_'], "+") + "/",
            cursor[..cursor.len() - 1].to_owned(),
        ] {
            assert_eq!(ALL.read(&text, NOW), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn a_cursor_of_another_version_is_refused_though_its_checksum_is_right() {
        let cursor = URL_SAFE_NO_PAD.decode(ALL.write("a", NOW)).unwrap();
        let mut octets = cursor[..cursor.len() - CHECKSUM].to_vec();
        octets[0] = VERSION + 1;
        octets.extend(checksum(&octets));
        let text = URL_SAFE_NO_PAD.encode(octets);
        assert_eq!(ALL.read(&text, NOW), Err(InvalidId));
    }

    proptest! {
        #![proptest_config(crate::properties::cases())]

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}", octets in any::<Vec<u8>>()) {
            prop_assert!(ALL.read(&text, NOW).is_err());
            prop_assert!(ALL.read(&URL_SAFE_NO_PAD.encode(octets), NOW).is_err());
        }

        #[test]
        fn every_entry_comes_back(kind in "[a-z]{1,8}", query in ".{0,20}", last in ".{0,80}") {
            let list = ListCursor { kind: &kind, query: &query };
            let cursor = list.write(&last, NOW);
            let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
            prop_assert!(cursor.bytes().all(is_plain));
            prop_assert_eq!(list.read(&cursor, NOW), Ok(last));
        }
    }
}
