//! Where the parts of an export lie that belong to another part.

use std::hash::{BuildHasher as _, RandomState};

/// Places in a file, by the key of what lies there. It holds 16 octets for each.
#[derive(Default)]
pub(super) struct Places {
    hasher: RandomState,
    /// A hash of the key, and the place.
    places: Vec<(u64, u64)>,
    sorted: bool,
}

impl Places {
    /// Adds a place.
    pub(super) fn add(&mut self, key: &str, place: u64) {
        self.places.push((self.hasher.hash_one(key), place));
        self.sorted = false;
    }

    /// Makes all places findable.
    pub(super) fn sort(&mut self) {
        self.places.sort_unstable();
        self.sorted = true;
    }

    /// Returns the places of a key, in the order in which they lie in the file. Others whose keys
    /// have the same hash may be among them. [`Places::sort`] has to be called before.
    pub(super) fn of(&self, key: &str) -> impl Iterator<Item = u64> {
        debug_assert!(self.sorted || self.places.is_empty());
        let hash = self.hasher.hash_one(key);
        let start = self.places.partition_point(|(other, _)| *other < hash);
        let found = self.places.iter().skip(start);
        let found = found.take_while(move |(other, _)| *other == hash);
        found.map(|(_, place)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_a_key_are_found_in_order() {
        let mut places = Places::default();
        for (key, place) in [("a", 7), ("b", 5), ("a", 3)] {
            places.add(key, place);
        }
        places.sort();
        assert_eq!(places.of("a").collect::<Vec<_>>(), [3, 7]);
        assert_eq!(places.of("b").collect::<Vec<_>>(), [5]);
        assert_eq!(places.of("c").count(), 0);
    }
}
