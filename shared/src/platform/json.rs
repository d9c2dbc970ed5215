//! Parses JSON that somebody else wrote.
//!
//! serde_json does not look at what it skips: in a member that the target type ignores, octets that
//! are no UTF-8 and halves of surrogate pairs pass. [`parse`] looks at every text first, so that no
//! document is accepted whose parts another parser would refuse or read otherwise (RFC 8259 section
//! 8.1, RFC 7493 section 2.1). Clippy refuses serde_json's own functions for octets elsewhere.
//!
//! Lambda's events are the one exception: lambda_runtime parses them itself. API Gateway writes
//! them, and Lambda refuses to invoke a function with octets that are no UTF-8
//! (`InvalidRequestContentException`, "Invalid UTF-8 start byte").

use serde::de::DeserializeOwned;

/// The reason why a text was not parsed.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON, or not of the wanted type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A part of it is not Unicode.
    #[error("a text is not Unicode at line {line} column {column}")]
    NotUnicode {
        /// The line of the first such octet.
        line: usize,
        /// Its place in the line.
        column: usize,
    },
}

impl JsonError {
    /// Returns the line at which parsing failed.
    pub fn line(&self) -> usize {
        match self {
            Self::Json(error) => error.line(),
            Self::NotUnicode { line, .. } => *line,
        }
    }

    /// Returns the column at which parsing failed.
    pub fn column(&self) -> usize {
        match self {
            Self::Json(error) => error.column(),
            Self::NotUnicode { column, .. } => *column,
        }
    }
}

/// Parses a JSON text, every part of which must be Unicode, also where `T` ignores it.
///
/// # Errors
///
/// Returns an error if the octets are not JSON in UTF-8, or not a `T`.
pub fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, JsonError> {
    let not_unicode = |place: usize| {
        let before = octets.get(..place).unwrap_or_default();
        let lines: Vec<_> = before.split(|octet| *octet == b'\n').collect();
        JsonError::NotUnicode {
            line: lines.len(),
            column: lines.last().map_or(0, |line| line.len()) + 1,
        }
    };
    let text = std::str::from_utf8(octets).map_err(|error| not_unicode(error.valid_up_to()))?;
    if let Some(place) = lone_surrogate(octets) {
        return Err(not_unicode(place));
    }
    Ok(serde_json::from_str(text)?)
}

/// Returns the place of an escape that is half of a surrogate pair, without the other half. Texts
/// are not told from the rest: outside of texts a backslash is no JSON, which the parser finds.
fn lone_surrogate(octets: &[u8]) -> Option<usize> {
    let escaped = |place: usize| {
        let digits = octets.get(place..)?.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut place = 0;
    while let Some(found) = octets.get(place..)?.iter().position(|o| *o == b'\\') {
        place += found;
        place += match escaped(place) {
            Some(0xd800..=0xdbff) => match escaped(place + 6) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return Some(place),
            },
            Some(0xdc00..=0xdfff) => return Some(place),
            // Also another escape, such as an escaped backslash.
            _ => 2,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct One {
        read: u64,
    }

    /// Texts that are malformed as a member's name or value.
    const MALFORMED: [&[u8]; 8] = [
        b"\"\xff\"",
        b"\"\xc3\"",
        // An overlong form, a surrogate, and a number beyond Unicode.
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\\ud800\"",
        b"\"\\udc00x\"",
        b"\"\\ud800\\u0041\"",
    ];

    #[test]
    fn a_member_that_nobody_reads_is_looked_at() {
        for text in MALFORMED {
            for (before, after) in [
                (r#"{"read":7,"skipped":"#, "}"),
                (r#"{"read":7,"skipped":[{"deep":"#, "}]}"),
                (r#"{"read":7,"#, ":1}"),
                (r#"{"read":7,"skipped":{"#, ":1}}"),
            ] {
                let document = [before.as_bytes(), text, after.as_bytes()].concat();
                let shown = String::from_utf8_lossy(&document);
                assert!(parse::<One>(&document).is_err(), "{shown}");
            }
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let deep = format!(r#"{{"read":7,"skipped":{deep},"\\ud800":"\\\\"}}"#);
        assert_eq!(parse::<One>(deep.as_bytes()).unwrap(), One { read: 7 });
        assert_eq!(
            parse::<One>(r#" {"skipped":["ü\ud83d\ude00",1e3,null,{}],"read":7}"#.as_bytes())
                .unwrap(),
            One { read: 7 }
        );
    }

    #[test]
    fn an_error_says_where_it_is() {
        let error = parse::<Value>(b"{\"a\": 1,\n \"b\": \"\xff\"}").unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 8));
        let error = parse::<Value>(b"{\"a\": \"x\\uDC00\"}").unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 9));
        let error = parse::<Value>(b"{\"a\" 1}").unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 6));
    }
}
