//! Parses media types (RFC 9110 section 8.3.1).
//!
//! The crate `mime` refuses what the grammar allows (a blank before `;`, an empty parameter or
//! quoted text, an escape in a quoted text) and accepts a parameter without a value.

/// Returns the type and subtype of a `Content-Type` in lower case, or `None` if it is not a media
/// type with well-formed parameters.
///
/// The parameters are not looked at: JSON defines none, and a `charset` "has no effect on compliant
/// recipients" (RFC 8259 section 11).
pub(super) fn essence(content_type: &str) -> Option<String> {
    let text = content_type.trim_matches(OWS);
    let (essence, parameters) = match text.split_once(';') {
        Some((essence, _)) => (essence, &text[essence.len()..]),
        None => (text, ""),
    };
    let essence = essence.trim_end_matches(OWS);
    let (kind, subtype) = essence.split_once('/')?;
    (is_token(kind) && is_token(subtype) && are_parameters(parameters))
        .then(|| essence.to_ascii_lowercase())
}

/// Optional whitespace (RFC 9110 section 5.6.3).
const OWS: [char; 2] = [' ', '\t'];

/// Returns whether `text` is `*( OWS ";" OWS [ parameter ] )` (RFC 9110 section 5.6.6).
fn are_parameters(mut text: &str) -> bool {
    loop {
        text = text.trim_start_matches(OWS);
        if text.is_empty() {
            return true;
        }
        let Some(rest) = text.strip_prefix(';') else {
            return false;
        };
        text = rest.trim_start_matches(OWS);
        if text.is_empty() || text.starts_with(';') {
            continue;
        }
        let Some((name, value)) = text.split_once('=') else {
            return false;
        };
        let after = match value.strip_prefix('"') {
            Some(quoted) => after_quoted(quoted),
            None => {
                let end = value.find(|c| c == ';' || OWS.contains(&c));
                let (value, rest) = value.split_at(end.unwrap_or(value.len()));
                is_token(value).then_some(rest)
            }
        };
        match after {
            Some(rest) if is_token(name) => text = rest,
            _ => return false,
        }
    }
}

/// Returns what follows a quoted text (RFC 9110 section 5.6.4) whose opening quote was read, or
/// `None` if it does not end.
fn after_quoted(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (place, c) in text.char_indices() {
        match c {
            // Control characters may not even be escaped.
            '\0'..='\u{8}' | '\u{a}'..='\u{1f}' | '\u{7f}' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.get(place + 1..),
            _ => {}
        }
    }
    None
}

/// Returns whether `text` is a token (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let tchar = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    !text.is_empty() && text.bytes().all(tchar)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_of_every_form_are_passed_over() {
        for text in [
            "application/json",
            "Application/JSON",
            "application/json;",
            "application/json ;charset=utf-8",
            "application/json\t;\tcharset=UTF-8 ",
            "application/json; charset=iso-8859-1",
            "application/json; charset=\"utf-8\"",
            "application/json; profile=\"a;b, c\"; x=y",
            r#"application/json; a="q\"x;y\\""#,
            "application/json; a=\"\"",
            "application/json;;a=b; ;",
            "application/json; a=\"caf\u{e9}\"",
        ] {
            assert_eq!(essence(text).as_deref(), Some("application/json"), "{text}");
        }
        assert_eq!(
            essence("application/merge-patch+json").as_deref(),
            Some("application/merge-patch+json")
        );
    }

    #[test]
    fn what_is_no_media_type_has_no_essence() {
        for text in [
            "",
            "json",
            "application/",
            "/json",
            "application/ json",
            "application /json",
            "application/json/x",
            "application/json,application/json",
            "application/json charset=utf-8",
            "application/json; charset",
            "application/json; charset=",
            "application/json; =utf-8",
            "application/json; a = b",
            "application/json; a=\"x",
            "application/json; a=\"x\\\"",
            "application/json; a=\"x\"y",
            "application/json; a=\"x\ny\"",
            "application/json; a=b c",
            "application/json; a=b, text/plain",
        ] {
            assert_eq!(essence(text), None, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::properties::cases())]

        #[test]
        fn any_parameters_leave_the_type_as_it_is(
            blanks in proptest::collection::vec("[ \t]{0,2}", 3),
            name in "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}",
            quoted in "[ \t!#-\\[\\]-~\u{80}-\u{ff}]{0,12}",
            escaped in "[ -~]",
        ) {
            let text = format!(
                "application/json{};{}{name}=\"{quoted}\\{escaped}\"{}",
                blanks[0], blanks[1], blanks[2]
            );
            let found = essence(&text);
            prop_assert_eq!(found.as_deref(), Some("application/json"), "{}", text);
        }

        #[test]
        fn no_text_is_too_odd_to_be_parsed(text in any::<String>()) {
            if let Some(essence) = essence(&text) {
                prop_assert!(essence.is_ascii() && essence.matches('/').count() == 1);
            }
        }
    }
}
