//! Packs the word lists in `data` into the tree of letters that `src/frequency_lists.rs` reads.
//! Its format is described there. The same lists always give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, error, fs};

/// The lists in the order of `DictionaryType`; in each one word a line, the most common first.
const LISTS: [&str; 6] = [
    "passwords",
    "english_wiki",
    "female_names",
    "male_names",
    "surnames",
    "us_tv_and_film",
];

/// So many letters from the start, a letter tells how long its subtree is.
const SKIP_DEPTHS: usize = 3;

/// A node of the tree: the words that start with the letters on the way to it.
#[derive(Default)]
struct Node {
    word: Option<usize>,
    children: BTreeMap<u8, Node>,
}

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=data");

    let mut root = Node::default();
    let mut counts = Vec::new();
    let mut number = 0;
    for list in LISTS {
        let path = Path::new("data").join(list).with_extension("txt");
        let text = fs::read_to_string(path)?;
        for word in text.lines() {
            if word.is_empty() || !word.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(format!("{list}: not a word: {word:?}").into());
            }
            let mut node = &mut root;
            for letter in word.bytes() {
                node = node.children.entry(letter).or_default();
            }
            if node.word.replace(number).is_some() {
                return Err(format!("{list}: a second time: {word}").into());
            }
            number += 1;
        }
        counts.push(text.lines().count());
    }

    let mut tree = Tree {
        alphabet: alphabet(&root),
        number_bits: bits_for(number),
        skip_bits: [0; SKIP_DEPTHS],
    };
    // The width of the lengths changes the lengths: repeat until they fit.
    let bits = loop {
        let before = tree.skip_bits;
        let bits = tree.pack(&root, 0);
        if tree.skip_bits == before {
            break bits;
        }
    };
    let mut bytes: Vec<u8> = bits
        .chunks(8)
        .map(|bits| bits.iter().rev().fold(0, |b, &bit| b << 1 | u8::from(bit)))
        .collect();
    // Eight bytes are read at once.
    bytes.extend([0; 7]);

    let mut code = String::new();
    let Tree {
        alphabet,
        number_bits,
        skip_bits,
    } = tree;
    writeln!(
        code,
        "const COUNTS: [usize; {}] = {counts:?};",
        counts.len()
    )?;
    writeln!(
        code,
        "const ALPHABET: [u8; {}] = {alphabet:?};",
        alphabet.len()
    )?;
    writeln!(code, "const NUMBER_BITS: u32 = {number_bits};")?;
    writeln!(
        code,
        "const SKIP_BITS: [u32; {SKIP_DEPTHS}] = {skip_bits:?};"
    )?;
    let out = env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    fs::write(Path::new(&out).join("words.bin"), bytes)?;
    fs::write(Path::new(&out).join("words.rs"), code)?;
    Ok(())
}

/// The letters that occur, the most frequent first.
fn alphabet(root: &Node) -> Vec<u8> {
    fn count(node: &Node, counts: &mut BTreeMap<u8, usize>) {
        for (&letter, child) in &node.children {
            *counts.entry(letter).or_default() += 1;
            count(child, counts);
        }
    }
    let mut counts = BTreeMap::new();
    count(root, &mut counts);
    let sorted: BTreeSet<_> = counts.iter().map(|(&l, &c)| (usize::MAX - c, l)).collect();
    sorted.into_iter().map(|(_, letter)| letter).collect()
}

/// How many bits hold the numbers up to `max`.
fn bits_for(max: usize) -> u32 {
    usize::BITS - max.leading_zeros()
}

struct Tree {
    alphabet: Vec<u8>,
    number_bits: u32,
    skip_bits: [u32; SKIP_DEPTHS],
}

impl Tree {
    /// The bits of what lies below a node. Widens `skip_bits` where they do not suffice.
    fn pack(&mut self, node: &Node, depth: usize) -> Vec<bool> {
        let mut children: Vec<_> = node
            .children
            .iter()
            .map(|(&letter, child)| (self.pack(child, depth + 1), letter, child))
            .collect();
        // The longest last: no one has to skip it.
        children.sort_by_key(|(below, letter, _)| (below.len(), *letter));

        let mut bits = Vec::new();
        let put = |bits: &mut Vec<bool>, value: usize, width: u32| {
            bits.extend((0..width).map(|bit| value >> bit & 1 == 1));
        };
        let last = children.len().saturating_sub(1);
        for (index, (below, letter, child)) in children.into_iter().enumerate() {
            let place = self.alphabet.iter().position(|&l| l == letter);
            let place = place.unwrap_or_default();
            let more = index != last;
            for _ in 0..place / 8 {
                put(&mut bits, 1, 1);
            }
            put(&mut bits, 0, 1);
            put(&mut bits, place % 8, 3);
            put(&mut bits, usize::from(more), 1);
            put(&mut bits, usize::from(child.word.is_some()), 1);
            if let Some(number) = child.word {
                put(&mut bits, number, self.number_bits);
                put(&mut bits, usize::from(!below.is_empty()), 1);
            }
            if let Some(width) = self.skip_bits.get_mut(depth) {
                if more && !below.is_empty() {
                    *width = bits_for(below.len()).max(*width);
                    put(&mut bits, below.len(), *width);
                }
            }
            bits.extend(below);
        }
        bits
    }
}
