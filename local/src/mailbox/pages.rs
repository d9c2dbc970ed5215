//! The pages of the mailbox at the gateway, only for local runs: `/mailbox` and what is below it.
//!
//! What a mail contains is text on these pages. Its HTML is shown in a frame that runs no script and
//! loads nothing.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Response, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::routing::{MethodRouter, get};
use pages::Escaped;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::links::parts;
use super::{Mail, Mailbox};
use crate::guard;
use crate::under_way::UnderWay;

const STYLE: &str = include_str!("mailbox.css");

/// The longest that `/mailbox/latest` waits, in seconds.
const MAX_WAIT: u64 = 30;

/// The policy of the pages: a style, and a frame of this host.
const POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The policy of a mail's own HTML: it runs no script and loads nothing. Its links open elsewhere.
const MAIL_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; \
                           default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                           form-action 'none'; frame-ancestors 'self'";

/// Returns the pages by path. `/mailbox/latest` stops waiting once the end has begun.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>(
    mailbox: &Arc<Mailbox>,
    under_way: &UnderWay,
) -> [(&'static str, MethodRouter<S>); 6] {
    let with_mail = |page: fn(&Mail) -> Response<Body>| {
        let mailbox = Arc::clone(mailbox);
        get(
            async move |Path(id): Path<String>| match mailbox.mail(&id) {
                Some(mail) => page(&mail),
                None => not_found("there is no such mail"),
            },
        )
    };
    let style = async || answer(StatusCode::OK, "text/css", POLICY, STYLE.to_owned());
    let listed = Arc::clone(mailbox);
    let waited = Arc::clone(mailbox);
    let under_way = under_way.clone();
    let latest = async move |uri: Uri| {
        tokio::select! {
            found = latest(&waited, uri.query().unwrap_or_default()) => found,
            () = under_way.ending() => not_found("this process ends"),
        }
    };
    [
        ("/mailbox", get(async move || list(&listed.mails()))),
        ("/mailbox/latest", get(latest)),
        ("/mailbox/mailbox.css", get(style)),
        ("/mailbox/{id}", with_mail(show)),
        ("/mailbox/{id}/html", with_mail(html)),
        ("/mailbox/{id}/source", with_mail(source)),
    ]
    .map(|(path, page)| (path, page.layer(from_fn(only_private))))
}

/// Refuses a request to a name that somebody may own: its pages would read every mail and event, and
/// use the links. A page of another site reads nothing here either, since no answer allows it (CORS), but it
/// may link to the mailbox.
pub(crate) async fn only_private(request: Request, next: Next) -> Response<Body> {
    if guard::is_to_private_name(request.headers()) {
        return next.run(request).await;
    }
    problem(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected",
        "this answers only at an address of IP, or at a name that no public DNS has, such as \
         localhost: any other name may be that of a page that wants to read your mails",
    )
}

/// Answers `/mailbox/latest?to=&wait=&after=`.
async fn latest(mailbox: &Mailbox, query: &str) -> Response<Body> {
    let value = |wanted: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == wanted);
        // A `+` is part of an address, not a blank.
        let value = values.next_back()?.1;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let (to, after) = (value("to"), value("after"));
    let wait = value("wait").unwrap_or_default();
    let seconds = match wait.parse::<u64>() {
        Ok(seconds) => seconds.min(MAX_WAIT),
        Err(_) if wait.is_empty() => 0,
        Err(_) => return problem(StatusCode::BAD_REQUEST, "invalid-wait", "wait is no number"),
    };
    let wait = Duration::from_secs(seconds);
    match mailbox.wait(to.as_deref(), after.as_deref(), wait).await {
        Some(mail) => source(&mail),
        None => not_found(&format!("no such mail came within {seconds} seconds")),
    }
}

/// A text in HTML whose URLs are links.
struct Linked<'a>(&'a str);

impl fmt::Display for Linked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, is_link) in parts(self.0) {
            let part = Escaped(part);
            if is_link {
                write!(f, r#"<a href="{part}" rel="noreferrer">{part}</a>"#)?;
            } else {
                write!(f, "{part}")?;
            }
        }
        Ok(())
    }
}

fn list(mails: &[Arc<Mail>]) -> Response<Body> {
    let mut rows = String::new();
    for mail in mails.iter().rev() {
        let (id, sent_at, to) = (&mail.id, &mail.sent_at, Escaped(&mail.to));
        let subject = Escaped(&mail.subject);
        let link = Linked(mail.links.first().map_or("", String::as_str));
        // Writing to a string cannot fail.
        let _ = writeln!(
            rows,
            r#"<tr><td>{sent_at}</td><td>{to}</td><td><a href="/mailbox/{id}">{subject}</a><br>{link}</td></tr>"#
        );
    }
    let body = match rows.as_str() {
        "" => "<p>No mail was sent yet.</p>".to_owned(),
        rows => format!(
            "<table>\n<thead><tr><th>Sent</th><th>To</th><th>Subject and link</th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>"
        ),
    };
    let note = "<p>Mails that Latchkey would send by Amazon SES. Only <code>cargo run</code> has \
                this page.</p>";
    page("Mailbox", &format!("<h1>Mailbox</h1>\n{note}\n{body}"))
}

fn show(mail: &Mail) -> Response<Body> {
    let mut rows = String::new();
    let mut row = |name: &str, value: &str| {
        let (name, value) = (Escaped(name), Escaped(value));
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
        );
    };
    row("From", &mail.from);
    row("To", &mail.to);
    row("Sent", &mail.sent_at);
    for (name, value) in &mail.headers {
        row(name, value);
    }
    for (name, value) in &mail.tags {
        row(&format!("Tag {name}"), value);
    }
    let (id, subject, text) = (&mail.id, Escaped(&mail.subject), Linked(&mail.text));
    let html = match mail.html {
        Some(_) => format!(
            "<h2>HTML</h2>\n<iframe title=\"The HTML of the mail\" \
             sandbox=\"allow-popups allow-popups-to-escape-sandbox\" \
             referrerpolicy=\"no-referrer\" src=\"/mailbox/{id}/html\"></iframe>"
        ),
        None => String::new(),
    };
    let body = format!(
        "<p><a href=\"/mailbox\">Mailbox</a></p>\n<h1>{subject}</h1>\n<table>\n{rows}</table>\n\
         <h2>Text</h2>\n<pre>{text}</pre>\n{html}\n\
         <p><a href=\"/mailbox/{id}/source\">Source, in JSON</a></p>"
    );
    page(&mail.subject, &body)
}

/// Returns the mail's own HTML. Its links open a page of their own, since the frame is a sandbox.
fn html(mail: &Mail) -> Response<Body> {
    let Some(html) = &mail.html else {
        return not_found("the mail has no HTML");
    };
    let base = r#"<base target="_blank">"#;
    let html = match html.split_once("<head>") {
        Some((before, after)) => format!("{before}<head>{base}{after}"),
        None => format!("{base}{html}"),
    };
    let kind = "text/html; charset=utf-8";
    answer(StatusCode::OK, kind, MAIL_POLICY, html)
}

fn source(mail: &Mail) -> Response<Body> {
    match serde_json::to_string_pretty(mail) {
        Ok(text) => answer(StatusCode::OK, "application/json", POLICY, text),
        Err(error) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            &error.to_string(),
        ),
    }
}

fn page(title: &str, body: &str) -> Response<Body> {
    let title = Escaped(title);
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} - Latchkey</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"/mailbox/mailbox.css\">\n</head>\n<body>\n{body}\n\
         </body>\n</html>\n"
    );
    answer(StatusCode::OK, "text/html; charset=utf-8", POLICY, html)
}

fn not_found(detail: &str) -> Response<Body> {
    problem(StatusCode::NOT_FOUND, "not-found", detail)
}

pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Body> {
    let problem: Value = json!({
        "type": format!("urn:latchkey:problem:{code}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    answer(
        status,
        "application/problem+json",
        POLICY,
        problem.to_string(),
    )
}

fn answer(
    status: StatusCode,
    kind: &'static str,
    policy: &'static str,
    body: String,
) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mail_contains_is_text_on_a_page() {
        let text = r#"<script>"&' https://a.example/?<b>"#;
        assert_eq!(
            Linked(text).to_string(),
            "&lt;script&gt;&quot;&amp;&#39; \
             <a href=\"https://a.example/\" rel=\"noreferrer\">https://a.example/</a>?&lt;b&gt;"
        );
    }
}
