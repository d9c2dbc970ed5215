//! CORS, as API Gateway implements it.

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

/// The `CorsConfiguration` of the API. The gateway answers preflights itself, and replaces the
/// functions' CORS headers by these.
pub(super) struct Cors {
    origins: Vec<String>,
    always: Vec<(HeaderName, HeaderValue)>,
    preflight: Vec<(HeaderName, HeaderValue)>,
}

impl Cors {
    pub(super) fn new(configuration: &Value) -> Self {
        let texts = |name: &str| -> Vec<String> {
            let items = configuration[name].as_array().into_iter().flatten();
            items
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        let list = |name: &str| HeaderValue::try_from(texts(name).join(",")).ok();
        let headers = |pairs: Vec<(HeaderName, Option<HeaderValue>)>| {
            let there = pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)));
            there.filter(|(_, value)| !value.is_empty()).collect()
        };
        let credentials = configuration["AllowCredentials"].as_bool() == Some(true);
        let max_age = configuration["MaxAge"].as_u64().map(HeaderValue::from);
        Self {
            origins: texts("AllowOrigins"),
            always: headers(vec![
                (header::ACCESS_CONTROL_EXPOSE_HEADERS, list("ExposeHeaders")),
                (
                    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                    credentials.then(|| HeaderValue::from_static("true")),
                ),
            ]),
            preflight: headers(vec![
                (header::ACCESS_CONTROL_ALLOW_HEADERS, list("AllowHeaders")),
                (header::ACCESS_CONTROL_ALLOW_METHODS, list("AllowMethods")),
                (header::ACCESS_CONTROL_MAX_AGE, max_age),
            ]),
        }
    }

    /// Returns the origins whose pages may call the API.
    pub(super) fn origins(&self) -> &[String] {
        &self.origins
    }

    pub(super) fn apply(
        &self,
        headers: &mut HeaderMap,
        origin: Option<&HeaderValue>,
        is_preflight: bool,
    ) {
        let from_function: Vec<_> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("access-control-"))
            .cloned()
            .collect();
        for name in from_function {
            headers.remove(name);
        }
        let Some(origin) = origin else { return };
        let allowed = |known: &String| known == "*" || known.as_bytes() == origin.as_bytes();
        let Some(known) = self.origins.iter().find(|known| allowed(known)) else {
            return;
        };
        let answer = if known == "*" {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, answer);
        headers.extend(self.always.iter().cloned());
        if is_preflight {
            headers.extend(self.preflight.iter().cloned());
        }
    }
}
