//! A stand-in for SES: the one operation that Latchkey uses, with the checks that SES makes, and
//! with faults.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::headers::assert_names_latchkey;
use crate::listen;

/// A fault of SES in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There were too many requests.
    Throttled,
    /// SES has an internal fault.
    Broken,
    /// SES never answers.
    Silence,
    /// SES takes the mail and answers with a fault: the mail is sent, and nobody knows.
    AnswerLost,
    /// SES takes the mail once [`Ses::release`] is called.
    Held,
    /// SES refuses what the mail contains.
    Rejected,
    /// SES is in its sandbox. The message names the recipient.
    NotVerified,
    /// SES has no identity for the sender. The message names it, and the recipient.
    SenderNotVerified,
    /// SES refuses a part of the request.
    BadRequest,
    /// SES refuses the request with a code that its model does not have.
    Unlisted,
    /// There were too many requests, says a code that the model does not have.
    UnlistedThrottled,
    /// The account may not send any more.
    Suspended,
    /// Sending is paused.
    Paused,
    /// The domain of the sender is not verified.
    DomainNotVerified,
    /// The configuration set does not exist.
    NotFound,
    /// The role may not send.
    Denied,
    /// SES takes the mail; the fault is for a later request.
    Passes,
}

/// A stand-in for SES.
pub struct Ses {
    /// The base URL.
    pub url: String,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<Value>>,
    sent: Mutex<Vec<Value>>,
    held: Notify,
    released: Notify,
}

impl Ses {
    /// Starts a stand-in that takes every mail.
    pub async fn start() -> Arc<Self> {
        let (listener, url) = listen().await;
        let ses = Arc::new(Self {
            url,
            faults: Mutex::default(),
            asked: Mutex::default(),
            sent: Mutex::default(),
            held: Notify::new(),
            released: Notify::new(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&ses));
        tokio::spawn(async move { axum::serve(listener, router).await });
        ses
    }

    /// Injects these faults into the next requests, one each. They replace those that are left.
    pub fn inject(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.iter().copied().collect();
    }

    /// Returns the number of requests since the last call, whatever became of them.
    pub fn asked(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().unwrap()).len()
    }

    /// Returns the mails that were taken since the last call: the bodies of `SendEmail`.
    pub fn sent(&self) -> Vec<Value> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// Waits until a request is held.
    pub async fn held(&self) {
        self.held.notified().await;
    }

    /// Lets the request that is held go on.
    pub fn release(&self) {
        self.released.notify_one();
    }

    fn take(&self, mail: Value) -> (u16, &'static str, Value) {
        let mut sent = self.sent.lock().unwrap();
        sent.push(mail);
        let id = format!("0102018bcfe5687b-{:08}-000000", sent.len());
        (200, "", json!({ "MessageId": id }))
    }
}

/// Checks a mail as SES does, and as RFC 5322 asks.
fn check(mail: &Value) {
    let from = mail["FromEmailAddress"].as_str().unwrap();
    let to = mail["Destination"]["ToAddresses"].as_array().unwrap();
    let simple = &mail["Content"]["Simple"];
    let subject = simple["Subject"]["Data"].as_str().unwrap();
    let headers = simple["Headers"].as_array().unwrap();
    let of_headers = headers.iter().flat_map(|header| {
        let parts = ["Name", "Value"];
        parts.map(|part| header[part].as_str().unwrap())
    });
    let to = to.iter().map(|to| to.as_str().unwrap());
    for value in of_headers.chain(to).chain([from, subject]) {
        assert!(!value.is_empty(), "{mail}");
        assert!(!value.chars().any(char::is_control), "{value:?}");
    }
    for body in ["Text", "Html"] {
        let content = &simple["Body"][body];
        assert_eq!(content["Charset"], "UTF-8", "{mail}");
        assert!(!content["Data"].as_str().unwrap().is_empty(), "{mail}");
    }
    for tag in mail["EmailTags"].as_array().unwrap() {
        for part in ["Name", "Value"] {
            let text = tag[part].as_str().unwrap();
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            assert!((1..=256).contains(&text.len()) && text.bytes().all(plain));
        }
    }
}

async fn answer(
    State(ses): State<Arc<Ses>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    assert_names_latchkey(&headers);
    assert_eq!(
        (method, uri.path()),
        (Method::POST, "/v2/email/outbound-emails")
    );
    let mail: Value = shared::platform::json::parse(&body).unwrap();
    check(&mail);
    ses.asked.lock().unwrap().push(mail.clone());
    let fault = ses.faults.lock().unwrap().pop_front();
    let to = mail["Destination"]["ToAddresses"][0].clone();
    let said = |status, code, message: &str| (status, code, json!({ "message": message }));
    let (status, code, body) = match fault {
        None | Some(Fault::Passes) => ses.take(mail),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Held) => {
            ses.held.notify_one();
            ses.released.notified().await;
            ses.take(mail)
        }
        Some(Fault::AnswerLost) => {
            ses.take(mail);
            said(500, "InternalServiceErrorException", "lost")
        }
        Some(Fault::Throttled) => said(
            429,
            "TooManyRequestsException",
            "Maximum sending rate exceeded.",
        ),
        Some(Fault::Broken) => said(500, "InternalServiceErrorException", "broken"),
        Some(Fault::Rejected) => said(400, "MessageRejected", "Message contained a virus."),
        Some(Fault::NotVerified) => said(
            400,
            "MessageRejected",
            &format!(
                "Email address is not verified. The following identities failed the check in \
                 region LOCAL: {to}"
            ),
        ),
        Some(Fault::SenderNotVerified) => said(
            400,
            "MessageRejected",
            &format!(
                "Email address is not verified. The following identities failed the check in \
                 region LOCAL: {}, {}",
                mail["Destination"]["ToAddresses"][0].as_str().unwrap(),
                mail["FromEmailAddress"].as_str().unwrap()
            ),
        ),
        Some(Fault::Unlisted) => said(413, "RequestEntityTooLarge", "too large"),
        Some(Fault::UnlistedThrottled) => said(400, "ThrottlingException", "Rate exceeded"),
        Some(Fault::BadRequest) => said(
            400,
            "BadRequestException",
            &format!("Illegal address: {to}"),
        ),
        Some(Fault::Suspended) => said(400, "AccountSuspendedException", "suspended"),
        Some(Fault::Paused) => said(400, "SendingPausedException", "paused"),
        Some(Fault::DomainNotVerified) => said(
            400,
            "MailFromDomainNotVerifiedException",
            "the domain is not verified",
        ),
        Some(Fault::NotFound) => said(404, "NotFoundException", "no such configuration set"),
        Some(Fault::Denied) => said(
            403,
            "AccessDeniedException",
            &format!("not authorized to perform ses:SendEmail on {to}"),
        ),
    };
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/json")
        .header("x-amzn-errortype", code)
        .body(Body::from(body.to_string()))
        .unwrap()
}
