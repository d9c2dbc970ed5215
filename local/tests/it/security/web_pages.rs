//! Web pages against what `cargo run` listens on: a page of another site, and one whose name leads to
//! this machine (DNS rebinding).

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::dynamodb::TABLE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::{App, folder, root};
use crate::support::mails::{mail_request, send};

/// What browsers add to a request of a page.
const OF_A_PAGE: [&[(&str, &str)]; 6] = [
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
    &[
        ("origin", "http://localhost:5173"),
        ("sec-fetch-site", "same-site"),
    ],
    &[
        ("origin", "http://127.0.0.1:8000"),
        ("sec-fetch-site", "same-origin"),
    ],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
];
/// Names that somebody may own, and none.
const OF_SOMEBODY: [&str; 4] = [
    "evil.example",
    "rebound.evil.example:8000",
    "127.0.0.1.evil.example",
    "",
];
/// Names by which programs call this machine.
const OF_NOBODY: [&str; 5] = [
    "localhost",
    "LOCALHOST:8000",
    "127.0.0.1:8000",
    "[::1]:8000",
    "host.docker.internal:8000",
];

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// Returns the error of DynamoDB that it is.
    fn error(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert!(body["message"].as_str().unwrap().contains("web page"));
        body["__type"].as_str().unwrap().to_owned()
    }

    fn assert_no_page_reads_it(&self) {
        let mut names = self.headers.keys().map(HeaderName::as_str);
        assert!(!names.any(|name| name.starts_with("access-control-")));
    }
}

/// Sends a request with these headers, which replace those that the client would add.
async fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        Body::from(body.to_string())
    };
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(body).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// Returns the headers of a request to DynamoDB.
fn operation(target: &str) -> Vec<(&str, &str)> {
    let signed = "AWS4-HMAC-SHA256 Credential=any/20270115/local/dynamodb/aws4_request, \
                  SignedHeaders=host;x-amz-date, Signature=0";
    vec![
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", target),
        ("x-amz-date", "20270115T080000Z"),
        ("authorization", signed),
    ]
}

#[tokio::test]
async fn no_page_reads_or_writes_the_tables() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let url = app.local.dynamodb_url.as_str();
    let scan = json!({"TableName": TABLE});
    let item = json!({"pk": {"S": "of a page"}, "sk": {"S": "of a page"}});
    let put = json!({"TableName": TABLE, "Item": item});
    let requests = [
        ("DynamoDB_20120810.Scan", &scan),
        ("DynamoDB_20120810.PutItem", &put),
    ];
    let pages = OF_A_PAGE.iter().map(|page| (page.to_vec(), 403));
    let names = OF_SOMEBODY.iter().map(|name| (vec![("host", *name)], 421));
    for (page, status) in pages.chain(names) {
        for (target, body) in requests {
            let headers = [operation(target), page.clone()].concat();
            let answer = ask("POST", url, &headers, body).await;
            assert_eq!(answer.status, status, "{page:?}: {}", answer.body);
            assert_eq!(
                answer.error(),
                "com.amazon.coral.service#AccessDeniedException"
            );
            answer.assert_no_page_reads_it();
        }
        let answer = ask("GET", url, &page, &Value::Null).await;
        assert_eq!(answer.status, status, "{page:?}: {}", answer.body);
        answer.assert_no_page_reads_it();
    }
    let stored = app
        .dynamodb()
        .scan()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let mut keys = stored.items().iter().map(|item| item["pk"].as_s().unwrap());
    assert!(keys.all(|pk| pk != "of a page"));
}

#[tokio::test]
async fn no_page_is_told_that_it_may_call_dynamodb_or_ses() {
    let app = App::start().await;
    for url in [
        app.local.dynamodb_url.clone(),
        format!("{}/v2/email/outbound-emails", app.local.mailbox.url),
    ] {
        for origin in ["https://evil.example", "http://localhost:5173", "null"] {
            let preflight = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                (
                    "access-control-request-headers",
                    "authorization,x-amz-target",
                ),
            ];
            let answer = ask("OPTIONS", &url, &preflight, &Value::Null).await;
            assert_eq!(answer.status, 403, "{url} {origin}: {}", answer.body);
            answer.assert_no_page_reads_it();
        }
    }
}

#[tokio::test]
async fn programs_reach_the_tables_with_any_credentials() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let url = app.local.dynamodb_url.as_str();
    for host in OF_NOBODY {
        let headers = [operation("DynamoDB_20120810.Scan"), vec![("host", host)]].concat();
        let answer = ask("POST", url, &headers, &json!({"TableName": TABLE})).await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.body);
        let found: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(found["Count"].as_u64().unwrap() > 0, "{host}");
        answer.assert_no_page_reads_it();
        // Which the SDK compares with the body.
        assert!(answer.headers.contains_key("x-amz-crc32"), "{host}");
    }
    // What a person opens in a browser.
    let opened = [("sec-fetch-site", "none")];
    let answer = ask("GET", url, &opened, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // What DynamoDB itself refuses is refused as before.
    let headers = operation("DynamoDB_20120810.Unknown");
    let answer = ask("POST", url, &headers, &json!({})).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("UnknownOperationException"));
    let answer = ask(
        "POST",
        url,
        &[("x-amz-target", "DynamoDB_20120810.Scan")],
        &json!({}),
    )
    .await;
    assert_eq!(answer.status, 404, "{}", answer.body);
}

#[tokio::test]
async fn a_connection_carries_requests_of_all_sizes_until_one_is_refused() {
    let app = App::start().await;
    let url = app.local.dynamodb_url.as_str();
    let authority = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let mut send = async |octets: usize, page: &str| {
        let body = json!({"TableName": TABLE, "Note": "x".repeat(octets)}).to_string();
        let mut head = format!("POST / HTTP/1.1\r\nhost: {authority}\r\n{page}");
        for (name, value) in operation("DynamoDB_20120810.Scan") {
            head += &format!("{name}: {value}\r\n");
        }
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
        String::from_utf8(answer).unwrap()
    };
    for octets in [0, 1_000_000, 1, 100_000] {
        let answer = send(octets, "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{octets}: {answer}");
    }
    let answer = send(1_000_000, "origin: https://evil.example\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn no_page_sends_mail() {
    let app = App::start().await;
    let url = format!("{}/v2/email/outbound-emails", app.local.mailbox.url);
    let signed = "AWS4-HMAC-SHA256 Credential=local/20270115/local/ses/aws4_request, Signature=0";
    let request = mail_request("ada@example.com", "Hi");
    let pages = OF_A_PAGE.iter().map(|page| (page.to_vec(), 403));
    let names = OF_SOMEBODY.iter().map(|name| (vec![("host", *name)], 421));
    for (page, status) in pages.chain(names) {
        let headers = [vec![("authorization", signed)], page.clone()].concat();
        let answer = ask("POST", &url, &headers, &request).await;
        assert_eq!(answer.status, status, "{page:?}: {}", answer.body);
        assert_eq!(answer.headers["x-amzn-errortype"], "AccessDeniedException");
        answer.assert_no_page_reads_it();
    }
    assert!(app.local.mailbox.mails().is_empty());
    for host in OF_NOBODY {
        let headers = [("authorization", signed), ("host", host)];
        let answer = ask("POST", &url, &headers, &request).await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_page_of_another_site_does_not_read_mails_even_if_it_may_call_the_api() {
    let origin = "https://app.example.com";
    let app = App::with(&[("CorsOrigins", origin)]).await;
    send(&app.local, &mail_request("ada@example.com", "Hi")).await;
    let id = app.local.mailbox.mails()[0].id.clone();
    for path in [
        "/mailbox".to_owned(),
        "/mailbox/latest".to_owned(),
        format!("/mailbox/{id}"),
        format!("/mailbox/{id}/html"),
        format!("/mailbox/{id}/source"),
    ] {
        let url = format!("{}{path}", app.local.url);
        let answer = ask("GET", &url, &[("origin", origin)], &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.assert_no_page_reads_it();
        // There is nothing to change either.
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = ask(method, &url, &[("origin", origin)], &Value::Null).await;
            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
    assert_eq!(app.local.mailbox.mails().len(), 1);
}

/// The server that is behind the guard listens at a port of its own, for each connection anew.
#[cfg(target_os = "linux")]
#[test]
fn no_port_stays_open_behind_the_guard() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::{Command, Stdio};

    let mut latchkey = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(["--ephemeral", "--port", "0", "--dynamodb-port", "0"])
        .args(["--mail-port", "0", "--data-dir"])
        .arg(folder("web-pages"))
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(latchkey.stdout.as_mut().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let line = lines.find(|line| line.contains("  DynamoDB ")).unwrap();
    let (_, authority) = line.split_once("http://").unwrap();
    let authority = authority.split(',').next().unwrap();

    let process = format!("/proc/{}", latchkey.id());
    let listening = || {
        let sockets = std::fs::read_dir(format!("{process}/fd")).unwrap();
        let sockets = sockets.filter_map(|socket| std::fs::read_link(socket.ok()?.path()).ok());
        let ours: Vec<_> = sockets.map(|socket| socket.display().to_string()).collect();
        let table = std::fs::read_to_string(format!("{process}/net/tcp")).unwrap();
        let rows = table
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        let listening = rows.filter(|row| row[3] == "0A");
        let of_ours = listening.filter(|row| ours.contains(&format!("socket:[{}]", row[9])));
        of_ours.map(|row| row[1].to_owned()).collect::<Vec<_>>()
    };
    let before = listening();
    let open: Vec<_> = std::iter::repeat_with(|| {
        let mut stream = std::net::TcpStream::connect(authority).unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        stream
    })
    .take(3)
    .collect();
    let after = listening();
    drop(open);
    latchkey.kill().unwrap();
    latchkey.wait().unwrap();
    assert_eq!(after.len(), 3, "the gateway, DynamoDB and SES");
    assert_eq!(before, after);
}
