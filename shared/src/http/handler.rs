//! Turns a Lambda event into a request for a handler, and its result into a response.

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

/// The time limit for warming up before the first request.
const WARM_UP_LIMIT: Duration = Duration::from_secs(2);

/// The part of a function's time that is kept for writing a response: nothing is written once Lambda
/// ends the function.
pub const RESERVED_FOR_THE_RESPONSE: Duration = Duration::from_millis(500);

/// The time limit for answering if Lambda does not say when it ends the function. With
/// [`RESERVED_FOR_THE_RESPONSE`] it is the `Timeout` of the functions in template.yaml.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(9500);

/// The cause of a 503 at the time limit.
#[derive(Debug, thiserror::Error)]
#[error("there was no answer within {} ms, shortly before the function's timeout", .0.as_millis())]
struct TooSlow(Duration);

/// The handler of a function's requests. Lambda, `cargo run` and the tests all call the same one.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request.
    ///
    /// # Errors
    ///
    /// Returns the [`Problem`] that the client is told about.
    fn handle(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response<Body>, Problem>> + Send;

    /// Does work in advance that the first request would otherwise wait for. Work that fails here
    /// is repeated when it is needed.
    fn warm_up(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Serves the handler of the function `name` in Lambda until the process ends. `from_env` builds
/// the handler from the environment of the process; the log shows the events of the crates `name`
/// and `shared`.
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

/// Warms up a handler before its first request, while Lambda gives the function more processor time
/// than it pays for. The time limit keeps a service that does not answer from delaying the start
/// for long; the requests will report it.
pub async fn warm_up(handler: &impl Handler) {
    if timeout(WARM_UP_LIMIT, handler.warm_up()).await.is_err() {
        tracing::warn!("not everything was ready before the first request");
    }
}

/// Answers an event, in the JSON that Lambda passes. A handler that has not answered shortly before
/// Lambda ends the function is dropped, and the response is 503: each operation has a time limit of
/// its own, but several in a row may take longer than the function may.
///
/// # Errors
///
/// Never returns an error: every failure becomes a response.
pub async fn answer<H: Handler>(
    handler: &H,
    event: LambdaEvent<LambdaRequest>,
) -> Result<ApiGatewayV2httpResponse, Infallible> {
    let (mut event, context) = event.into_parts();
    sanitize(&mut event);
    let limit = time_limit(context.deadline, Clock::System.millis());
    let request = Request::from(event).with_lambda_context(context);
    Ok(payload(respond(handler, request, limit).await))
}

/// Returns how long an answer may take, from `now` on. `deadline` is when Lambda ends the function;
/// both are milliseconds since the epoch. Without Lambda, in `cargo run` and under `cargo lambda
/// watch`, the deadline has passed.
fn time_limit(deadline: u64, now: u64) -> Duration {
    match deadline.checked_sub(now) {
        None | Some(0) => ANSWER_WITHIN,
        Some(left) => Duration::from_millis(left).saturating_sub(RESERVED_FOR_THE_RESPONSE),
    }
}

/// Converts a response to payload format 2.0. lambda_http's own conversion can transcode any
/// encoding to UTF-8 and links the tables for that; the responses here are always UTF-8.
fn payload(response: Response<Body>) -> ApiGatewayV2httpResponse {
    let (head, body) = response.into_parts();
    let mut payload = ApiGatewayV2httpResponse::default();
    payload.status_code = head.status.as_u16().into();
    payload.headers = head.headers;
    payload.is_base64_encoded = matches!(body, Body::Binary(_));
    payload.body = Some(body).filter(|body| !matches!(body, Body::Empty));
    payload
}

/// Answers a request with the handler's result, or with 503 if there is none within `limit`. A
/// failure becomes a problem response. Each request writes one line to the log.
async fn respond(handler: &impl Handler, request: Request, limit: Duration) -> Response<Body> {
    let started = Instant::now();
    let request_id = request_id(&request);
    let log = RequestLog::new(request_id.clone(), route(&request));
    // Boxed: the SDK's futures are nested too deeply for the compiler otherwise.
    let handled = timeout(limit, Box::pin(handler.handle(request)));
    let (outcome, log) = log.during(handled).await;
    let outcome = outcome.unwrap_or_else(|_| Err(Problem::Unavailable(TooSlow(limit).into())));
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

/// Writes the log line of a request. [`crate::observe::emf`] says which of its fields are metrics.
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
        registrations,
        emails_taken,
        passwords_refused,
        refresh_tokens_repeated,
        refresh_tokens_reused,
        hash_ms,
        store_requests,
        store_ms,
        store_faults,
        kms_ms,
        kms_faults,
        pool_ms,
        // Of the functions `mailer` and `publisher`, which answer no requests.
        mails_sent: _,
        mails_rejected: _,
        mails_failed: _,
        mails_bounced: _,
        mails_complained: _,
        ses_ms: _,
        bus_ms: _,
        events_published: _,
        events_failed: _,
        events_rejected: _,
    } = log;
    // A tracing level must be a constant, so each level has its own call.
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
                registrations,
                emails_taken,
                passwords_refused,
                refresh_tokens_repeated,
                refresh_tokens_reused,
                hash_ms,
                store_requests,
                store_ms,
                store_faults,
                kms_ms,
                kms_faults,
                pool_ms,
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

/// Returns a JSON response.
///
/// # Errors
///
/// Returns 500 if `body` cannot be serialized. No type in this project causes that.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response<Body>, Problem> {
    let body = serde_json::to_string(body).map_err(|error| Problem::Internal(error.into()))?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Returns a response without a body.
pub fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Returns a response without a body that promises nothing but that the request was taken.
pub fn accepted() -> Response<Body> {
    let mut response = no_content();
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// Returns the route key as written in the template. `cargo lambda watch` does not send it; there
/// the method and the path replace it.
fn route(request: &Request) -> String {
    let gateway = gateway_context(request).and_then(|context| context.route_key.as_deref());
    match gateway.filter(|route| route.contains('/')) {
        Some(route) => route.to_owned(),
        None => format!("{} {}", request.method(), request.uri().path()),
    }
}

/// Returns the id by which an operator finds the request: the gateway's, which the client sees as
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use lambda_http::Context;
    use serde_json::{Value, json};

    use super::*;

    /// A handler that never answers.
    struct Silent;

    impl Handler for Silent {
        async fn handle(&self, _: Request) -> Result<Response<Body>, Problem> {
            pending().await
        }
    }

    fn event(deadline: u64) -> LambdaEvent<LambdaRequest> {
        let event = json!({
            "version": "2.0", "routeKey": "GET /x", "rawPath": "/x", "rawQueryString": "",
            "headers": {}, "isBase64Encoded": false,
            "requestContext": {
                "domainName": "127.0.0.1", "requestId": "r-1", "stage": "$default", "timeEpoch": 0,
                "http": {"method": "GET", "path": "/x", "protocol": "HTTP/1.1", "sourceIp": "::1"},
            },
        });
        let mut context = Context::default();
        context.deadline = deadline;
        LambdaEvent::new(serde_json::from_value(event).unwrap(), context)
    }

    #[test]
    fn the_time_limit_is_shortly_before_the_function_s_end() {
        let millis = Duration::from_millis;
        assert_eq!(time_limit(110_000, 100_000), millis(9_500));
        assert_eq!(time_limit(103_000, 100_000), millis(2_500));
        // There is no time left, but for the response.
        assert_eq!(time_limit(100_400, 100_000), millis(0));
        // No deadline, or one that says nothing.
        for passed in [0, 600_000, 1_000_000] {
            assert_eq!(time_limit(passed, 1_000_000), ANSWER_WITHIN, "{passed}");
        }
    }

    // The time is tokio's, and passes as soon as there is nothing else to do.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_too_long_is_a_503_and_a_log_line() {
        let begun = tokio::time::Instant::now();
        let answer = answer(&Silent, event(0)).await.unwrap();
        assert_eq!(begun.elapsed(), ANSWER_WITHIN);
        assert_eq!(answer.status_code, 503);
        assert_eq!(answer.headers["retry-after"], "2");
        let Some(Body::Text(body)) = answer.body else {
            panic!("no body")
        };
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["code"], "unavailable");
        assert!(!body.contains("ms"), "the cause is for the log: {body}");
    }
}
