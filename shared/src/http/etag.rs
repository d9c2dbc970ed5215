//! Entity tags of profiles, and the `If-Match` header (RFC 9110 sections 8.8.3 and 13.1.1).

use lambda_http::http::HeaderMap;
use lambda_http::http::header::IF_MATCH;

use super::problem::Problem;
use crate::store::accounts::AtVersion;

/// The limit on the tags that are read; DynamoDB's `IN` takes at most 100 operands.
const MAX_TAGS: usize = 100;

/// Returns the entity tag of a version.
pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Returns the versions at which the request allows its change.
///
/// # Errors
///
/// Returns 412 if none of the tags is one that this service issues. The comparison is strong, so
/// weak tags match nothing.
pub fn at_version(headers: &HeaderMap) -> Result<AtVersion, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    if values.peek().is_none() {
        return Ok(AtVersion::Any);
    }
    let mut versions = Vec::new();
    for tag in values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
    {
        let tag = tag.trim();
        if tag == "*" {
            return Ok(AtVersion::Any);
        }
        let digits = tag
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        versions.extend(
            digits
                .and_then(|digits| digits.parse::<u64>().ok())
                .filter(|v| etag(*v) == tag),
        );
    }
    versions.sort_unstable();
    versions.dedup();
    versions.truncate(MAX_TAGS);
    if versions.is_empty() {
        return Err(Problem::PreconditionFailed);
    }
    Ok(AtVersion::OneOf(versions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<AtVersion> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, value.parse().unwrap());
        }
        at_version(&headers).ok()
    }

    #[test]
    fn tags_of_ours_name_versions_and_a_star_any() {
        assert_eq!(read(&[]), Some(AtVersion::Any));
        assert_eq!(read(&["*"]), Some(AtVersion::Any));
        assert_eq!(read(&[&etag(7)]), Some(AtVersion::OneOf(vec![7])));
        assert_eq!(
            read(&["\"x\", \"1\"", "\"3\""]),
            Some(AtVersion::OneOf(vec![1, 3]))
        );
    }

    #[test]
    fn tags_that_we_never_gave_match_nothing() {
        for tag in [
            "",
            "7",
            "W/\"7\"",
            "\"07\"",
            "\"+7\"",
            "\"seven\"",
            "\"-1\"",
        ] {
            assert_eq!(read(&[tag]), None, "{tag}");
        }
    }
}
