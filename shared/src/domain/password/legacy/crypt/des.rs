//! DES as crypt(3) uses it: with a salt that swaps bits of the expansion, and repeated.
//!
//! The tables are those of FIPS 46-3. No crate of a block cipher offers the salt.

const IP: [u8; 64] = [
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6,
    64, 56, 48, 40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61,
    53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
];

/// The inverse of [`IP`].
const FP: [u8; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30,
    37, 5, 45, 13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27,
    34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];

const PC1: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60,
    52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29,
    21, 13, 5, 28, 20, 12, 4,
];

const PC2: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52,
    31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

const P: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19,
    13, 30, 6, 22, 11, 4, 25,
];

const SHIFTS: [u32; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

const S: [[u8; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12,
        11, 9, 5, 3, 8, 4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9,
        1, 7, 5, 11, 3, 14, 10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1,
        10, 6, 9, 11, 5, 0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15,
        4, 2, 11, 6, 7, 12, 0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5,
        14, 12, 11, 15, 1, 13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6,
        9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2,
        12, 1, 10, 14, 9, 10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1,
        13, 8, 9, 4, 5, 11, 12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15,
        10, 3, 9, 8, 6, 4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14,
        2, 13, 6, 15, 0, 9, 10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13,
        14, 0, 11, 3, 8, 9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5,
        15, 10, 11, 14, 1, 7, 6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5,
        12, 2, 15, 8, 6, 1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4,
        10, 7, 9, 5, 0, 15, 14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6,
        11, 0, 14, 9, 2, 7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10,
        8, 13, 15, 12, 9, 0, 3, 5, 6, 11,
    ],
];

/// For each S-box and its six bits of input, its four bits of output where [`P`] puts them.
const SP: [[u32; 64]; 8] = {
    let mut all = [[0; 64]; 8];
    let mut each = 0;
    while each < 8 {
        let mut input = 0;
        while input < 64 {
            let row = (input >> 4 & 2) | (input & 1);
            let output = S[each][row * 16 + (input >> 1 & 15)] as u32;
            let unpermuted = output << (28 - 4 * each);
            let mut bit = 0;
            while bit < 32 {
                all[each][input] |= (unpermuted >> (32 - P[bit]) & 1) << (31 - bit);
                bit += 1;
            }
            input += 1;
        }
        each += 1;
    }
    all
};

/// Returns the bits that `table` names, in its order. Bit 1 is the highest of `width`.
fn permute(bits: u64, width: u32, table: &[u8]) -> u64 {
    let bit = |&place: &u8| bits >> (width - u32::from(place)) & 1;
    table.iter().map(bit).fold(0, |all, bit| all << 1 | bit)
}

/// The keys of the sixteen rounds, 48 bits each.
struct Keys([u64; 16]);

impl Keys {
    fn of(key: u64) -> Self {
        const HALF: u64 = (1 << 28) - 1;
        let both = permute(key, 64, &PC1);
        let (mut left, mut right) = (both >> 28, both & HALF);
        Self(SHIFTS.map(|shift| {
            left = (left << shift | left >> (28 - shift)) & HALF;
            right = (right << shift | right >> (28 - shift)) & HALF;
            permute(left << 28 | right, 56, &PC2)
        }))
    }

    /// Encrypts a block `rounds` times, one after the other. `swaps` has a bit for each pair of bits
    /// of the expansion that are swapped.
    fn encrypt(&self, block: u64, swaps: u32, rounds: u32) -> u64 {
        let block = permute(block, 64, &IP);
        let (mut left, mut right) = ((block >> 32) as u32, block as u32);
        for _ in 0..rounds {
            for &key in &self.0 {
                (left, right) = (right, left ^ round(right, key, swaps));
            }
            (left, right) = (right, left);
        }
        permute(u64::from(left) << 32 | u64::from(right), 64, &FP)
    }
}

fn round(right: u32, key: u64, swaps: u32) -> u32 {
    // Each S-box sees four bits and their two neighbours.
    let ring = right.rotate_right(1);
    let six = |each: u32| ring.rotate_left(4 * each) >> 26;
    let four = |first: u32| (0..4).fold(0, |all, each| all << 6 | six(first + each));
    let (high, low) = (four(0), four(4));
    let swapped = (high ^ low) & swaps;
    let high = high ^ swapped ^ (key >> 24) as u32;
    let low = low ^ swapped ^ key as u32;
    let from = |half: u32, each: u32| (half >> (18 - 6 * each) & 63) as usize;
    let [a, b, c, d, e, f, g, h] = &SP;
    a[from(high, 0)]
        ^ b[from(high, 1)]
        ^ c[from(high, 2)]
        ^ d[from(high, 3)]
        ^ e[from(low, 0)]
        ^ f[from(low, 1)]
        ^ g[from(low, 2)]
        ^ h[from(low, 3)]
}

/// Returns seven bits of each of at most eight octets as a key.
fn key(octets: &[u8]) -> u64 {
    let mut key = [0; 8];
    for (place, octet) in key.iter_mut().zip(octets) {
        *place = octet << 1;
    }
    u64::from_be_bytes(key)
}

/// Returns `salt`, whose bit 0 swaps the first bits of the expansion's halves, as a mask.
fn swaps(salt: u32) -> u32 {
    (salt & 0xff_ffff).reverse_bits() >> 8
}

/// Returns the digest of DES-crypt, which uses eight octets of the password and twelve bits of salt.
pub(super) fn des(password: &[u8], salt: u16) -> [u8; 8] {
    let keys = Keys::of(key(password));
    keys.encrypt(0, swaps(u32::from(salt)), 25).to_be_bytes()
}

/// Returns the digest of BSDi's extended DES-crypt, which uses the whole password and 24 bits of
/// salt.
pub(super) fn bsdi(password: &[u8], rounds: u32, salt: u32) -> [u8; 8] {
    let mut parts = password.chunks(8);
    let mut folded = key(parts.next().unwrap_or_default());
    for part in parts {
        folded = Keys::of(folded).encrypt(folded, 0, 1) ^ key(part);
    }
    Keys::of(folded)
        .encrypt(0, swaps(salt), rounds)
        .to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_salt_it_is_des() {
        // The worked example of J. Orlin Grabbe, "The DES Algorithm Illustrated".
        let keys = Keys::of(0x1334_5779_9bbc_dff1);
        let block = keys.encrypt(0x0123_4567_89ab_cdef, 0, 1);
        assert_eq!(block, 0x85e8_1354_0f0a_b405);
    }
}
