//! The headers of a request to AWS.

use axum::http::HeaderMap;

/// Checks that a request to AWS has only the short `user-agent` and none of the SDK's other
/// headers, which another version of the SDK might add again.
pub(crate) fn assert_lean(headers: &HeaderMap) {
    let agents: Vec<_> = headers.get_all("user-agent").iter().collect();
    assert_eq!(agents, [concat!("latchkey/", env!("CARGO_PKG_VERSION"))]);
    for name in [
        "x-amz-user-agent",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
    ] {
        assert!(!headers.contains_key(name), "{name} was sent");
    }
}
