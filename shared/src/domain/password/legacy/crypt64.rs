//! The base64 of crypt(3): `./0-9A-Za-z`, without padding.

/// Which bits of a character come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The lowest bits of an octet stand in the first character, as in md5-crypt, SHA-crypt, phpass
    /// and yescrypt.
    LowFirst,
    /// The highest bits of an octet stand in the first character, as in DES-crypt.
    HighFirst,
}

/// Returns the value of a character: 0 to 63.
pub fn value(character: u8) -> Option<u8> {
    match character {
        b'.' => Some(0),
        b'/' => Some(1),
        b'0'..=b'9' => Some(character - b'0' + 2),
        b'A'..=b'Z' => Some(character - b'A' + 12),
        b'a'..=b'z' => Some(character - b'a' + 38),
        _ => None,
    }
}

/// Returns the number that at most five characters are, the lowest bits first.
pub fn number(text: &str) -> Option<u32> {
    if text.len() > 5 {
        return None;
    }
    let mut number = 0;
    for character in text.bytes().rev() {
        number = number << 6 | u32::from(value(character)?);
    }
    Some(number)
}

/// Returns the octets that a text is, or `None` if a character is none of the alphabet, the length is
/// impossible, or bits that belong to no octet are set: what crypt(3) compares is the text.
pub fn decode(text: &str, order: Order) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for (place, &character) in group.iter().enumerate() {
            let place = match order {
                Order::LowFirst => place,
                Order::HighFirst => 3 - place,
            };
            bits |= u32::from(value(character)?) << (6 * place);
        }
        let [_, high, middle, low] = bits.to_be_bytes();
        let (taken, rest) = match (order, group.len()) {
            (Order::LowFirst, 4) => (vec![low, middle, high], 0),
            (Order::LowFirst, 3) => (vec![low, middle], high),
            (Order::LowFirst, 2) => (vec![low], middle),
            (Order::HighFirst, 4) => (vec![high, middle, low], 0),
            (Order::HighFirst, 3) => (vec![high, middle], low),
            (Order::HighFirst, 2) => (vec![high], middle),
            _ => return None,
        };
        if rest != 0 {
            return None;
        }
        octets.extend(taken);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_decode_and_refuse_bits_that_belong_to_no_octet() {
        assert_eq!(decode("/.", Order::LowFirst), Some(vec![1]));
        assert_eq!(decode(".2", Order::LowFirst), None);
        assert_eq!(decode("zzzz", Order::LowFirst), Some(vec![255; 3]));
        assert_eq!(decode(".E", Order::HighFirst), Some(vec![1]));
        assert_eq!(decode("./", Order::HighFirst), None);
        assert_eq!(decode("....E", Order::HighFirst), None);
        assert_eq!(decode("a b", Order::HighFirst), None);
        assert_eq!(decode("", Order::HighFirst), Some(Vec::new()));
    }

    #[test]
    fn a_number_has_its_lowest_bits_first() {
        assert_eq!(number("U...."), Some(32));
        assert_eq!(number("J9.."), Some(21 + (11 << 6)));
        assert_eq!(number("......"), None);
        assert_eq!(number("$"), None);
    }
}
