//! Errors in one piece of input.

use std::borrow::Cow;

use serde::Serialize;

/// The reason why a parser refused a text: a stable code for programs, a sentence for people.
///
/// The sentence never quotes the text, because it may be a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The code: stable, in kebab-case.
    pub code: &'static str,
    /// The predicate of the sentence that begins with "the value".
    pub detail: Cow<'static, str>,
}

impl Violation {
    /// Returns a violation with this code and sentence.
    pub fn new(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

/// A [`Violation`] and the place in the request it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON pointer into the request's body (RFC 6901).
    pub pointer: String,
    /// The code, as in [`Violation`].
    pub code: &'static str,
    /// The sentence, as in [`Violation`].
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// Returns an error in the body's member `name`.
    pub fn of_member(name: &str, reason: Violation) -> Self {
        // RFC 6901 section 3: "~" and "/" are escaped, in this order.
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Self {
            pointer,
            code: reason.code,
            detail: reason.detail,
        }
    }

    /// Returns an error in the body as a whole.
    pub fn of_body(reason: Violation) -> Self {
        Self {
            pointer: String::new(),
            code: reason.code,
            detail: reason.detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_what_rfc_6901_reserves() {
        let error = FieldError::of_member("a/b~c", Violation::new("unknown", "is unknown"));
        assert_eq!(error.pointer, "/a~1b~0c");
    }
}
