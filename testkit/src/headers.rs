//! The headers of a request to AWS.

use axum::http::HeaderMap;

/// Checks that the `user-agent` of a request to AWS names Latchkey and its version, since CloudTrail
/// shows it.
pub(crate) fn assert_names_latchkey(headers: &HeaderMap) {
    let agents: Vec<_> = headers.get_all("user-agent").iter().collect();
    let [agent] = agents[..] else {
        panic!("{agents:?}");
    };
    let agent = agent.to_str().unwrap();
    let ours = concat!("latchkey/", env!("CARGO_PKG_VERSION"));
    let of_sdk = concat!("app/latchkey-", env!("CARGO_PKG_VERSION"));
    assert!(
        agent.split(' ').any(|word| word == ours || word == of_sdk),
        "{agent}"
    );
}
