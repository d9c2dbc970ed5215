//! Entity tags of responses (RFC 9110 section 8.8.3).

use aws_lc_rs::digest::{SHA256, digest};
use lambda_http::http::HeaderValue;
use lambda_http::http::header::ETAG;
use lambda_http::{Body, Response};
use serde::Serialize;

use super::problem::Problem;

/// Returns the strong tag of a document: a part of the hash of all of it, so that it changes with
/// anything in it.
pub fn of_document(document: &str) -> String {
    format!("\"{}\"", hash(document, 16))
}

/// Returns the strong tag of a representation of something that has versions: its version, by which
/// a change can be recognised that was made already, and a part of the hash of all of it.
///
/// # Errors
///
/// Returns the same error as [`super::json`].
pub fn of_version(version: u64, representation: &impl Serialize) -> Result<String, Problem> {
    let text = serde_json::to_string(representation);
    let text = text.map_err(|error| Problem::Internal(error.into()))?;
    Ok(format!("\"{version}-{}\"", hash(&text, 8)))
}

/// Returns `response` with the tag `tag`.
pub fn tagged(mut response: Response<Body>, tag: &str) -> Response<Body> {
    // Digits and letters between quotes are always a valid header value.
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Returns the version in a tag of [`of_version`].
pub fn version(tag: &str) -> Option<u64> {
    tag.strip_prefix('"')?.split_once('-')?.0.parse().ok()
}

/// Returns the first `octets` of SHA-256, in hexadecimal.
fn hash(text: &str, octets: usize) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let octets = hash.as_ref().iter().take(octets);
    octets.map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_with_version_and_text_and_tells_the_version() {
        let of_version = |version, text: &str| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            of_version(version, &value).unwrap()
        };
        let tag = of_version(7, "{}");
        assert_eq!(tag, "\"7-44136fa355b3678a\"");
        assert_ne!(of_version(7, "{\"a\":1}"), tag);
        assert_ne!(of_version(8, "{}"), tag);
        assert_eq!(version(&tag), Some(7));
        assert_ne!(of_document("{}"), of_document("[]"));
        for other in ["", "\"7\"", "7-x", "\"x-7\"", "\"-1\"", "W/\"7-x\""] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
