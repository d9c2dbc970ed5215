//! Converts HTTP requests to events of payload format 2.0, and functions' answers to HTTP
//! responses.
//!
//! The format: "Working with AWS Lambda proxy integrations for HTTP APIs" in the API Gateway
//! developer guide.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, TRANSFER_ENCODING,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::template::Route;

/// The facts that the gateway adds to a request.
pub struct Arrival<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The address of the client.
    pub source_ip: IpAddr,
    /// The time, in milliseconds since the epoch.
    pub millis: u64,
}

/// Returns the event for the route's function, without the body. `path` is the decoded path: only
/// the query is passed on as it came.
pub fn of_request(
    head: &Parts,
    path: &str,
    route: &Route,
    path_parameters: &BTreeMap<String, String>,
    arrival: &Arrival<'_>,
) -> Value {
    let headers = joined(&head.headers, arrival.source_ip);
    let text = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let authority = text(HOST.as_str());
    let domain_name = host(&authority);
    let route_key = format!("{} {}", route.method, route.path);
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": head.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": domain_name,
            "domainPrefix": domain_name.split('.').next().unwrap_or_default(),
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", head.version),
                "sourceIp": arrival.source_ip.to_string(),
                "userAgent": text("user-agent"),
            },
            "requestId": arrival.request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": time_text(arrival.millis),
            "timeEpoch": arrival.millis,
        },
        "isBase64Encoded": false,
    });
    let cookies: Vec<_> = head
        .headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b';'))
        .map(|cookie| String::from_utf8_lossy(cookie).trim().to_owned())
        .collect();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !path_parameters.is_empty() {
        event["pathParameters"] = json!(path_parameters);
    }
    event
}

/// Returns the event for the authorizer: the function's, with the identity sources' values.
pub fn of_authorizer(event: &Value, identity: &[String]) -> Value {
    let mut event = event.clone();
    event["type"] = json!("REQUEST");
    event["routeArn"] = json!("arn:aws:execute-api:local:000000000000:local/$default/*");
    event["identitySource"] = json!(identity);
    if let Some(members) = event.as_object_mut() {
        members.remove("isBase64Encoded");
    }
    event
}

/// Adds the body, as text if its content type is a text type.
pub fn add_body(event: &mut Value, headers: &HeaderMap, body: &Bytes) {
    if body.is_empty() {
        return;
    }
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_text = content_type.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.starts_with("text/")
            || [
                "application/json",
                "application/xml",
                "application/javascript",
            ]
            .iter()
            .any(|known| value.starts_with(known))
    });
    match std::str::from_utf8(body) {
        Ok(text) if is_text => event["body"] = json!(text),
        _ => {
            event["body"] = json!(STANDARD.encode(body));
            event["isBase64Encoded"] = json!(true);
        }
    }
}

/// A function's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Returns the HTTP response for a function's answer.
///
/// # Errors
///
/// Returns an error if the answer is malformed. API Gateway then answers 500.
pub fn to_response(answer: Value) -> anyhow::Result<Response<Body>> {
    let answer: Answer = serde_json::from_value(answer).context("the answer is malformed")?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded {
        STANDARD
            .decode(body)
            .context("the answer's body is not base64")?
    } else {
        body.into_bytes()
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code)?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        let name: HeaderName = name.parse()?;
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            headers.insert(name, HeaderValue::try_from(value)?);
        }
    }
    for cookie in answer.cookies {
        headers.append(SET_COOKIE, HeaderValue::try_from(cookie)?);
    }
    Ok(response)
}

/// Returns the headers in the form of the event: names in lower case, repeated headers joined with
/// commas, and the headers that the gateway adds.
fn joined(headers: &HeaderMap, source_ip: IpAddr) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == COOKIE {
            continue;
        }
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    let forwarded = match joined.get("x-forwarded-for") {
        Some(before) => format!("{before}, {source_ip}"),
        None => source_ip.to_string(),
    };
    joined.insert("x-forwarded-for".to_owned(), forwarded);
    joined.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    joined
}

/// Returns the host of a `Host` header.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Returns a time such as `12/Mar/2020:19:03:58 +0000`.
fn time_text(millis: u64) -> String {
    let format =
        format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
    i64::try_from(millis / 1000)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_host_are_written_as_the_format_has_them() {
        assert_eq!(time_text(1_583_348_638_390), "04/Mar/2020:19:03:58 +0000");
        assert_eq!(host("127.0.0.1:3000"), "127.0.0.1");
        assert_eq!(host("[::1]:3000"), "[::1]");
        assert_eq!(host("api.example.com"), "api.example.com");
    }

    #[test]
    fn repeated_headers_are_joined_with_commas() {
        let mut headers = HeaderMap::new();
        headers.append("authorization", HeaderValue::from_static("Bearer a"));
        headers.append("authorization", HeaderValue::from_static("Bearer b"));
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        let joined = joined(&headers, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(joined["authorization"], "Bearer a,Bearer b");
        assert_eq!(joined["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
    }

    #[test]
    fn a_body_is_text_only_where_its_type_says_so() {
        let with = |content_type: &'static str, body: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            let mut event = json!({});
            add_body(&mut event, &headers, &Bytes::from_static(body));
            event
        };
        assert_eq!(with("application/json; x", b"{}"), json!({"body": "{}"}));
        let encoded = json!({"body": "e30=", "isBase64Encoded": true});
        assert_eq!(with("application/merge-patch+json", b"{}"), encoded);
        assert_eq!(
            with("application/json", b"\xff")["isBase64Encoded"],
            json!(true)
        );
        assert_eq!(with("application/json", b""), json!({}));
    }
}
