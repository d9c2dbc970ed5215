/// Which list a word is from.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Default)]
#[allow(missing_docs)]
pub enum DictionaryType {
    #[default]
    Passwords,
    English,
    FemaleNames,
    MaleNames,
    Surnames,
    UsTvAndFilm,
    UserInputs,
}

// Upstream has the lists here, one string each, and makes `HashMap`s of them when it is first
// used. Here `build.rs` packs all the lists in `data` into one tree of letters, which is read
// where it lies in the program. It is a stream of bits, the lowest bit of each byte first. The
// root comes first, as the list of its children. Each child is
//
// - its letter, by its place in `ALPHABET`: the eighth of it as so many ones and a zero, then the
//   remainder in three bits (which makes frequent letters short);
// - whether another child of the same parent follows (one bit);
// - whether a word ends here (one bit); if so, its number (`NUMBER_BITS`) and whether it has
//   children (one bit). Without a word it has children;
// - if it has children, and another child of the same parent follows, and it is not too deep: the
//   length of the list of its children in bits (`SKIP_BITS` at this depth);
// - if it has children: the list of them.
//
// Words are numbered through all the lists, each in order of rank.
include!(concat!(env!("OUT_DIR"), "/words.rs"));
const TREE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/words.bin"));

/// The lists, in the order in which the words are numbered.
pub(crate) const DICTIONARIES: [DictionaryType; 6] = [
    DictionaryType::Passwords,
    DictionaryType::English,
    DictionaryType::FemaleNames,
    DictionaryType::MaleNames,
    DictionaryType::Surnames,
    DictionaryType::UsTvAndFilm,
];

/// A word in the lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Word {
    /// How many bytes it has; all of them are ASCII.
    pub(crate) len: usize,
    pub(crate) dictionary_name: DictionaryType,
    pub(crate) rank: usize,
}

/// Finds all words with which `text` starts, the shortest first.
pub(crate) fn words_at_start(text: &str, mut found: impl FnMut(Word)) {
    let mut reader = Reader { position: 0 };
    'letters: for (depth, letter) in text.bytes().enumerate() {
        loop {
            let node = reader.node(depth);
            if ALPHABET.get(node.place) == Some(&letter) {
                if let Some(number) = node.number {
                    let (dictionary_name, rank) = dictionary_and_rank(number);
                    found(Word {
                        len: depth + 1,
                        dictionary_name,
                        rank,
                    });
                }
                if node.has_children {
                    continue 'letters;
                }
                return;
            }
            if !node.more {
                return;
            }
            if node.has_children {
                reader.skip_children(&node, depth);
            }
        }
    }
}

fn dictionary_and_rank(mut number: usize) -> (DictionaryType, usize) {
    for (&dictionary_name, &count) in DICTIONARIES.iter().zip(&COUNTS) {
        if number < count {
            return (dictionary_name, number + 1);
        }
        number -= count;
    }
    (DictionaryType::default(), number + 1)
}

struct Node {
    place: usize,
    more: bool,
    number: Option<usize>,
    has_children: bool,
    skip: usize,
}

/// Reads `TREE` bit by bit.
struct Reader {
    position: usize,
}

impl Reader {
    /// The next bits, at least 57 of them. Beyond the end there are only zeros.
    fn peek(&self) -> u64 {
        let bytes = TREE.get(self.position / 8..).unwrap_or_default();
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(bytes) >> (self.position % 8)
    }

    /// Reads a node up to the list of its children.
    fn node(&mut self, depth: usize) -> Node {
        let bits = self.peek();
        let mut position = 0;
        let mut take = |width: u32| {
            let taken = bits >> position & ((1 << width) - 1);
            position += width;
            taken as usize
        };
        let eighth = bits.trailing_ones();
        take(eighth + 1);
        let place = eighth as usize * 8 + take(3);
        let more = take(1) == 1;
        let is_word = take(1) == 1;
        let number = is_word.then(|| take(NUMBER_BITS));
        let has_children = !is_word || take(1) == 1;
        let skip = match SKIP_BITS.get(depth) {
            Some(&width) if more && has_children => take(width),
            _ => 0,
        };
        self.position += position as usize;
        Node {
            place,
            more,
            number,
            has_children,
            skip,
        }
    }

    fn skip_children(&mut self, node: &Node, depth: usize) {
        if depth < SKIP_BITS.len() {
            self.position += node.skip;
            return;
        }
        let mut open_lists = 1;
        while open_lists > 0 {
            let node = self.node(depth);
            if node.has_children {
                open_lists += 1;
            }
            if !node.more {
                open_lists -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const LISTS: [&str; 6] = [
        include_str!("../data/passwords.txt"),
        include_str!("../data/english_wiki.txt"),
        include_str!("../data/female_names.txt"),
        include_str!("../data/male_names.txt"),
        include_str!("../data/surnames.txt"),
        include_str!("../data/us_tv_and_film.txt"),
    ];

    #[test]
    fn test_finds_every_word_and_no_other() {
        let mut ranks = HashMap::new();
        for (dictionary_name, list) in DICTIONARIES.into_iter().zip(LISTS) {
            for (i, word) in list.lines().enumerate() {
                ranks.insert(word, (dictionary_name, i + 1));
            }
        }
        assert_eq!(ranks.len(), 93_855);
        for text in ranks.keys() {
            for text in [
                text.to_string(),
                format!("{text}s"),
                format!("{text}\u{e4}"),
            ] {
                let expected: Vec<Word> = text
                    .char_indices()
                    .map(|(at, c)| at + c.len_utf8())
                    .filter_map(|len| {
                        let &(dictionary_name, rank) = ranks.get(&text[..len])?;
                        Some(Word {
                            len,
                            dictionary_name,
                            rank,
                        })
                    })
                    .collect();
                let mut words = Vec::new();
                words_at_start(&text, |word| words.push(word));
                assert_eq!(words, expected, "{text}");
            }
        }
    }
}
