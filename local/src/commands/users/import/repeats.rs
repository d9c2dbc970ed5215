//! What occurs more than once in an export: addresses and ids.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use import::Record;
use shared::domain::{Email, UserId};

/// What has been seen so far, in 8 octets each: hashes with a random key, so that nobody can make two
/// of them equal.
#[derive(Default)]
pub(super) struct Seen {
    key: RandomState,
    addresses: Vec<u64>,
    ids: Vec<u64>,
}

/// What was seen more than once.
#[derive(Default)]
pub(super) struct Repeats {
    key: RandomState,
    addresses: HashSet<u64>,
    ids: HashSet<u64>,
}

impl Seen {
    /// Takes note of the address of a record, if it has one, whatever else is wrong with the record.
    pub(super) fn add_address(&mut self, record: &Record) {
        if let Some(address) = address(record) {
            self.addresses.push(self.key.hash_one(address));
        }
    }

    /// Takes note of the id of a record, if it has one.
    pub(super) fn add_id(&mut self, id: Option<UserId>) {
        if let Some(id) = id {
            self.ids.push(self.key.hash_one(id.as_bytes()));
        }
    }

    /// Returns what was seen more than once.
    pub(super) fn finish(self) -> Repeats {
        Repeats {
            key: self.key,
            addresses: repeated(self.addresses),
            ids: repeated(self.ids),
        }
    }
}

impl Repeats {
    /// Returns whether other records have the address of this one too, in whatever letter case.
    pub(super) fn has_address(&self, record: &Record) -> bool {
        let is_repeated = |address| self.addresses.contains(&self.key.hash_one(address));
        !self.addresses.is_empty() && address(record).is_some_and(is_repeated)
    }

    /// Returns whether other records have this id too.
    pub(super) fn has_id(&self, id: Option<UserId>) -> bool {
        let is_repeated = |id: UserId| self.ids.contains(&self.key.hash_one(id.as_bytes()));
        !self.ids.is_empty() && id.is_some_and(is_repeated)
    }
}

fn address(record: &Record) -> Option<String> {
    let email = Email::parse(record.email.as_deref()?).ok()?;
    Some(email.canonical())
}

fn repeated(mut seen: Vec<u64>) -> HashSet<u64> {
    seen.sort_unstable();
    let pairs = seen.array_windows::<2>();
    pairs
        .filter(|[one, next]| one == next)
        .map(|[one, _]| *one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_another_letter_case_is_repeated_and_what_is_no_address_is_not() {
        let records = [
            "Ada@example.com",
            "ada@EXAMPLE.com",
            "grace@example.com",
            "no address",
            "no address",
        ];
        let records = records.map(|email| Record {
            email: Some(email.to_owned()),
            ..Record::default()
        });
        let mut seen = Seen::default();
        records.iter().for_each(|record| seen.add_address(record));
        let repeats = seen.finish();
        let repeated = records.each_ref().map(|it| repeats.has_address(it));
        assert_eq!(repeated, [true, true, false, false, false]);
    }

    #[test]
    fn an_id_that_two_records_have_is_repeated() {
        let [one, other] = [UserId::new(1), UserId::new(2)].map(Some);
        let mut seen = Seen::default();
        for id in [one, None, other, None, one] {
            seen.add_id(id);
        }
        let repeats = seen.finish();
        let repeated = [one, other, None].map(|id| repeats.has_id(id));
        assert_eq!(repeated, [true, false, false]);
    }
}
