//! Which addresses a file has more than once.

use std::hash::{BuildHasher as _, RandomState};

use shared::domain::Email;

/// The addresses of a file, in a first pass. It holds 8 octets for each: a keyed hash of the
/// canonical form, so that addresses in other letter case are the same.
#[derive(Debug, Default)]
pub struct Addresses {
    hasher: RandomState,
    hashes: Vec<u64>,
}

/// The addresses that a file has more than once.
#[derive(Debug)]
pub struct Duplicates {
    hasher: RandomState,
    hashes: Vec<u64>,
}

impl Addresses {
    /// Adds an address.
    pub fn add(&mut self, email: &Email) {
        self.hashes.push(self.hasher.hash_one(email.canonical()));
    }

    /// Returns the addresses that were added more than once.
    ///
    /// With 64 bits, that one of a million is taken for another has a chance of 1 to 37 million. It
    /// is reported then, and nothing worse.
    pub fn duplicates(self) -> Duplicates {
        let Self { hasher, mut hashes } = self;
        hashes.sort_unstable();
        let pairs = hashes.windows(2).filter_map(|pair| match pair {
            [one, other] if one == other => Some(*one),
            _ => None,
        });
        let mut hashes: Vec<_> = pairs.collect();
        hashes.dedup();
        Duplicates { hasher, hashes }
    }
}

impl Duplicates {
    /// Returns whether this address is one of them.
    pub fn contains(&self, email: &Email) -> bool {
        let hash = self.hasher.hash_one(email.canonical());
        self.hashes.binary_search(&hash).is_ok()
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.hashes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_twice_in_any_letter_case() {
        let email = |text| Email::parse(text).unwrap();
        let mut addresses = Addresses::default();
        for text in [
            "ada@example.com",
            "ERIN@example.com",
            "Ada@Example.com",
            "ADA@EXAMPLE.COM",
            "ada@b\u{fc}cher.example",
            "ada@xn--bcher-kva.example",
        ] {
            addresses.add(&email(text));
        }
        let duplicates = addresses.duplicates();
        assert_eq!(duplicates.count(), 2);
        assert!(duplicates.contains(&email("aDa@example.com")));
        assert!(duplicates.contains(&email("ada@b\u{fc}cher.example")));
        assert!(!duplicates.contains(&email("erin@example.com")));
        assert!(!duplicates.contains(&email("carol@example.com")));
    }
}
