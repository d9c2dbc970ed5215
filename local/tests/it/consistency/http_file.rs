//! Parses docs/latchkey.http and sends its requests, as an editor does.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::Value;

use crate::support::app::{Answer, App, root};
use crate::support::openapi::described;

/// A request of the file, with its variables.
struct Request<'a> {
    name: &'a str,
    method: &'a str,
    url: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

/// A named request with its answer.
struct Exchange {
    sent: String,
    answer: Answer,
}

fn file() -> String {
    std::fs::read_to_string(root().join("docs/latchkey.http")).unwrap()
}

fn parse(text: &str) -> (BTreeMap<&str, &str>, Vec<Request<'_>>) {
    let mut parts = text.split("\n###");
    let variables = parts.next().unwrap().lines();
    let variables = variables.filter_map(|line| line.strip_prefix('@')?.split_once(" = "));
    let requests = parts.map(|part| {
        let (head, body) = part.split_once("\n\n").unwrap_or((part, ""));
        // The text after the delimiter is the request's title.
        let mut lines = head.trim_end().lines().skip(1);
        let name = lines.next().unwrap().strip_prefix("# @name ").unwrap();
        let (method, url) = lines.next().unwrap().split_once(' ').unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Request {
            name,
            method,
            url,
            headers: headers.collect(),
            body,
        }
    });
    (variables.collect(), requests.collect())
}

/// Returns a text with its variables replaced.
fn filled(
    text: &str,
    of_file: &BTreeMap<&str, &str>,
    exchanges: &BTreeMap<&str, Exchange>,
) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (variable, after) = after.split_once("}}").unwrap();
        filled.push_str(before);
        match of_file.get(variable) {
            Some(value) => filled.push_str(value),
            None => filled.push_str(&from_exchange(variable, exchanges)),
        }
        rest = after;
    }
    filled + rest
}

/// Evaluates `name.(request|response).(body.JSONPATH|headers.NAME)`.
fn from_exchange(variable: &str, exchanges: &BTreeMap<&str, Exchange>) -> String {
    let parts: Vec<_> = variable.splitn(4, '.').collect();
    let [name, message, place, rest] = parts.as_slice() else {
        panic!("{variable}");
    };
    let exchange = exchanges
        .get(name)
        .unwrap_or_else(|| panic!("{variable} comes later"));
    match (*message, *place) {
        ("response", "headers") => exchange.answer.header(rest).to_owned(),
        ("response" | "request", "body") => {
            let body: Value = match *message {
                "response" => exchange.answer.json(),
                _ => serde_json::from_str(&exchange.sent).unwrap(),
            };
            let pointer = rest.strip_prefix('$').unwrap();
            let pointer = pointer.replace(['.', '['], "/").replace(']', "");
            let value = body.pointer(&pointer).and_then(Value::as_str);
            value
                .unwrap_or_else(|| panic!("no {variable} in {body}"))
                .to_owned()
        }
        _ => panic!("{variable}"),
    }
}

#[tokio::test]
async fn every_request_of_the_file_succeeds_from_top_to_bottom() {
    let text = file();
    let (of_file, requests) = parse(&text);
    let host = of_file["host"];
    assert_eq!(host, "http://127.0.0.1:3000");
    let operations: BTreeSet<_> = described().operations().map(|o| o.id()).collect();
    let names: BTreeSet<_> = requests.iter().map(|request| request.name).collect();
    assert!(names.is_subset(&operations), "{names:?}");

    let app = App::with_mail().await;
    let mut exchanges = BTreeMap::new();
    for request in requests {
        let fill = |text: &str| filled(text, &of_file, &exchanges);
        let method: Method = request.method.parse().unwrap();
        let url = fill(request.url);
        let mut call = app.call(method, url.strip_prefix(host).unwrap());
        for (name, value) in request.headers {
            call = call.with(name.parse().unwrap(), fill(value).parse().unwrap());
        }
        let sent = fill(request.body);
        let answer = call.body(sent.clone()).send().await;
        assert!(answer.status.is_success(), "{}: {answer:?}", request.name);
        exchanges.insert(request.name, Exchange { sent, answer });
    }
    assert!(
        app.items().await.is_empty(),
        "the account is deleted at the end"
    );
}
