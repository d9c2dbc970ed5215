//! Reads the members of a JSON body and reports everything that is wrong with them at once.

use lambda_http::http::HeaderValue;
use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::{Body, Request};
use serde_json::Value;

use super::json_body::{JsonBody, Member};
use super::media_type::essence;
use super::problem::Problem;
use crate::domain::field_error::{FieldError, Violation};
use crate::platform::json;

/// The length of the longest body that is read, in octets.
pub const MAX_BODY: usize = 16 * 1024;

/// The members of a request's body, taken one by one.
///
/// Take each with [`Fields::required`] or [`Fields::optional`], then build the value with
/// [`Fields::finish`]. It returns every field error, and every member that was not taken is one, so
/// no member is assigned by accident.
pub struct Fields {
    members: Vec<(String, Member)>,
    errors: Vec<FieldError>,
}

/// The media types that a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/merge-patch+json` (RFC 7396 section 4), or `application/json`.
    MergePatch,
}

impl Media {
    /// The media types of [`Media::MergePatch`], as in `Accept-Patch`.
    pub(super) const MERGE_PATCHES: &str = "application/merge-patch+json, application/json";

    /// Returns the media types in words.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json or application/json",
        }
    }

    /// Returns whether `content_type` (RFC 9110 section 8.3) is one of them.
    fn includes(self, content_type: &str) -> bool {
        match essence(content_type).as_deref() {
            Some("application/json") => true,
            Some("application/merge-patch+json") => self == Self::MergePatch,
            _ => false,
        }
    }
}

impl Fields {
    /// Reads the members of a body that is a JSON object.
    ///
    /// # Errors
    ///
    /// Returns 413, 415 or 400, checked in this order, or 422 if the body is JSON but not an
    /// object.
    pub fn read(request: &Request, media: Media) -> Result<Self, Problem> {
        let body: &[u8] = match request.body() {
            Body::Text(text) => text.as_bytes(),
            Body::Binary(octets) => octets,
            _ => &[],
        };
        if body.len() > MAX_BODY {
            return Err(Problem::BodyTooLarge { most: MAX_BODY });
        }
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(HeaderValue::as_bytes).unwrap_or_default();
        let content_type = &String::from_utf8_lossy(content_type);
        if !media.includes(content_type) {
            return Err(Problem::UnsupportedMediaType { expected: media });
        }
        match json::parse(body) {
            Ok(JsonBody::Object(members)) => Ok(Self {
                members,
                errors: Vec::new(),
            }),
            Ok(JsonBody::Other) => Err(of_body(Violation::new(
                "wrong-type",
                "is not a JSON object",
            ))),
            Ok(JsonBody::TooManyMembers) => Err(of_body(Violation::new(
                "too-many-members",
                "has too many members",
            ))),
            // The library's error message may quote the text, which may be a password.
            Err(error) => Err(Problem::MalformedJson {
                place: format!("line {}, column {}", error.line(), error.column()),
            }),
        }
    }

    /// Takes a member that must be present. Returns `None` if anything is wrong with it.
    pub fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let value = self.take(name, parse);
        if value.is_none() && !self.errors.iter().any(|error| concerns(error, name)) {
            self.push_error(name, Violation::new("missing", "is missing"));
        }
        value
    }

    /// Takes a member that may be missing. Returns `None` if it is missing or invalid.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        self.take(name, parse)
    }

    /// Takes a member that may be missing and is a JSON array or a JSON object. Returns `None` if it
    /// is missing or invalid.
    pub fn optional_json<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Violation>,
    ) -> Option<T> {
        let member = self.member(name)?;
        self.accept(name, member.json().and_then(|value| parse(&value)))
    }

    /// Takes a member that may be missing or null. Returns `None` if it is missing or invalid, and
    /// `Some(None)` if it is null.
    pub fn nullable<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<Option<T>> {
        let parsed = match self.member(name)? {
            Member::Null => Ok(None),
            member => member.text().and_then(|text| parse(&text)).map(Some),
        };
        self.accept(name, parsed)
    }

    /// Builds the value from the members that were taken. `build` returns `None` only if a required
    /// member is missing or invalid.
    ///
    /// # Errors
    ///
    /// Returns 422 with every field error, including the members that were not taken.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.members) {
            self.push_error(&name, Violation::new("unknown", "is not a known member"));
        }
        match build() {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::InvalidFields(self.errors)),
        }
    }

    fn take<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let member = self.member(name)?;
        self.accept(name, member.text().and_then(|text| parse(&text)))
    }

    /// Removes a member. Returns `None` if it is missing or given more than once.
    fn member(&mut self, name: &str) -> Option<Member> {
        let place = self.members.iter().position(|(other, _)| other == name)?;
        let (_, member) = self.members.remove(place);
        // RFC 8259 section 4 leaves open which one counts: none does.
        if self.members.iter().any(|(other, _)| other == name) {
            self.members.retain(|(other, _)| other != name);
            self.push_error(name, Violation::new("repeated", "is given more than once"));
            return None;
        }
        Some(member)
    }

    /// Returns a value that was read from the member `name`, or adds the reason why it was not.
    fn accept<T>(&mut self, name: &str, parsed: Result<T, Violation>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(reason) => {
                self.push_error(name, reason);
                None
            }
        }
    }

    fn push_error(&mut self, name: &str, reason: Violation) {
        self.errors.push(FieldError::of_member(name, reason));
    }
}

impl Member {
    fn text(self) -> Result<String, Violation> {
        let kind = match self {
            Self::Text(text) => return Ok(text),
            Self::Null => return Err(Violation::new("null", "is null; it must be a string")),
            Self::Array(_) => "an array",
            Self::Object(_) | Self::Ambiguous => "an object",
            Self::Other(kind) => kind,
        };
        let detail = format!("is {kind}; it must be a string");
        Err(Violation::new("wrong-type", detail))
    }

    fn json(self) -> Result<Value, Violation> {
        let kind = match self {
            Self::Array(value) | Self::Object(value) => return Ok(value),
            // RFC 8259 section 4 leaves open which one counts: none does.
            Self::Ambiguous => return Err(Violation::new("repeated", "has a member twice")),
            Self::Null => return Err(Violation::new("null", "is null")),
            Self::Text(_) => "a string",
            Self::Other(kind) => kind,
        };
        Err(Violation::new("wrong-type", format!("is {kind}")))
    }
}

fn of_body(reason: Violation) -> Problem {
    Problem::InvalidFields(vec![FieldError::of_body(reason)])
}

fn concerns(error: &FieldError, name: &str) -> bool {
    error.pointer.strip_prefix('/') == Some(name)
}

#[cfg(test)]
mod tests;
