//! The mailbox of `cargo run`: the stand-in for SES, and the pages.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::mailbox::fault::Fault;
use local::{Local, MAIL_FROM};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::App;
use crate::support::log::logged_by_mailer;
use crate::support::mails::{mail_request, send, settle, token_in};

/// Gets a page of the gateway.
async fn get(local: &Local, path: &str) -> (u16, HeaderMap, String) {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let url = format!("{}{path}", local.url).parse().unwrap();
    let (head, body) = client.get(url).await.unwrap().into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (head.status.as_u16(), head.headers, body)
}

async fn json(local: &Local, path: &str) -> (u16, Value) {
    let (status, _, body) = get(local, path).await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_mail_is_kept_and_shown_and_the_latest_is_found_by_its_address() {
    let app = App::start().await;
    let (status, _, sent) = send(&app.local, &mail_request("Ada@example.com", "<Hi> & bye")).await;
    assert_eq!(status, 200, "{sent}");
    let id = sent["MessageId"].as_str().unwrap();

    let (status, mail) = json(&app.local, "/mailbox/latest?to=ada%40EXAMPLE.com&wait=5").await;
    assert_eq!(status, 200);
    let expected = json!({
        "id": id,
        "to": "Ada@example.com",
        "from": "no-reply@latchkey.example",
        "subject": "<Hi> & bye",
        "text": "<Hi> & bye: https://a.example/reset#lkm_1",
        "html": "<p><b><Hi> & bye</b></p>",
        "headers": {"Auto-Submitted": "auto-generated"},
        "tags": {"purpose": "test"},
        "configuration_set": "mails",
        "links": ["https://a.example/reset#lkm_1"],
        "sent_at": "2027-01-15T08:00:00Z",
    });
    assert_eq!(mail, expected);
    assert_eq!(
        json(&app.local, &format!("/mailbox/{id}/source")).await.1,
        expected
    );
    assert_eq!(token_in(&*app.mail_to("ada@example.com").await), "lkm_1");

    let link = r#"<a href="https://a.example/reset#lkm_1" rel="noreferrer">"#;
    for path in ["/mailbox", &format!("/mailbox/{id}")] {
        let (status, headers, page) = get(&app.local, path).await;
        assert_eq!(status, 200, "{path}");
        assert!(
            page.contains("&lt;Hi&gt; &amp; bye") && page.contains(link),
            "{page}"
        );
        assert!(
            !page.contains("<Hi>") && !page.contains("<script"),
            "{page}"
        );
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'"),
            "{policy}"
        );
        assert_eq!(headers["referrer-policy"], "no-referrer");
    }
    let (_, headers, html) = get(&app.local, &format!("/mailbox/{id}/html")).await;
    assert_eq!(html, r#"<base target="_blank"><p><b><Hi> & bye</b></p>"#);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("sandbox ") && !policy.contains("allow-scripts"),
        "{policy}"
    );
    assert_eq!(get(&app.local, "/mailbox/mailbox.css").await.0, 200);
}

#[tokio::test]
async fn a_mail_that_does_not_come_is_a_problem_and_one_that_comes_late_ends_the_wait() {
    let app = App::start().await;
    for path in [
        "/mailbox/latest?to=ada@example.com",
        "/mailbox/none",
        "/mailbox/none/html",
    ] {
        let (status, headers, problem) = get(&app.local, path).await;
        assert_eq!(status, 404, "{path}: {problem}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert!(problem.contains(r#""code":"not-found""#), "{problem}");
    }
    assert_eq!(json(&app.local, "/mailbox/latest?wait=soon").await.0, 400);
    assert_eq!(get(&app.local, "/mailbox").await.0, 200);

    let first = send(&app.local, &mail_request("a+b@example.com", "one"))
        .await
        .2;
    let first = first["MessageId"].as_str().unwrap();
    // A client may send the plus as it is.
    let path = format!("/mailbox/latest?to=a+b@example.com&wait=30&after={first}");
    let (latest, _) = tokio::join!(json(&app.local, &path), async {
        tokio::task::yield_now().await;
        send(&app.local, &mail_request("other@example.com", "two")).await;
        send(&app.local, &mail_request("a+b@example.com", "three")).await;
    });
    assert_eq!((latest.0, &latest.1["subject"]), (200, &json!("three")));
}

#[tokio::test]
async fn each_refusal_has_the_form_that_ses_gives_it() {
    let app = App::start().await;
    let request = mail_request("ada@example.com", "Hello");
    for (fault, status, kind) in [
        (Fault::Throttle, 429, "TooManyRequestsException"),
        (Fault::Reject, 400, "MessageRejected"),
        (Fault::Paused, 400, "SendingPausedException"),
        (Fault::Unverified, 400, "MailFromDomainNotVerifiedException"),
        (Fault::Broken, 500, "InternalFailure"),
    ] {
        app.local.mailbox.fail(fault.once());
        let (given, headers, body) = send(&app.local, &request).await;
        assert_eq!(given, status, "{fault:?}");
        assert_eq!(headers["x-amzn-errortype"], kind);
        assert!(body["message"].is_string(), "{body}");
    }
    let mut wrong = request.clone();
    wrong["Destination"] = json!({});
    let (status, headers, _) = send(&app.local, &wrong).await;
    assert_eq!(status, 400);
    assert_eq!(headers["x-amzn-errortype"], "BadRequestException");
    assert!(app.local.mailbox.mails().is_empty());
    // The faults were for one mail each.
    assert_eq!(send(&app.local, &request).await.0, 200);
}

#[tokio::test]
async fn the_mailer_logs_for_each_planned_refusal_the_reason_that_its_name_tells() {
    let app = App::with_mail().await;
    app.register("ada@example.com").await.expect(201);
    for (fault, reason) in [
        (Fault::Reject, "message_rejected"),
        (Fault::Paused, "sending_paused"),
        (Fault::Unverified, "domain_not_verified"),
    ] {
        settle(&app.local).await;
        logged_by_mailer();
        app.local.mailbox.fail(fault.once());
        let forgot = app.post("/password/forgot", json!({"email": "ada@example.com"}));
        forgot.send().await.expect(202);
        settle(&app.local).await;
        let reasons: Vec<_> = logged_by_mailer()
            .into_iter()
            .filter_map(|line| {
                line["event"]
                    .as_str()
                    .and(line["reason"].as_str())
                    .map(str::to_owned)
            })
            .collect();
        assert_eq!(reasons, [reason], "{fault:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_signed_for_ses_is_refused() {
    let app = App::start().await;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    for (path, status, kind) in [
        (
            "/v2/email/outbound-emails",
            403,
            "MissingAuthenticationTokenException",
        ),
        ("/v2/email/identities", 404, "UnknownOperationException"),
    ] {
        let request = axum::http::Request::post(format!("{}{path}", app.local.mailbox.url));
        let request = request.body(Body::from("{}")).unwrap();
        let answer = client.request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["x-amzn-errortype"], kind);
    }
}

#[tokio::test]
async fn silence_keeps_no_mail_and_a_lost_answer_keeps_it() {
    let app = App::start().await;
    let request = mail_request("ada@example.com", "Hello");
    let soon = Duration::from_millis(200);
    app.local.mailbox.fail(Fault::Timeout);
    assert!(timeout(soon, send(&app.local, &request)).await.is_err());
    assert!(app.local.mailbox.mails().is_empty());
    app.local.mailbox.fail(Fault::Late);
    let wait = app.local.mailbox.wait(None, None, Duration::from_secs(10));
    tokio::select! {
        mail = wait => assert!(mail.is_some()),
        _ = send(&app.local, &request) => panic!("it answered"),
    }
    app.local.mailbox.heal();
    assert_eq!(send(&app.local, &request).await.0, 200);
}

#[tokio::test]
async fn mail_is_on_with_an_address_that_does_not_exist_and_can_be_switched_off() {
    let environment = |app: &App| app.local.environment["register"].clone();
    let app = App::start().await;
    let variables = environment(&app);
    assert_eq!(variables["MAIL_FROM"], MAIL_FROM);
    assert_eq!(variables["AWS_ENDPOINT_URL_SESV2"], app.local.mailbox.url);
    let off = App::with(&[("MailFrom", "")]).await;
    assert_eq!(environment(&off)["MAIL_FROM"], "");
    let other = App::with(&[("MailFrom", "accounts@example.org")]).await;
    assert_eq!(environment(&other)["MAIL_FROM"], "accounts@example.org");
}

#[tokio::test]
async fn a_page_of_a_name_that_leads_here_does_not_read_mails() {
    // DNS rebinding: a page of another site, whose name resolves to this machine later, is of the
    // same origin as the mailbox to the browser.
    let app = App::start().await;
    let (_, _, sent) = send(&app.local, &mail_request("ada@example.com", "Hi")).await;
    let id = sent["MessageId"].as_str().unwrap();
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let port = app.local.url.rsplit_once(':').unwrap().1;
    let get = async |path: &str, host: &str| {
        let request = axum::http::Request::get(format!("{}{path}", app.local.url));
        let request = request.header("host", host).body(Body::empty()).unwrap();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (head.status.as_u16(), body)
    };
    for path in [
        "/mailbox",
        "/mailbox/latest",
        &format!("/mailbox/{id}"),
        &format!("/mailbox/{id}/html"),
        &format!("/mailbox/{id}/source"),
    ] {
        for host in ["evil.example", &format!("rebound.evil.example:{port}"), ""] {
            let (status, body) = get(path, host).await;
            assert_eq!(status, 421, "{path} {host}: {body}");
            assert!(!body.contains("lkm_1") && !body.contains("ada@"), "{body}");
        }
        for host in [
            "localhost",
            &format!("LOCALHOST:{port}"),
            "127.0.0.1",
            &format!("[::1]:{port}"),
            "192.168.1.7:3000",
            "latchkey:3000",
            "app.localhost",
            "host.docker.internal:3000",
            "adas-laptop.local",
        ] {
            let (status, body) = get(path, host).await;
            assert_eq!(status, 200, "{path} {host}: {body}");
        }
    }
}
