//! What is wrong with one piece of input.

use std::borrow::Cow;

use serde::Serialize;

/// Why a parser refused a text: a stable code for programs, a sentence for people.
///
/// The sentence never quotes the text: it may be a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// Completes "the value ...", for people.
    pub detail: Cow<'static, str>,
}

impl Violation {
    /// A reason with its code and sentence.
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
    /// JSON pointer into the request's body (RFC 6901).
    pub pointer: String,
    /// As in [`Violation`].
    pub code: &'static str,
    /// As in [`Violation`].
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// A fault of the body's member `name`.
    pub fn of_member(name: &str, reason: Violation) -> Self {
        // RFC 6901 section 3: "~" and "/" are escaped, in this order.
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Self {
            pointer,
            code: reason.code,
            detail: reason.detail,
        }
    }

    /// A fault of the body as a whole.
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
        let fault = FieldError::of_member("a/b~c", Violation::new("unknown", "is unknown"));
        assert_eq!(fault.pointer, "/a~1b~0c");
    }
}
