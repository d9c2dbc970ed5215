//! Keeps web pages out of what listens on this machine and does not check who calls.
//!
//! A page of any site can send requests to this machine from the browser that shows it. If the
//! answer allows that, the page reads it (CORS). And whoever owns a name can let it lead to this
//! machine after the page was loaded (DNS rebinding): to the browser, page and answer are then of the
//! same origin. A program that is no browser sends none of the headers that tell of a page, and calls
//! this machine by a name that nobody can own.

use std::net::IpAddr;
use std::sync::Once;

use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};

/// The header in which a browser says how the page that asks is related to what it asks (Fetch
/// Metadata). A page cannot set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The headers that are checked.
pub(crate) const HEADERS: [HeaderName; 3] = [HOST, ORIGIN, SEC_FETCH_SITE];

/// The ends of names that are for use in a network of one's own (RFC 6761, 6762, 8375, and the
/// resolution of ICANN on `internal`).
const PRIVATE: [&str; 5] = [".localhost", ".local", ".test", ".internal", ".home.arpa"];

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A web page may have sent it.
    Page,
    /// It was sent to a name that somebody may own.
    Name,
}

impl Refusal {
    /// Returns the status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Page => StatusCode::FORBIDDEN,
            Self::Name => StatusCode::MISDIRECTED_REQUEST,
        }
    }

    /// Returns what the answer says.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Page => {
                "this port answers no web page, since it does not check who calls: use a program \
                 that calls it outside of a browser"
            }
            Self::Name => {
                "this port answers only at an address of IP, or at a name that no public DNS has, \
                 such as localhost: any other name may be that of a web page"
            }
        }
    }
}

/// Checks the headers of a request to a port that does not check who calls. The first refusal is a
/// line in the log, since a page does not see why it was refused.
///
/// # Errors
///
/// Returns why the request is refused, if a web page may have sent it.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    /// One line for the whole process: a page can repeat itself.
    static WARNED: Once = Once::new();

    let refusal = if is_of_page(headers) {
        Refusal::Page
    } else if !is_to_private_name(headers) {
        Refusal::Name
    } else {
        return Ok(());
    };
    WARNED.call_once(|| {
        tracing::warn!("a web page called the local DynamoDB or SES, and was refused");
    });
    Err(refusal)
}

/// Returns whether the request was sent to a name that nobody can own.
pub(crate) fn is_to_private_name(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(is_private)
}

/// Returns whether a page in a browser may have sent the request. A browser sends `Origin` with each
/// request whose answer a page of another origin could read, and with each that is not GET or HEAD.
fn is_of_page(headers: &HeaderMap) -> bool {
    // What a person opens has the site `none`, and what a page of this very port asks `same-origin`.
    let is_ours = |site: &[u8]| site == b"none" || site == b"same-origin";
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    headers.contains_key(ORIGIN) || !sites.all(|site| is_ours(site.as_bytes()))
}

/// Returns whether nobody can own the name in a header `Host`.
fn is_private(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_label = !name.is_empty() && !name.contains('.');
    is_label || name.parse::<IpAddr>().is_ok() || PRIVATE.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|&(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn what_no_page_can_send_is_let_in() {
        for given in [
            &[("host", "127.0.0.1:8000")][..],
            &[("host", "localhost:8000"), ("sec-fetch-mode", "cors")],
            &[("host", "[::1]:8000"), ("sec-fetch-site", "none")],
            &[("host", "dynamodb:8000"), ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(check(&headers(given)), Ok(()), "{given:?}");
        }
    }

    #[test]
    fn what_a_page_may_have_sent_is_refused() {
        for given in [
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:8000"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", ""),
            ("sec-fetch-site", "None"),
        ] {
            let refused = check(&headers(&[("host", "localhost:8000"), given]));
            assert_eq!(refused, Err(Refusal::Page), "{given:?}");
        }
        let twice = [
            ("host", "localhost"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", "cross-site"),
        ];
        let mut given = HeaderMap::new();
        for (name, value) in twice {
            given.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(check(&given), Err(Refusal::Page));
    }

    #[test]
    fn a_name_that_somebody_can_own_is_not_private() {
        for host in [
            "localhost",
            "localhost.",
            "LOCALHOST:3000",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:3000",
            "latchkey:3000",
            "app.localhost:3000",
            "host.docker.internal",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in [
            "",
            ".",
            "evil.example",
            "evil.example:3000",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evillocalhost.com",
            "local.com",
            "a b",
        ] {
            assert!(!is_private(host), "{host}");
        }
        assert_eq!(check(&HeaderMap::new()), Err(Refusal::Name));
        let elsewhere = headers(&[("host", "rebound.evil.example:8000")]);
        assert_eq!(check(&elsewhere), Err(Refusal::Name));
    }
}
