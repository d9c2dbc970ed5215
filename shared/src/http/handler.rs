//! From a Lambda event to a handler and back.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, LambdaEvent, Request, RequestExt as _, Response, service_fn};
use lambda_runtime::Runtime;
use serde::Serialize;
use tokio::time::timeout;

use super::authenticate::gateway_context;
use super::problem::Problem;
use super::sanitize::sanitize;
use crate::observe::after_response::{AfterResponse, after_response};
use crate::observe::logging;
use crate::observe::request_log::{RequestLog, in_ms};
use crate::platform::clock::Clock;
use crate::platform::config::{ConfigError, Env, process_env};

/// How long a process that starts waits until all is ready ahead of its first request.
const WARMING: Duration = Duration::from_secs(2);

/// What a function does with a request. Lambda, `cargo run` and the tests all call the same one.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that the client is told of.
    fn handle(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response<Body>, Problem>> + Send;

    /// Does ahead of the first request what it would otherwise wait for. What fails here is tried
    /// again when it is needed.
    fn warm_up(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Serves the handler of the function `name` in Lambda until the process is ended. `from_env` makes
/// it from the environment of the process; the log shows what the crates `name` and `shared` say.
///
/// # Errors
///
/// Returns one sentence that says what to set if the configuration is wrong, and an error if the
/// Lambda runtime fails.
pub async fn serve<H: Handler>(
    name: &'static str,
    from_env: impl FnOnce(&Env<'_>, Clock) -> Result<H, ConfigError>,
) -> Result<(), lambda_http::Error> {
    let env = process_env();
    logging::init(&env, &[name]);
    let handler = &from_env(&env, Clock::System)?;
    warm_up(handler).await;
    let runtime = Runtime::new(service_fn(|event| answer(handler, event))).layer(AfterResponse);
    runtime.run().await
}

/// Lets a handler do ahead of its first request what that would wait for. Before the first event,
/// Lambda gives a function more processor time than it pays for. A service that does not answer must
/// not hold up the start for long: requests find out by themselves.
pub async fn warm_up(handler: &impl Handler) {
    if timeout(WARMING, handler.warm_up()).await.is_err() {
        tracing::warn!("not everything was ready before the first request");
    }
}

/// Answers an event, in the JSON that Lambda passes.
///
/// # Errors
///
/// None: whatever goes wrong is an answer too.
pub async fn answer<H: Handler>(
    handler: &H,
    event: LambdaEvent<LambdaRequest>,
) -> Result<ApiGatewayV2httpResponse, Infallible> {
    let (mut event, context) = event.into_parts();
    sanitize(&mut event);
    let request = Request::from(event).with_lambda_context(context);
    Ok(payload(respond(handler, request).await))
}

/// A response in the form of payload format 2.0. lambda_http's own way there can turn texts from any
/// encoding into UTF-8, and brings the tables for it; ours are UTF-8 from the start.
fn payload(response: Response<Body>) -> ApiGatewayV2httpResponse {
    let (head, body) = response.into_parts();
    let mut payload = ApiGatewayV2httpResponse::default();
    payload.status_code = head.status.as_u16().into();
    payload.headers = head.headers;
    payload.is_base64_encoded = matches!(body, Body::Binary(_));
    payload.body = Some(body).filter(|body| !matches!(body, Body::Empty));
    payload
}

/// Answers a request with what the handler makes of it: whatever goes wrong becomes a problem, and
/// one line in the log.
pub async fn respond(handler: &impl Handler, request: Request) -> Response<Body> {
    let started = Instant::now();
    let request_id = request_id(&request);
    let log = RequestLog::new(request_id.clone(), route(&request));
    // On the heap: the compiler refuses to look as deep as the SDK's futures go from here.
    let handled = Box::pin(handler.handle(request));
    let (outcome, log) = log.during(handled).await;
    let (mut response, problem) = match outcome {
        Ok(response) => (response, None),
        Err(problem) => (problem.to_response(&request_id), Some(problem)),
    };
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    let duration_ms = in_ms(started.elapsed());
    after_response(move || write_line(status, problem.as_ref(), duration_ms, log));
    response
}

/// The one line of a request. What is a metric in it, [`crate::observe::emf`] says.
fn write_line(status: u16, problem: Option<&Problem>, duration_ms: f64, log: RequestLog) {
    let code = problem.map(Problem::code);
    let cause = problem.and_then(Problem::cause).map(logging::chain);
    let RequestLog {
        request_id,
        route,
        user_id,
        reason,
        cold_starts,
        logins,
        logins_refused,
        attempts_refused,
        refresh_tokens_reused,
        hash_ms,
        store_requests,
        store_ms,
        store_faults,
        kms_ms,
        kms_faults,
    } = log;
    // A level is part of where a line is written, so there are two places.
    macro_rules! write_at {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                request_id,
                route,
                status,
                duration_ms,
                user_id,
                code,
                cause,
                reason,
                cold_starts,
                logins,
                logins_refused,
                attempts_refused,
                refresh_tokens_reused,
                hash_ms,
                store_requests,
                store_ms,
                store_faults,
                kms_ms,
                kms_faults,
                $message
            )
        };
    }
    if status >= 500 {
        write_at!(error, "request failed");
    } else {
        write_at!(info, "request");
    }
}

/// A JSON answer.
///
/// # Errors
///
/// 500 where `body` cannot be written, which no type of ours causes.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response<Body>, Problem> {
    let body = serde_json::to_string(body).map_err(|error| Problem::Internal(error.into()))?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer without a body.
pub fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The route, as the template has it. Under `cargo lambda watch` nobody says which it is: there the
/// method and the path stand in for it.
fn route(request: &Request) -> String {
    let gateway = gateway_context(request).and_then(|context| context.route_key.as_deref());
    match gateway.filter(|route| route.contains('/')) {
        Some(route) => route.to_owned(),
        None => format!("{} {}", request.method(), request.uri().path()),
    }
}

/// The name under which an operator finds the request: the gateway's, which the client sees as
/// `apigw-requestid`, or Lambda's own.
fn request_id(request: &Request) -> String {
    let gateway = gateway_context(request).and_then(|context| context.request_id.clone());
    let lambda = || {
        request
            .lambda_context_ref()
            .map(|context| context.request_id.clone())
    };
    gateway
        .filter(|id| !id.is_empty())
        .or_else(lambda)
        .unwrap_or_default()
}
