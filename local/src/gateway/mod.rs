//! The part of an API Gateway HTTP API that Latchkey's template uses: routes, the Lambda authorizer
//! with its cache, CORS, and the gateway's own answers.
//!
//! Throttling is left out: on AWS it protects the account and is not part of the contract.

mod answers;
mod cors;
mod unknown_origins;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use shared::platform::clock::Clock;
use shared::platform::{hex, random};

use crate::api_docs;
use crate::door::Peer;
use crate::event::{self, Arrival};
use crate::event_bus::{self, EventBus};
use crate::functions::Functions;
use crate::mailbox::{self, Mailbox};
use crate::template::{Authorizer, Route, Template};

use self::answers::GatewayError;
use self::cors::Cors;
use self::unknown_origins::UnknownOrigins;

/// The largest body that API Gateway accepts, in octets.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Passes requests to functions, and returns their answers.
pub struct Gateway {
    paths: matchit::Router<BTreeMap<String, Route>>,
    authorizer: Option<Authorizer>,
    cors: Option<Cors>,
    unknown_origins: UnknownOrigins,
    functions: Arc<Functions>,
    verdicts: Mutex<HashMap<Vec<String>, CachedVerdict>>,
    clock: Clock,
}

/// A cached answer of the authorizer.
struct CachedVerdict {
    verdict: Verdict,
    until: u64,
}

/// The authorizer's decision on a request.
#[derive(Clone)]
enum Verdict {
    Allow(Value),
    Deny,
}

impl Gateway {
    /// Returns a gateway for the template's routes.
    ///
    /// # Errors
    ///
    /// Returns an error if the paths of two routes conflict.
    pub fn new(
        template: &Template,
        functions: Arc<Functions>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let mut by_path: BTreeMap<&str, BTreeMap<String, Route>> = BTreeMap::new();
        for route in template.routes() {
            let methods = by_path.entry(&route.path).or_default();
            methods.insert(route.method.clone(), route.clone());
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            // API Gateway writes a greedy parameter {name+}, matchit {*name}.
            let pattern = match path.rsplit_once("/{") {
                Some((start, last)) if last.ends_with("+}") => {
                    format!("{start}/{{*{}}}", last.trim_end_matches("+}"))
                }
                _ => path.to_owned(),
            };
            paths.insert(pattern, methods).with_context(|| {
                format!("the route {path} of template.yaml conflicts with another")
            })?;
        }
        Ok(Self {
            paths,
            authorizer: template.authorizer().cloned(),
            cors: template.cors().map(Cors::new),
            unknown_origins: UnknownOrigins::default(),
            functions,
            verdicts: Mutex::default(),
            clock,
        })
    }

    /// Returns whether the template has a route at `path`, with any method.
    pub fn takes(&self, path: &str) -> bool {
        self.paths.at(path).is_ok()
    }

    /// Answers a request from `source_ip`.
    pub async fn answer(&self, request: Request, source_ip: IpAddr) -> Response<Body> {
        let allowed = self.cors.as_ref().map_or(&[][..], Cors::origins);
        self.unknown_origins.warn(request.headers(), allowed);
        let origin = request.headers().get(ORIGIN).cloned();
        let is_preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let request_id = request_id();
        let mut response = match (&self.cors, is_preflight && origin.is_some()) {
            (Some(_), true) => no_content(),
            _ => match self.route(request, source_ip, &request_id).await {
                Ok(response) => response,
                Err(error) => error.to_response(),
            },
        };
        if let Some(cors) = &self.cors {
            cors.apply(response.headers_mut(), origin.as_ref(), is_preflight);
        }
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("apigw-requestid", id);
        }
        response
    }

    async fn route(
        &self,
        request: Request,
        source_ip: IpAddr,
        request_id: &str,
    ) -> Result<Response<Body>, GatewayError> {
        let (head, body) = request.into_parts();
        // API Gateway decodes the path before it looks for the route, so that an encoded slash
        // separates segments; `+` stays.
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy();
        let found = self.paths.at(&path).map_err(|_| GatewayError::NotFound)?;
        let route = found
            .value
            .get(head.method.as_str())
            .or_else(|| found.value.get("ANY"));
        let route = route.ok_or(GatewayError::NotFound)?;
        let parameters = found.params.iter();
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let arrival = Arrival {
            request_id,
            source_ip,
            millis: self.clock.millis(),
        };
        let mut event = event::of_request(&head, &path, route, &parameters.collect(), &arrival);

        let body = to_bytes(body, MAX_BODY)
            .await
            .map_err(|_| GatewayError::TooLarge)?;
        if let Some(authorizer) = self.authorizer.as_ref().filter(|_| route.authorized) {
            match self.authorize(authorizer, &event).await? {
                Verdict::Deny => return Err(GatewayError::Forbidden),
                Verdict::Allow(context) => {
                    event["requestContext"]["authorizer"] = json!({ "lambda": context });
                }
            }
        }
        event::add_body(&mut event, &head.headers, &body);
        self.ask(route, event).await
    }

    async fn ask(&self, route: &Route, event: Value) -> Result<Response<Body>, GatewayError> {
        let answer = self.functions.invoke(&route.function, event).await;
        answer
            .and_then(event::to_response)
            .map_err(failed(&route.function))
    }

    /// Asks the authorizer or its cache. The values of the identity sources are the cache's key,
    /// and an answer holds for all routes.
    async fn authorize(
        &self,
        authorizer: &Authorizer,
        event: &Value,
    ) -> Result<Verdict, GatewayError> {
        let identity = authorizer
            .identity_headers
            .iter()
            .map(|name| {
                event["headers"][name]
                    .as_str()
                    .map(str::trim)
                    .unwrap_or_default()
            })
            .map(str::to_owned)
            .collect::<Vec<_>>();
        if identity.iter().any(String::is_empty) {
            return Err(GatewayError::Unauthorized);
        }
        let now = self.clock.now();
        if let Some(cached) = self.cached(&identity, now) {
            return Ok(cached);
        }
        let asked = event::of_authorizer(event, &identity);
        let answer = self.functions.invoke(&authorizer.function, asked).await;
        let answer = answer.map_err(failed(&authorizer.function))?;
        let verdict = match answer["isAuthorized"].as_bool() {
            Some(true) => Verdict::Allow(answer["context"].clone()),
            Some(false) => Verdict::Deny,
            None => {
                tracing::error!(
                    function = authorizer.function,
                    "the answer has no isAuthorized"
                );
                return Err(GatewayError::Failed);
            }
        };
        if authorizer.cache_seconds > 0 {
            let cached = CachedVerdict {
                verdict: verdict.clone(),
                until: now + authorizer.cache_seconds,
            };
            self.cache().insert(identity, cached);
        }
        Ok(verdict)
    }

    fn cached(&self, identity: &[String], now: u64) -> Option<Verdict> {
        let mut cache = self.cache();
        cache.retain(|_, cached| cached.until > now);
        cache.get(identity).map(|cached| cached.verdict.clone())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<String>, CachedVerdict>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the gateway over HTTP, and the pages about the API, those of the mailbox and the published
/// events at the paths for which the template has no route.
pub fn router(gateway: Arc<Gateway>, mailbox: &Arc<Mailbox>, event_bus: &Arc<EventBus>) -> Router {
    let under_way = gateway.functions.under_way();
    let pages = api_docs::pages().into_iter();
    let pages = pages.chain(mailbox::pages(mailbox, under_way));
    let pages = pages.chain(event_bus::pages(event_bus, under_way));
    pages
        .filter(|(path, _)| !gateway.takes(path))
        .fold(Router::new(), |router, (path, page)| {
            router.route(path, page)
        })
        .method_not_allowed_fallback(serve)
        .fallback(serve)
        .with_state(gateway)
}

async fn serve(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
) -> Response<Body> {
    let under_way = gateway.functions.under_way();
    let _one_more = under_way.begin();
    let mut response = gateway.answer(request, peer.ip()).await;
    if under_way.is_ending() {
        // The client has to connect again, which it cannot.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Logs a function's failure for the operator. The client learns no details.
fn failed(function: &str) -> impl FnOnce(anyhow::Error) -> GatewayError {
    move |error| {
        tracing::error!(
            function,
            error = format!("{error:#}"),
            "the function failed"
        );
        GatewayError::Failed
    }
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn request_id() -> String {
    hex(&random::octets::<8>())
}
