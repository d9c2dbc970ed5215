//! Hexadecimal digits.

use std::fmt::Write as _;

/// Returns octets as lower-case hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    let mut digits = String::with_capacity(octets.len() * 2);
    for octet in octets {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn each_octet_has_two_digits() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
