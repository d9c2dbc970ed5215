//! Makes the events that API Gateway passes safe for lambda_http.
//!
//! lambda_http builds a URL from the event and panics if the result is not valid. Three of its
//! parts come from the client: the headers `Host` and `X-Forwarded-Proto`, and the raw query
//! string. Found by fuzzing.

use lambda_http::http::Uri;
use lambda_http::http::header::HOST;
use lambda_http::request::LambdaRequest;
use url::Url;

/// Removes from an event what lambda_http cannot process. Nothing removed is used here: the domain
/// is in the gateway's own context. A raw query string that is not valid in a URL is
/// percent-encoded.
pub fn sanitize(event: &mut LambdaRequest) {
    let LambdaRequest::ApiGatewayV2(event) = event else {
        return;
    };
    event.headers.remove(HOST);
    event.headers.remove("x-forwarded-proto");
    let context = &mut event.request_context;
    context.domain_name = context.domain_name.take().filter(|name| is_host(name));
    context.stage = context
        .stage
        .take()
        .filter(|name| is_plain(name) || name == "$default");
    let path = event.raw_path.get_or_insert_default();
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    if let Some(query) = &mut event.raw_query_string
        && format!("/?{query}").parse::<Uri>().is_err()
    {
        *query = encoded(query);
    }
}

/// Returns whether `name` is a host, with or without a port, that is valid in a URL.
fn is_host(name: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.:[]".contains(&octet);
    name.bytes().all(plain) && Url::parse(&format!("https://{name}/")).is_ok()
}

/// Returns whether `name` has the characters of a stage name.
fn is_plain(name: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    !name.is_empty() && name.bytes().all(plain) && !name.starts_with('.')
}

/// Percent-encodes the octets of a query that are not allowed there (RFC 3986 section 2.1).
fn encoded(query: &str) -> String {
    let octets = query.bytes().map(|octet| match octet {
        b'%' | b'&' | b'=' | b'+' | b'-' | b'_' | b'.' | b'~' => char::from(octet).to_string(),
        octet if octet.is_ascii_alphanumeric() => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    });
    octets.collect()
}

#[cfg(test)]
mod tests {
    use lambda_http::{Request, RequestExt as _};

    use super::*;

    fn request(change: impl FnOnce(&mut serde_json::Value)) -> Request {
        let mut event = serde_json::json!({
            "version": "2.0", "routeKey": "GET /sessions", "rawPath": "/sessions",
            "rawQueryString": "", "headers": {"host": "api.example.com"},
            "requestContext": {
                "domainName": "api.example.com", "stage": "$default",
                "http": {"method": "GET", "path": "/sessions"},
            },
            "isBase64Encoded": false,
        });
        change(&mut event);
        let mut event = serde_json::from_value(event).unwrap();
        sanitize(&mut event);
        event.into()
    }

    #[test]
    fn headers_that_are_no_host_and_no_scheme_end_no_process() {
        for host in ["a b", "[", "xn--a", "", "evil.example/x?", "a@b", "%"] {
            let request = request(|event| {
                event["headers"]["host"] = host.into();
                event["headers"]["x-forwarded-proto"] = host.into();
            });
            assert_eq!(request.uri().path(), "/sessions", "{host:?}");
        }
    }

    #[test]
    fn a_query_of_odd_characters_is_read() {
        for (query, value) in [
            ("cursor=<b>", "<b>"),
            ("cursor=a b", "a b"),
            ("cursor=\"", "\""),
            ("cursor=%41#", "A#"),
            ("cursor=%zz\u{0}^", "%zz\u{0}^"),
            ("cursor=caf\u{e9}", "caf\u{e9}"),
        ] {
            let request = request(|event| event["rawQueryString"] = query.into());
            let parameters = request.query_string_parameters();
            assert_eq!(parameters.first("cursor"), Some(value), "{query:?}");
        }
    }

    #[test]
    fn an_invalid_domain_is_left_out_and_an_unusual_one_stays() {
        for (name, has_host) in [
            ("xn--bcher-kva.example", true),
            ("127.0.0.1:3000", true),
            ("a.5.0", false),
            ("xn--a", false),
            ("a/b", false),
        ] {
            let request = request(|event| event["requestContext"]["domainName"] = name.into());
            assert_eq!(request.uri().path(), "/sessions", "{name}");
            assert_eq!(request.uri().host().is_some(), has_host, "{name}");
        }
    }

    #[test]
    fn a_plain_event_stays_as_it_is() {
        let request = request(|event| event["rawQueryString"] = "cursor=a%20b&x=1".into());
        let uri = "https://api.example.com/sessions?cursor=a%20b&x=1";
        assert_eq!(request.uri().to_string(), uri);
    }
}
