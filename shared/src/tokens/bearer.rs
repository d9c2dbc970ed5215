//! The Bearer scheme of the `Authorization` header (RFC 6750 section 2.1).

use super::verifier::TokenError;

/// Returns the token in the value of an `Authorization` header.
///
/// API Gateway joins repeated headers with commas, and no access token contains a comma or a blank,
/// so such a value is refused.
///
/// # Errors
///
/// Returns an error if the scheme is another one (its name's letter case is free) or is not
/// followed by exactly one token.
pub fn token(header: &str) -> Result<&str, TokenError> {
    let (scheme, rest) = header.split_once(' ').ok_or(TokenError::NotBearer)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(TokenError::NotBearer);
    }
    let token = rest.trim_start_matches(' ');
    // RFC 6750 section 2.1: b64token.
    let b64token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if token.is_empty() || !token.bytes().all(b64token) {
        return Err(TokenError::NotBearer);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_scheme_may_have_any_letter_case_and_blanks_behind_it() {
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(token(header), Ok("a.b.c"), "{header}");
        }
    }

    #[test]
    fn other_schemes_and_anything_but_one_token_are_refused() {
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "a.b.c",
            "Basic a.b.c",
            "Bearera.b.c",
            "Bearer\ta.b.c",
            " Bearer a.b.c",
            "Bearer a.b.c ",
            "Bearer a.b.c, Bearer d.e.f",
            "Bearer a.b.c,d.e.f",
            "Bearer a.b.c d.e.f",
            "Bearer \"a.b.c\"",
            "Bearer a.b.c\n",
            "Bearér a.b.c",
        ] {
            assert_eq!(token(header), Err(TokenError::NotBearer), "{header:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::properties::cases())]

        #[test]
        fn whatever_is_taken_for_a_token_is_one_word_of_its_alphabet(
            header in prop_oneof![any::<String>(), "[Bb]earer [ -~]{0,40}"],
        ) {
            if let Ok(token) = token(&header) {
                prop_assert!(header.to_ascii_lowercase().starts_with("bearer "));
                prop_assert!(header.ends_with(token));
                prop_assert!(!token.contains([',', ' ', '"', ';']) && token.is_ascii());
            }
        }
    }
}
