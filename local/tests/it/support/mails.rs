//! The mails of a test, and the stand-in for SES that takes them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::Local;
use local::mailbox::Mail;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::App;

impl App {
    /// Returns the mails to `email`, oldest first, once all that was accepted until now is delivered.
    pub async fn mails_to(&self, email: &str) -> Vec<Arc<Mail>> {
        settle(&self.local).await;
        let mut mails = self.local.mailbox.mails();
        mails.retain(|mail| mail.is_to(email));
        mails
    }

    /// Returns the latest mail to `email`, once all that was accepted until now is delivered.
    pub async fn mail_to(&self, email: &str) -> Arc<Mail> {
        let mails = self.mails_to(email).await;
        mails.last().expect("there is no mail").clone()
    }
}

/// Waits until all that was accepted until now is delivered to the functions that streams feed.
pub async fn settle(local: &Local) {
    let settled = timeout(Duration::from_secs(30), local.streams.settle()).await;
    settled.expect("a stream is not delivered");
}

/// Returns the token in the link of a mail.
pub fn token_in(mail: &Mail) -> String {
    let link = mail.links.first().expect("the mail has no link");
    let (_, token) = link.split_once('#').expect("the link has no token");
    token.to_owned()
}

/// Returns a request to SES to send a mail to `to`.
pub fn mail_request(to: &str, subject: &str) -> Value {
    json!({
        "FromEmailAddress": "no-reply@latchkey.example",
        "Destination": {"ToAddresses": [to]},
        "Content": {"Simple": {
            "Subject": {"Data": subject, "Charset": "UTF-8"},
            "Body": {
                "Text": {"Data": format!("{subject}: https://a.example/reset#lkm_1"), "Charset": "UTF-8"},
                "Html": {"Data": format!("<p><b>{subject}</b></p>"), "Charset": "UTF-8"},
            },
            "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
        }},
        "EmailTags": [{"Name": "purpose", "Value": "test"}],
        "ConfigurationSetName": "mails",
    })
}

/// Sends a request to the stand-in for SES. Returns its status, its headers and its body.
pub async fn send(local: &Local, request: &Value) -> (u16, HeaderMap, Value) {
    let signed = "AWS4-HMAC-SHA256 Credential=local/20270115/local/ses/aws4_request, Signature=0";
    let request = Request::post(format!("{}/v2/email/outbound-emails", local.mailbox.url))
        .header("content-type", "application/json")
        .header("authorization", signed)
        .body(Body::from(request.to_string()));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request.unwrap()).await.unwrap().into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    let body = shared::platform::json::parse(&body).unwrap();
    (head.status.as_u16(), head.headers, body)
}
