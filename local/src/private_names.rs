//! The names under which the pages of the mailbox and the events answer.
//!
//! A browser lets the page of any site read what its own name answers, and whoever owns the name can
//! let it lead to this machine later (DNS rebinding). The page would read every mail, and use its
//! links. So these pages answer only under names that nobody can own: addresses of IP, and names that
//! no public DNS has.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Response, StatusCode};
use axum::middleware::Next;

use crate::mailbox::problem;

/// The ends of names that are for use in a network of one's own (RFC 6761, 6762, 8375, and the
/// resolution of ICANN on `internal`).
const PRIVATE: [&str; 5] = [".localhost", ".local", ".test", ".internal", ".home.arpa"];

/// Refuses a request to a name that somebody may own.
pub(crate) async fn only_private(request: Request, next: Next) -> Response<Body> {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_private(host) {
        return next.run(request).await;
    }
    problem(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected",
        "mails and events are shown only at an address of IP, or at a name that no public DNS has, \
         such as localhost: any other name may be that of a page that wants to read them",
    )
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
    use super::*;

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
    }
}
