//! Warns the operator of pages that CORS blocks. The browser's console says little about them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};

/// The maximum number of origins to warn of. Anybody who can reach the gateway can name more.
const MOST: usize = 16;
/// The length of the longest origin to warn of, in octets: a name of 253, a scheme and a port.
const LONGEST: usize = 280;

/// The origins of which a warning was logged.
#[derive(Default)]
pub(super) struct UnknownOrigins(Mutex<BTreeSet<String>>);

impl UnknownOrigins {
    /// Warns once of the origin of a request, unless it is the gateway's own or one of `allowed`,
    /// the origins of the parameter `CorsOrigins`.
    pub(super) fn warn(&self, headers: &HeaderMap, allowed: &[String]) {
        let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
        let Some(origin) = origin.filter(|origin| is_origin(origin)) else {
            return;
        };
        let is_allowed = allowed
            .iter()
            .any(|known| known == "*" || known.as_str() == origin);
        if is_allowed || is_own(origin, headers.get(HOST)) || !self.is_new(origin) {
            return;
        }
        if origin == "null" {
            tracing::warn!(
                "a page without an origin, such as one that was opened as a file, called the API, \
                 and its browser blocks the answers: serve the page over HTTP"
            );
            return;
        }
        if !is_of_http(origin) {
            tracing::warn!(
                "a page at {origin} called the API, and its browser blocks the answers: API \
                 Gateway allows only origins of http and https with a host name in CorsOrigins"
            );
            return;
        }
        tracing::warn!(
            "a page at {origin} called the API, and its browser blocks the answers, since \
             the origin is not in CorsOrigins: start again with --parameter CorsOrigins={}",
            with(origin, allowed)
        );
    }

    fn is_new(&self, origin: &str) -> bool {
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        warned.len() < MOST && warned.insert(origin.to_owned())
    }
}

/// Returns whether a browser may have written the origin: `null`, or scheme, host and port (RFC
/// 6454, 6.2). The log line is meant to be copied into a shell.
fn is_origin(text: &str) -> bool {
    let is_part = |part: &str, others: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        !part.is_empty() && part.chars().all(good)
    };
    let parts = text.split_once("://");
    let is_url =
        parts.is_some_and(|(scheme, rest)| is_part(scheme, "+-.") && is_part(rest, "-._:[]"));
    text.len() <= LONGEST && (text == "null" || is_url)
}

/// Returns whether `CorsOrigins` takes the origin. API Gateway refuses other schemes.
fn is_of_http(origin: &str) -> bool {
    let host = origin.strip_prefix("https://");
    let host = host.or_else(|| origin.strip_prefix("http://"));
    host.is_some_and(|host| !host.starts_with('['))
}

/// Returns whether the origin is the host that the request was sent to, over HTTP or over HTTPS.
fn is_own(origin: &str, host: Option<&HeaderValue>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let host = host.and_then(|host| host.to_str().ok());
    authority.is_some() && authority == host
}

/// Returns the parameter's value with the origin added, and without origins that differ from it
/// only by a slash or by letter case.
fn with(origin: &str, allowed: &[String]) -> String {
    let others = allowed
        .iter()
        .map(|known| known.trim().trim_end_matches('/'))
        .filter(|known| !known.eq_ignore_ascii_case(origin));
    others.chain([origin]).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_browser_writes_is_no_origin() {
        for origin in [
            "null",
            "http://localhost:5173",
            "https://app.example.com",
            "http://[::1]:5173",
            "capacitor://localhost",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "Null",
            "localhost:5173",
            "http://",
            "://localhost",
            "http://localhost/",
            "http://a,http://b",
            "http://a;id",
            "http://a$(id)",
            "http://a b",
        ] {
            assert!(!is_origin(other), "{other}");
        }
        assert!(!is_origin(&format!("http://{}", "a".repeat(LONGEST))));
    }

    #[test]
    fn no_origin_is_proposed_that_the_parameter_does_not_take() {
        for origin in ["http://localhost:5173", "https://app.example.com"] {
            assert!(is_of_http(origin), "{origin}");
        }
        for other in ["capacitor://localhost", "http://[::1]:5173", "httpx://a"] {
            assert!(!is_of_http(other), "{other}");
        }
    }

    #[test]
    fn the_flag_keeps_the_other_origins() {
        let with = |allowed: &[&str]| {
            let allowed = allowed.iter().map(|&text| text.to_owned());
            super::with("http://localhost:5173", &allowed.collect::<Vec<_>>())
        };
        assert_eq!(with(&[]), "http://localhost:5173");
        assert_eq!(
            with(&["https://app.example", " http://a"]),
            "https://app.example,http://a,http://localhost:5173"
        );
        assert_eq!(with(&["http://LOCALHOST:5173/"]), "http://localhost:5173");
    }
}
