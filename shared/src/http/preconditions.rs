//! Conditional requests (RFC 9110 section 13), for every method.
//!
//! Latchkey sends no `Last-Modified`, so `If-Modified-Since` and `If-Unmodified-Since` are ignored,
//! as sections 13.1.3 and 13.1.4 require.

use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, HeaderName, IF_MATCH, IF_NONE_MATCH, VARY,
};
use lambda_http::http::{HeaderMap, HeaderValue, Method, StatusCode};
use lambda_http::{Body, Request, Response};

use super::etag::tagged;
use super::problem::Problem;

/// The preconditions of a request.
#[derive(Debug)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    /// Whether the method is GET or HEAD.
    reads: bool,
}

/// The value of `If-Match` or `If-None-Match`: `"*" / #entity-tag`.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// The tags, none or several.
    List(Vec<Tag>),
    /// The value does not follow the grammar. It is a condition that does not hold: whoever sends
    /// one asks that something not be done blindly. Only a GET with such an `If-None-Match` is
    /// answered as without it, since the worst that can happen there is a longer answer.
    Malformed,
}

/// An entity tag (RFC 9110 section 8.8.3).
#[derive(Debug, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    /// The opaque tag, with its quotes.
    opaque: String,
}

/// A precondition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// The client has this representation already: the answer is 304.
    NotModified,
    /// The answer is 412.
    Failed,
}

/// Requests with another representation than the current one, or with none where there is one, fail.
impl From<Unmet> for Problem {
    fn from(_: Unmet) -> Self {
        Self::PreconditionFailed
    }
}

impl Preconditions {
    /// Reads the preconditions of a request.
    pub fn of(request: &Request) -> Self {
        Self {
            if_match: Tags::read(request.headers(), &IF_MATCH),
            if_none_match: Tags::read(request.headers(), &IF_NONE_MATCH),
            reads: matches!(*request.method(), Method::GET | Method::HEAD),
        }
    }

    /// Returns whether they hold for every representation, so that the current one need not be
    /// known.
    pub fn hold_for_any(&self) -> bool {
        matches!(self.if_match, None | Some(Tags::Any)) && self.if_none_match.is_none()
    }

    /// Evaluates them (RFC 9110 section 13.2.2) for something whose representation has the strong
    /// tag `current`.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them does not hold.
    pub fn check(&self, current: &str) -> Result<(), Unmet> {
        // The comparison is strong (section 13.1.1).
        let same = |tag: &Tag| !tag.is_weak && tag.opaque == current;
        match &self.if_match {
            None | Some(Tags::Any) => {}
            Some(Tags::List(tags)) if tags.iter().any(same) => {}
            Some(Tags::List(_) | Tags::Malformed) => return Err(Unmet::Failed),
        }
        // The comparison is weak (section 13.1.2).
        let known = match &self.if_none_match {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::List(tags)) => tags.iter().any(|tag| tag.opaque == current),
            Some(Tags::Malformed) => !self.reads,
        };
        match known {
            false => Ok(()),
            true if self.reads => Err(Unmet::NotModified),
            true => Err(Unmet::Failed),
        }
    }

    /// Returns the strong tags of `If-Match`.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        let tags = match &self.if_match {
            Some(Tags::List(tags)) => tags.as_slice(),
            _ => &[],
        };
        let strong = tags.iter().filter(|tag| !tag.is_weak);
        strong.map(|tag| tag.opaque.as_str())
    }

    /// Returns the answer to a GET: `response` with the tag `current`, or 304 without its content
    /// if the client has it.
    ///
    /// # Errors
    ///
    /// Returns 412 if `If-Match` does not hold.
    pub fn answer(
        &self,
        response: Response<Body>,
        current: &str,
    ) -> Result<Response<Body>, Problem> {
        let response = tagged(response, current);
        match self.check(current) {
            Ok(()) => Ok(response),
            Err(Unmet::NotModified) => Ok(not_modified(response.headers())),
            Err(Unmet::Failed) => Err(Unmet::Failed.into()),
        }
    }
}

/// Returns 304 with those headers of the response to the same request without preconditions that
/// RFC 9110 section 15.4.5 requires.
fn not_modified(headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    for name in [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, VARY] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

impl Tags {
    /// Reads all fields of this name, which together are one list (RFC 9110 section 5.3).
    fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let values: Vec<_> = values.collect();
        (!values.is_empty()).then(|| Self::parse(&values.join(&b','.to_owned())))
    }

    fn parse(value: &[u8]) -> Self {
        // Octets outside ASCII may stand in tags (obs-text), though not in any of ours.
        let text = String::from_utf8_lossy(value);
        if text.trim_matches(OWS) == "*" {
            return Self::Any;
        }
        let mut tags = Vec::new();
        let mut rest = text.as_ref();
        loop {
            // Empty members of a list are ignored (RFC 9110 section 5.6.1.2).
            rest = rest.trim_start_matches(|c| c == ',' || OWS.contains(&c));
            if rest.is_empty() {
                return Self::List(tags);
            }
            let Some((tag, after)) = Tag::parse(rest) else {
                return Self::Malformed;
            };
            tags.push(tag);
            rest = after.trim_start_matches(OWS);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Self::Malformed;
            }
        }
    }
}

/// Optional whitespace (RFC 9110 section 5.6.3).
const OWS: [char; 2] = [' ', '\t'];

impl Tag {
    /// Parses the tag at the start of `text`. Returns it and what follows.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (is_weak, text) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let inner = text.strip_prefix('"')?;
        let end = inner.find('"')?;
        // etagc: all but controls, blanks and quotes.
        let etagc = |c: char| c > ' ' && c != '\u{7f}';
        inner[..end].chars().all(etagc).then(|| {
            let (opaque, after) = text.split_at(end + 2);
            let opaque = opaque.to_owned();
            (Self { is_weak, opaque }, after)
        })
    }
}

#[cfg(test)]
mod tests;
