//! The stand-in for SES v2: `POST /v2/email/outbound-emails`, with answers in SES's own form
//! (restJson1).

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::Next;
use axum::routing::post;
use serde_json::{Value, json};
use shared::platform::{hex, random};
use tokio::sync::watch;

use super::fault::Fault;
use super::message::Message;
use super::{Mail, Mailbox};
use crate::guard;
use crate::{Phase, reached};

/// The largest mail that SES accepts, in octets.
const MAX_BODY: usize = 40 * 1024 * 1024;

/// What a handler needs.
#[derive(Clone)]
struct Ses {
    mailbox: Arc<Mailbox>,
    phases: watch::Receiver<Phase>,
}

/// A refusal of SES: status, type and message.
struct Refusal(StatusCode, &'static str, String);

/// Returns the operations of the stand-in. It is silent, if it has to be, until the end.
pub(crate) fn operations(mailbox: Arc<Mailbox>, phases: watch::Receiver<Phase>) -> Router {
    Router::new()
        .route("/v2/email/outbound-emails", post(send))
        .fallback(async || unknown_operation().to_response())
        .with_state(Ses { mailbox, phases })
}

/// Refuses what a web page may have sent.
pub(crate) async fn no_page(request: Request, next: Next) -> Response<Body> {
    match guard::check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let (status, kind) = (refusal.status(), "AccessDeniedException");
            Refusal(status, kind, refusal.reason().to_owned()).to_response()
        }
    }
}

async fn send(State(ses): State<Ses>, request: Request) -> Response<Body> {
    match take(&ses, request).await {
        Ok(mail) => answer(StatusCode::OK, None, &json!({ "MessageId": mail.id })),
        Err(refusal) => refusal.to_response(),
    }
}

/// Takes a mail, and lets the planned fault happen to it.
async fn take(ses: &Ses, request: Request) -> Result<Arc<Mail>, Refusal> {
    let (head, body) = request.into_parts();
    check_signature(&head.headers)?;
    let bad = |reason| Refusal(StatusCode::BAD_REQUEST, "BadRequestException", reason);
    let body = to_bytes(body, MAX_BODY).await;
    let body = body.map_err(|_| bad("the mail is too large".to_owned()))?;
    let message = Message::read(&body).map_err(|reason| {
        tracing::warn!(reason, "SES would refuse this mail");
        bad(reason)
    })?;
    let refused = |status, kind, message: &str| Err(Refusal(status, kind, message.to_owned()));
    // The texts of SES.
    match ses.mailbox.next_fault() {
        None => Ok(ses.mailbox.accept(message)),
        Some(Fault::Throttle) => refused(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Maximum sending rate exceeded.",
        ),
        Some(Fault::Reject) => refused(
            StatusCode::BAD_REQUEST,
            "MessageRejected",
            "Message contained a virus.",
        ),
        Some(Fault::Paused) => refused(
            StatusCode::BAD_REQUEST,
            "SendingPausedException",
            "Email sending is disabled for your account.",
        ),
        Some(Fault::Unverified) => refused(
            StatusCode::BAD_REQUEST,
            "MailFromDomainNotVerifiedException",
            "The sending domain is not verified.",
        ),
        Some(Fault::Broken) => refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            "Internal failure.",
        ),
        Some(Fault::Timeout) => Err(ses.silence().await),
        Some(Fault::Late) => {
            ses.mailbox.accept(message);
            Err(ses.silence().await)
        }
        Some(Fault::Bounce) => {
            let mail = ses.mailbox.accept(message);
            ses.mailbox.publish(&mail, "Email Bounced", bounce(&mail));
            Ok(mail)
        }
        Some(Fault::Complaint) => {
            let mail = ses.mailbox.accept(message);
            let detail = complaint(&mail);
            ses.mailbox
                .publish(&mail, "Email Complaint Received", detail);
            Ok(mail)
        }
    }
}

impl Ses {
    /// Answers nothing until the process ends.
    async fn silence(&self) -> Refusal {
        reached(self.phases.clone(), Phase::Stopping).await;
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Refusal(status, "ServiceUnavailable", "it ends".to_owned())
    }
}

/// Refuses a request that is not signed for SES. The signature itself is not checked.
fn check_signature(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok());
    let is_signed = given.is_some_and(|text| {
        text.starts_with("AWS4-HMAC-SHA256 ") && text.contains("/ses/aws4_request")
    });
    if is_signed {
        return Ok(());
    }
    let message = "the request is not signed for the service ses";
    let kind = "MissingAuthenticationTokenException";
    Err(Refusal(StatusCode::FORBIDDEN, kind, message.to_owned()))
}

fn unknown_operation() -> Refusal {
    let message = "only SendEmail is here: POST /v2/email/outbound-emails";
    let kind = "UnknownOperationException";
    Refusal(StatusCode::NOT_FOUND, kind, message.to_owned())
}

/// Returns the kind of a bounce's event, and its detail.
fn bounce(mail: &Mail) -> (&'static str, Value) {
    let recipients = mail.to.split(", ").map(|to| {
        json!({
            "emailAddress": to,
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        })
    });
    let detail = json!({
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": recipients.collect::<Vec<_>>(),
        "reportingMTA": "dsn; localhost",
    });
    ("Bounce", detail)
}

/// Returns the kind of a complaint's event, and its detail.
fn complaint(mail: &Mail) -> (&'static str, Value) {
    let recipients = mail.to.split(", ").map(|to| json!({ "emailAddress": to }));
    let detail = json!({
        "complainedRecipients": recipients.collect::<Vec<_>>(),
        "complaintSubType": null,
        "complaintFeedbackType": "abuse",
        "userAgent": "a mailbox provider",
    });
    ("Complaint", detail)
}

impl Refusal {
    fn to_response(&self) -> Response<Body> {
        let Self(status, kind, message) = self;
        answer(*status, Some(kind), &json!({ "message": message }))
    }
}

fn answer(status: StatusCode, kind: Option<&'static str>, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE.as_str(), "application/json");
    set("x-amzn-requestid", &hex(&random::octets::<16>()));
    if let Some(kind) = kind {
        set("x-amzn-errortype", kind);
    }
    response
}
