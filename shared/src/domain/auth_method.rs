//! How somebody has proven who they are.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::InvalidId;

/// A way in which the owner of an account has proven who they are, such as `pwd` (RFC 8176 section
/// 2).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthMethod(Cow<'static, str>);

impl AuthMethod {
    /// The owner has given the password.
    pub const PASSWORD: Self = Self(Cow::Borrowed("pwd"));

    /// The length of the longest name, in octets.
    pub const MAX_LENGTH: usize = 16;

    /// Returns the name of the method.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AuthMethod {
    type Err = InvalidId;

    /// Accepts 1 to 16 of the characters `a-z 0-9 . _ : -`. All registered names have this form, and
    /// versions to come may issue others than this one does.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'-');
        match (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(plain) {
            true => Ok(Self(Cow::Owned(text.to_owned()))),
            false => Err(InvalidId),
        }
    }
}

impl TryFrom<String> for AuthMethod {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<AuthMethod> for String {
    fn from(method: AuthMethod) -> Self {
        method.0.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_plain_word() {
        for text in ["pwd", "otp", "mfa", "hwk", "user"] {
            assert_eq!(text.parse::<AuthMethod>().unwrap().as_str(), text);
        }
        assert_eq!("pwd".parse(), Ok(AuthMethod::PASSWORD));
        for text in ["", "two words", "PWD", "a\n", &"x".repeat(17)] {
            assert_eq!(text.parse::<AuthMethod>(), Err(InvalidId), "{text:?}");
        }
    }
}
