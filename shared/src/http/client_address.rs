//! The address of the client that sent a request.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use lambda_http::Request;

use super::authenticate::gateway_context;
use crate::domain::event::Origin;
use crate::domain::session::Device;
use crate::platform::config::{ConfigError, Env};
use crate::platform::hex;

/// Finds the address of the client that sent a request.
///
/// It is the address that API Gateway saw, which no client can choose. If CloudFront is in front of
/// the API, that is CloudFront's own address. CloudFront passes on the client's in a header, which
/// anybody can send to the API as well, so it counts only beside a secret that CloudFront sends
/// along. Without that, all clients behind CloudFront would be one source for the throttle.
pub struct ClientAddress {
    secret_hash: Option<String>,
}

impl ClientAddress {
    /// The header in which the proxy sends its secret.
    pub const SECRET_HEADER: &str = "x-origin-verify";
    /// The header in which CloudFront sends the client's address and port.
    pub const VIEWER_HEADER: &str = "cloudfront-viewer-address";

    /// Reads `PROXY_SECRET_HASH`: SHA-256, in lower-case hexadecimal digits, of the value of
    /// [`ClientAddress::SECRET_HEADER`] with which the proxy proves itself. If it is missing, no
    /// proxy is believed.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a SHA-256 hash.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let secret_hash = env.optional("PROXY_SECRET_HASH");
        if secret_hash.as_deref().is_some_and(|text| !is_sha256(text)) {
            return Err(ConfigError::new(
                "PROXY_SECRET_HASH is not a SHA-256 hash; set it to 64 lower-case hexadecimal \
                 digits, such as sha256sum prints",
            ));
        }
        Ok(Self { secret_hash })
    }

    /// Returns the address of the client, or an empty text if the gateway reports none.
    pub fn of(&self, request: &Request) -> String {
        if let Some(viewer) = self.viewer(request) {
            return viewer.to_string();
        }
        let gateway = gateway_context(request);
        let ip = gateway.and_then(|gateway| gateway.http.source_ip.clone());
        ip.unwrap_or_default()
    }

    /// Returns where the request comes from, at `millis` milliseconds since the epoch.
    pub fn origin(&self, request: &Request, millis: u64) -> Origin {
        let gateway = gateway_context(request);
        let user_agent = gateway.and_then(|gateway| gateway.http.user_agent.as_deref());
        let device = Device::new(&self.of(request), user_agent.unwrap_or_default());
        Origin { device, millis }
    }

    /// Returns the address that CloudFront reports, if the request proves that CloudFront sent it.
    fn viewer(&self, request: &Request) -> Option<IpAddr> {
        let expected = self.secret_hash.as_ref()?;
        let headers = request.headers();
        let secret = headers.get(Self::SECRET_HEADER)?.as_bytes();
        let presented = hex(digest(&SHA256, secret).as_ref());
        verify_slices_are_equal(presented.as_bytes(), expected.as_bytes()).ok()?;
        let viewer = headers.get(Self::VIEWER_HEADER)?.to_str().ok()?;
        // An IPv6 address stands there with or without brackets.
        let (ip, port) = viewer.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        let ip = ip
            .strip_prefix('[')
            .and_then(|ip| ip.strip_suffix(']'))
            .unwrap_or(ip);
        ip.parse().ok()
    }
}

/// Returns whether `text` is a SHA-256 hash as [`hex`] writes it.
fn is_sha256(text: &str) -> bool {
    let is_digit = |digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
    use lambda_http::request::RequestContext;

    use super::*;

    /// SHA-256 of "open sesame".
    const HASH: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

    fn client_address(hash: &'static str) -> Result<ClientAddress, ConfigError> {
        ClientAddress::from_env(&Env::new(&move |name| {
            (name == "PROXY_SECRET_HASH").then(|| hash.to_owned())
        }))
    }

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::new(Body::Empty);
        for (name, value) in headers {
            let name = name.parse::<lambda_http::http::HeaderName>().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let mut context = ApiGatewayV2httpRequestContext::default();
        context.http.source_ip = Some("203.0.113.7".to_owned());
        let context = RequestContext::ApiGatewayV2(context);
        request.extensions_mut().insert(context);
        request
    }

    const SECRET: (&str, &str) = ("x-origin-verify", "open sesame");

    #[test]
    fn the_viewer_s_address_counts_beside_the_secret() {
        let address = client_address(HASH).unwrap();
        for (header, expected) in [
            ("198.51.100.10:46532", "198.51.100.10"),
            ("2001:db8::1:46532", "2001:db8::1"),
            ("[2001:db8::1]:46532", "2001:db8::1"),
            ("2001:db8:0:0:0:0:0:1:46532", "2001:db8::1"),
        ] {
            let request = request(&[SECRET, ("cloudfront-viewer-address", header)]);
            assert_eq!(address.of(&request), expected);
        }
    }

    #[test]
    fn what_is_no_address_with_a_port_leaves_the_gateway_s_view() {
        let address = client_address(HASH).unwrap();
        for header in [
            "",
            ":",
            "198.51.100.10",
            "198.51.100.10:x",
            "localhost:80",
            // As API Gateway joins two headers of one name.
            "198.51.100.10:46532,192.0.2.1:1",
            "[::1:80",
        ] {
            let request = request(&[SECRET, ("cloudfront-viewer-address", header)]);
            assert_eq!(address.of(&request), "203.0.113.7", "{header}");
        }
        assert_eq!(address.of(&request(&[SECRET])), "203.0.113.7");
        assert_eq!(address.of(&Request::new(Body::Empty)), "");
    }

    #[test]
    fn a_client_cannot_name_an_address() {
        let viewer = ("cloudfront-viewer-address", "198.51.100.10:46532");
        let with = client_address(HASH).unwrap();
        let without = client_address("").unwrap();
        for secret in [
            ("x-origin-verify", ""),
            ("x-origin-verify", "open"),
            ("x-origin-verify", HASH),
            ("x-origin-verify", "open sesame,open sesame"),
        ] {
            assert_eq!(with.of(&request(&[secret, viewer])), "203.0.113.7");
        }
        assert_eq!(with.of(&request(&[viewer])), "203.0.113.7");
        for headers in [&[viewer][..], &[SECRET, viewer]] {
            assert_eq!(without.of(&request(headers)), "203.0.113.7");
        }
    }

    #[test]
    fn only_a_hash_is_taken_for_one() {
        for text in [
            "open sesame",
            &HASH[1..],
            &HASH.to_uppercase(),
            &HASH.replace('4', "+"),
            &"é".repeat(32),
        ] {
            let text: &'static str = text.to_owned().leak();
            assert!(client_address(text).is_err(), "{text}");
        }
    }
}
