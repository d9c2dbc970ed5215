//! Pages about the API, only for local runs: its description at `/openapi.yaml` and Swagger UI at
//! `/docs`. They load nothing from another host.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::routing::{MethodRouter, get, get_service};
use swagger_ui_dist::{ApiDefinition, OpenApiSource, generate_routes};

use crate::openapi;

const PAGE: &str = include_str!("api_docs.html");
const START: &str = include_str!("api_docs.js");

/// The content security policy: the page may load from and connect to this host only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Returns the pages by path.
pub fn pages<S: Clone + Send + Sync + 'static>() -> [(&'static str, MethodRouter<S>); 5] {
    // The crate's own page has an inline script, which the policy refuses.
    let assets = || {
        get_service(generate_routes(ApiDefinition {
            uri_prefix: "/docs",
            api_definition: OpenApiSource::Uri("/openapi.yaml"),
            title: None,
        }))
    };
    let page = || async {
        let html = (CONTENT_TYPE, "text/html; charset=utf-8");
        ([html, (CONTENT_SECURITY_POLICY, POLICY)], PAGE)
    };
    let start = || async { ([(CONTENT_TYPE, "text/javascript")], START) };
    // RFC 9512 section 2.1
    let description = || async { ([(CONTENT_TYPE, "application/yaml")], openapi::TEXT) };
    [
        ("/docs", get(page)),
        ("/docs/start.js", get(start)),
        ("/docs/swagger-ui.css", assets()),
        ("/docs/swagger-ui-bundle.js", assets()),
        ("/openapi.yaml", get(description)),
    ]
}
