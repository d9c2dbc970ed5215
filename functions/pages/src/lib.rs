//! `GET /pages/{file}`: the pages that links in mails lead to, with their style and their script.
//!
//! A GET changes nothing, since scanners of mail open every link. The secret is in the fragment of
//! the link, which no browser sends: a page has a button, and its script posts the secret to the
//! same API that everybody else uses. This function needs no permission and knows no secret.

use std::fmt::{self, Write as _};

use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use lambda_http::http::{HeaderName, HeaderValue, Method};
use lambda_http::{Body, Request, RequestExt as _, Response};
use shared::http::{Handler, Preconditions, Problem, etag};
use shared::platform::settings::PASSWORD_MIN_LENGTH;
use shared::platform::{ConfigError, Env};

/// The headers of every file. The page may load from and connect to this host only, no page may
/// frame it or open it as its own, and no request of it tells where it came from.
const HEADERS: [(HeaderName, &str); 5] = [
    // A person opens a page once, so a cache saves nothing; one that keeps the script of an earlier
    // version breaks the page.
    (CACHE_CONTROL, "no-cache"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

const PAGE: &str = include_str!("../assets/page.html");
const STYLE: &str = include_str!("../assets/pages.css");
const SCRIPT: &str = include_str!("../assets/pages.js");

/// The pages: the last part of the path, the member of the password in the body, and what a password
/// manager may offer.
const PAGES: [(&str, &str, &str); 4] = [
    ("reset", "new_password", "new-password"),
    ("verify", "password", "current-password"),
    ("email-change", "password", "current-password"),
    ("register", "password", "current-password"),
];

/// A text as it must be written in HTML, in elements and in quoted attributes.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Serves the pages.
pub struct Pages {
    /// None if the deployment sends no mail.
    files: Vec<File>,
}

/// A file, with the last part of its path.
struct File {
    name: &'static str,
    content_type: &'static str,
    text: String,
    tag: String,
}

impl Pages {
    /// Reads `MAIL_FROM`, `APP_NAME` and `PASSWORD_MIN_LENGTH`. Without the first, no mail leads
    /// to a page, and there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the last is not a number in its range.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let least = env.setting(&PASSWORD_MIN_LENGTH)?.to_string();
        let app = env.optional("APP_NAME").unwrap_or("Latchkey".to_owned());
        let app = Escaped(&app).to_string();
        if env.optional("MAIL_FROM").is_none() {
            return Ok(Self { files: Vec::new() });
        }
        let pages = PAGES.into_iter().map(|(name, member, autocomplete)| {
            let page = PAGE.replace("{{page}}", name);
            let page = page.replace("{{member}}", member);
            let page = page.replace("{{autocomplete}}", autocomplete);
            let is_new = autocomplete == "new-password";
            // A password that is there already may be of an earlier policy.
            let page = page.replace("{{least}}", if is_new { &least } else { "1" });
            // The last, since a name may have braces.
            File::new(
                name,
                "text/html; charset=utf-8",
                page.replace("{{app}}", &app),
            )
        });
        let assets = [
            File::new("pages.css", "text/css; charset=utf-8", STYLE.to_owned()),
            File::new(
                "pages.js",
                "text/javascript; charset=utf-8",
                SCRIPT.to_owned(),
            ),
        ];
        Ok(Self {
            files: pages.chain(assets).collect(),
        })
    }
}

impl File {
    fn new(name: &'static str, content_type: &'static str, text: String) -> Self {
        Self {
            name,
            content_type,
            tag: etag::of_document(&text),
            text,
        }
    }

    fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.text.as_str()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Handler for Pages {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if *request.method() != Method::GET {
            return Err(Problem::MethodNotAllowed { allow: "GET" });
        }
        let name = request
            .path_parameters_ref()
            .and_then(|given| given.first("file"));
        let file = self.files.iter().find(|file| Some(file.name) == name);
        let file = file.ok_or(Problem::NotFound)?;
        Preconditions::of(&request).answer(file.response(), &file.tag)
    }
}
