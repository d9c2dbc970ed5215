//! `GET /pages/{file}`. .ci/clients/pages.test.mjs opens the pages in a browser.

use std::collections::BTreeMap;

use serde_json::json;
use shared::platform::config::Env;

use crate::support::app::{App, bare_event};

const PAGES: [&str; 4] = ["reset", "verify", "email-change", "register"];
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

#[tokio::test]
async fn a_page_is_html_under_a_policy_that_trusts_its_own_host_alone() {
    let app = App::start().await;
    let types = [("pages.css", "text/css"), ("pages.js", "text/javascript")];
    let pages = PAGES.map(|name| (name, "text/html"));
    for (name, media_type) in pages.into_iter().chain(types) {
        let answer = app.get(&format!("/pages/{name}")).send().await.expect(200);
        for (header, value) in [
            ("content-type", &*format!("{media_type}; charset=utf-8")),
            ("content-security-policy", POLICY),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(answer.header(header), value, "{header} of {name}");
        }
        let etag = answer.header("etag").to_owned();
        let again = app.get(&format!("/pages/{name}"));
        let again = again.header("if-none-match", &etag).send().await;
        assert_eq!(again.expect(304).body, "", "{name}");
    }
}

#[tokio::test]
async fn a_page_loads_nothing_inline_and_nothing_from_elsewhere() {
    let app = App::start().await;
    for name in PAGES {
        let html = app.get(&format!("/pages/{name}")).send().await.expect(200);
        let html = html.body;
        assert!(!html.contains("{{") && !html.contains("<!-- "), "{html}");
        let sources = html.split(" src=\"").chain(html.split(" href=\""));
        let sources = sources.filter(|rest| !rest.starts_with('<'));
        let sources: Vec<_> = sources.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(sources, ["pages.js", "data:,", "pages.css"], "{html}");
        for inline in [" style=", " onclick=", " onload=", "<style", "javascript:"] {
            assert!(!html.contains(inline), "{html}");
        }
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        // Each asks for a password.
        assert_eq!(html.matches("type=\"password\"").count(), 1, "{html}");
    }
    let script = app.get("/pages/pages.js").send().await.expect(200).body;
    for risky in [
        "innerHTML",
        "eval(",
        "localStorage",
        "sessionStorage",
        "cookie",
    ] {
        assert!(!script.contains(risky), "{risky}");
    }
    assert!(!script.contains("://"), "it calls its own host only");
}

#[tokio::test]
async fn the_new_password_s_field_says_how_long_it_must_be() {
    let app = App::with(&[("PasswordMinLength", "20")]).await;
    let html = app.get("/pages/reset").send().await.expect(200).body;
    assert!(html.contains("minlength=\"20\""), "{html}");
    assert!(html.contains("autocomplete=\"new-password\""), "{html}");
    assert!(html.contains("name=\"new_password\""), "{html}");
    for name in ["verify", "email-change", "register"] {
        let html = app.get(&format!("/pages/{name}")).send().await.expect(200);
        let html = html.body;
        assert!(html.contains("name=\"password\""), "{html}");
        assert!(html.contains("autocomplete=\"current-password\""), "{html}");
        assert!(html.contains("minlength=\"1\""), "{html}");
    }
}

#[tokio::test]
async fn getting_every_page_with_whatever_changes_nothing() {
    let app = App::start().await;
    app.user("ada@example.com").await;
    let before = app.items().await;
    for name in PAGES {
        for query in [
            "",
            "?token=lkm_AAAA",
            "?lkm_AAAA",
            "?token=lkm_AAAA&confirm=1",
        ] {
            let page = app.get(&format!("/pages/{name}{query}"));
            let page = page.send().await.expect(200);
            assert!(!page.body.contains("lkm_A"), "{}", page.body);
        }
    }
    assert_eq!(app.items().await, before);
}

#[tokio::test]
async fn there_are_no_other_pages() {
    let app = App::start().await;
    for path in [
        "/pages",
        "/pages/",
        "/pages/nothing",
        "/pages/Reset",
        "/pages/reset/",
        "/pages/reset/x",
        "/pages/page.html",
        "/pages/..%2Freset",
        "/pages/%2e%2e",
        "/pages/reset%00",
    ] {
        app.get(path).send().await.expect(404);
    }
    for method in ["POST", "PUT", "DELETE", "HEAD"] {
        let call = app.call(method.parse().unwrap(), "/pages/reset");
        call.send().await.expect(404);
    }
    let mut event = bare_event(None);
    event["pathParameters"] = json!({"file": "reset"});
    event["requestContext"]["http"]["method"] = "POST".into();
    let answer = app.local.functions.invoke("pages", event).await.unwrap();
    assert_eq!(answer["statusCode"], 405);
}

#[tokio::test]
async fn without_mail_there_are_no_pages() {
    let app = App::with(&[("MailFrom", "")]).await;
    for name in PAGES.into_iter().chain(["pages.css", "pages.js"]) {
        let answer = app.get(&format!("/pages/{name}")).send().await.expect(404);
        assert_eq!(answer.json()["code"], "not-found", "{name}");
    }
}

#[tokio::test]
async fn the_name_of_the_application_is_text_whatever_it_is() {
    let hostile = "<b> & \"Co\" </title><script>alert('{{page}}')</script>";
    let html = page_of(hostile, "reset").await;
    let written = "&lt;b&gt; &amp; &quot;Co&quot; &lt;/title&gt;&lt;script&gt;alert(&#39;{{page}}&#39;)\
                   &lt;/script&gt;";
    assert_eq!(html.matches(written).count(), 3, "{html}");
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(
        html.contains("<html lang=\"en\" data-page=\"reset\">"),
        "{html}"
    );
    let html = page_of("Gärtnerei Öl & Söhne", "verify").await;
    assert!(
        html.contains("<title>Gärtnerei Öl &amp; Söhne</title>"),
        "{html}"
    );
}

/// Returns a page of an application with this name, which may be one that the template refuses.
async fn page_of(app_name: &str, page: &str) -> String {
    let variables = BTreeMap::from([
        ("MAIL_FROM", "no-reply@latchkey.example"),
        ("APP_NAME", app_name),
    ]);
    let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let mut functions = local::functions::Functions::default();
    let clock = shared::platform::clock::Clock::System;
    let added = functions.add("pages", &Env::new(&lookup), &clock);
    assert!(added.unwrap());
    let mut event = bare_event(None);
    event["pathParameters"] = json!({"file": page});
    let answer = functions.invoke("pages", event).await.unwrap();
    answer["body"].as_str().unwrap().to_owned()
}
