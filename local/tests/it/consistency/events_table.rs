//! The rows of the event table: one for each event of the log that is stored, and nothing in them
//! that is personal or secret beyond the client's address and user agent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::{HeaderValue, Method};
use serde_json::{Value, json};
use shared::domain::{Email, Purpose};
use shared::observe::audit::{AuditEvent, Kept};

use super::items::rows_of;
use crate::support::app::{App, BEGINNING, PASSWORD, claims, logged_events, root, text};
use crate::support::links::{MAIL, NO_MAIL};

const ADA: &str = "ada@example.com";
const WRONG: &str = "not the password";
const NEW: &str = "another good password";

type Row = BTreeMap<String, AttributeValue>;

fn of(row: &Row, name: &str) -> Option<String> {
    row.get(name).map(|value| value.as_s().unwrap().clone())
}

fn at_address(email: &str) -> String {
    format!("EMAIL#{}", Email::parse(email).unwrap().fingerprint())
}

/// Returns whether the function `mailer` causes the event, when it sends: no call has it as its
/// outcome.
fn is_of_mailer(name: &str) -> bool {
    name.starts_with("mail_")
}

/// What a row and a line of the log say alike.
type Told = (String, String, [Option<String>; 4]);

/// The rows that a test has seen, and the events that it has caused.
struct Watch<'a> {
    app: &'a App,
    seen: BTreeSet<String>,
    caused: BTreeSet<String>,
}

impl Watch<'_> {
    /// Compares the lines since the last call with the rows since the last call. `email` is the
    /// address of what was asked.
    async fn compare(&mut self, email: &str) {
        let mut lines = logged_events();
        lines.retain(|line| !is_of_mailer(&text(line, "event")));
        assert!(!lines.is_empty());
        let mut expected: Vec<Told> = Vec::new();
        for line in &lines {
            let name = text(line, "event");
            let event = AuditEvent::ALL.into_iter().find(|it| it.name() == name);
            let field = |name| line.get(name).and_then(Value::as_str).map(str::to_owned);
            let user = field("user_id").map(|id| format!("USER#{id}"));
            let subject = match event.unwrap().kept() {
                Kept::InLogOnly => None,
                Kept::UnderAccount => Some(user.unwrap()),
                Kept::UnderAddress => Some(at_address(email)),
                // Of the account's token, or of an operator.
                Kept::UnderEither if field("session_id").or(field("actor")).is_some() => {
                    Some(user.unwrap())
                }
                Kept::UnderEither => Some(at_address(email)),
            };
            if let Some(subject) = subject {
                let fields = ["session_id", "reason", "by", "actor"].map(field);
                expected.push((subject, name.clone(), fields));
            }
            self.caused.insert(name);
        }
        let mut rows = self.app.events().await;
        rows.retain(|row| self.seen.insert(of(row, "sk").unwrap()));
        rows.retain(|row| !is_of_mailer(&of(row, "event").unwrap()));
        let told = |row: &Row| {
            let fields = ["session_id", "reason", "by", "actor"].map(|name| of(row, name));
            (of(row, "pk").unwrap(), of(row, "event").unwrap(), fields)
        };
        let mut rows: Vec<Told> = rows.iter().map(told).collect();
        rows.sort();
        expected.sort();
        assert_eq!(rows, expected);
    }
}

/// Causes every event, and compares rows and lines after each call.
async fn cause_all(app: &App) -> BTreeSet<String> {
    logged_events();
    let mut watch = Watch {
        app,
        seen: BTreeSet::new(),
        caused: BTreeSet::new(),
    };
    let ada = app.user(ADA).await;
    watch.compare(ADA).await;
    app.register(ADA).await.expect(409);
    watch.compare(ADA).await;
    app.login(ADA, WRONG).await.expect(401);
    watch.compare(ADA).await;
    for _ in 0..3 {
        app.login("eve@example.com", WRONG).await.expect(401);
        watch.compare("eve@example.com").await;
    }
    app.login("eve@example.com", WRONG).await.expect(429);
    watch.compare("eve@example.com").await;
    app.get("/profile").bearer("a.b.c").send().await.expect(403);
    watch.compare(ADA).await;

    let change = |current: &str| {
        let body = json!({"current_password": current, "new_password": NEW});
        ada.post("/password/change", body)
    };
    for _ in 0..3 {
        change(WRONG).send().await.expect(403);
        watch.compare(ADA).await;
    }
    // In the session.
    change(WRONG).send().await.expect(429);
    watch.compare(ADA).await;
    app.clock.advance(Duration::from_secs(60));
    change(PASSWORD).send().await.expect(200);
    watch.compare(ADA).await;

    let login = async || app.login(ADA, NEW).await.expect(200).json();
    let refresh_token = text(&login().await, "refresh_token");
    watch.compare(ADA).await;
    let next = app.refresh(&refresh_token).await.expect(200).json();
    app.refresh(&refresh_token).await.expect(200);
    watch.compare(ADA).await;
    app.clock.advance(Duration::from_secs(60));
    let elsewhere = json!({ "refresh_token": refresh_token });
    let repeat = app.post("/refresh", elsewhere).from("198.51.100.1");
    repeat.send().await.expect(200);
    watch.compare(ADA).await;
    let next = text(&next, "refresh_token");
    app.refresh(&next).await.expect(200);
    app.refresh(&refresh_token).await.expect(401);
    watch.compare(ADA).await;

    let tokens = login().await;
    watch.compare(ADA).await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    app.post("/logout", body).send().await.expect(204);
    watch.compare(ADA).await;
    let (token, other) = (text(&login().await, "access_token"), login().await);
    watch.compare(ADA).await;
    let sid = text(&claims(&text(&other, "access_token")), "sid");
    let bearer = |method, path: &str| app.call(method, path).bearer(&token);
    bearer(Method::DELETE, &format!("/sessions/{sid}"))
        .send()
        .await
        .expect(204);
    watch.compare(ADA).await;
    for path in ["/sessions?others=true", "/sessions"] {
        bearer(Method::DELETE, path).send().await.expect(204);
        watch.compare(ADA).await;
    }
    let delete = bearer(Method::DELETE, "/profile").json(json!({ "password": NEW }));
    delete.send().await.expect(204);
    watch.compare(ADA).await;
    watch.caused
}

/// Causes every event of links, and compares rows and lines after each call. The addresses are those
/// of [`cause_all`].
async fn cause_links(app: &App) -> BTreeSet<String> {
    const MOVED: &str = "ada.king@example.com";
    logged_events();
    let mut watch = Watch {
        app,
        seen: BTreeSet::new(),
        caused: BTreeSet::new(),
    };
    app.register(ADA).await.expect(202);
    watch.compare(ADA).await;
    let token = app.mailed("registration").await.unwrap();
    let confirm = |password: &str| {
        let body = json!({"token": token, "password": password});
        app.post("/register/confirm", body).send()
    };
    for status in [403, 403, 403, 429] {
        confirm(WRONG).await.expect(status);
        watch.compare(ADA).await;
    }
    app.clock.advance(Duration::from_secs(60));
    let account = confirm(PASSWORD).await.expect(201).json();
    watch.compare(ADA).await;
    let login = app.login(ADA, PASSWORD).await.expect(200).json();
    watch.compare(ADA).await;

    let body = json!({"email": MOVED, "password": PASSWORD});
    let ask = app.post("/email/change", body);
    let ask = ask.bearer(&text(&login, "access_token")).send().await;
    ask.expect(202);
    watch.compare(ADA).await;
    let token = app.mailed("email_change").await.unwrap();
    for (password, status) in [(WRONG, 403), (PASSWORD, 204), (PASSWORD, 400)] {
        let body = json!({"token": token, "password": password});
        let moved = app.post("/email/change/confirm", body);
        moved.send().await.expect(status);
        watch.compare(ADA).await;
    }
    let body = json!({ "email": MOVED });
    for path in ["/email/verify/resend", "/password/forgot"] {
        app.post(path, body.clone()).send().await.expect(202);
        watch.compare(MOVED).await;
    }
    let id = text(&account, "id");
    let token = app.mint(&id, Purpose::EmailVerification).await;
    for (password, status) in [(WRONG, 403), (PASSWORD, 204)] {
        let body = json!({"token": token, "password": password});
        let verify = app.post("/email/verify", body);
        verify.send().await.expect(status);
        watch.compare(MOVED).await;
    }
    let token = app.mint(&id, Purpose::PasswordReset).await;
    let reset = json!({"token": token, "new_password": NEW});
    let reset = app.post("/password/reset", reset).send().await;
    reset.expect(204);
    watch.compare(MOVED).await;
    watch.caused
}

/// Causes every event of operators, and compares rows and lines after each call.
async fn cause_administration(app: &App) -> BTreeSet<String> {
    let admin = app.administrator("root@example.com").await;
    logged_events();
    let mut watch = Watch {
        app,
        seen: app
            .events()
            .await
            .iter()
            .map(|row| of(row, "sk").unwrap())
            .collect(),
        caused: BTreeSet::new(),
    };
    let invitation = json!({"email": "alan@example.com", "first_name": "Alan", "last_name": ""});
    let invited = admin.post("/admin/users", invitation).send().await;
    let path = format!("/admin/users/{}", text(&invited.expect(201).json(), "id"));
    watch.compare("alan@example.com").await;
    for patch in [
        json!({"last_name": "Turing"}),
        json!({"roles": ["editor"]}),
        json!({"claims": {"urn:example:plan": "gold"}}),
        json!({"status": "disabled"}),
        json!({"status": "active"}),
    ] {
        admin.patch(&path, patch).send().await.expect(200);
        watch.compare("alan@example.com").await;
    }
    let reset = admin.call(Method::POST, &format!("{path}/password-reset"));
    reset.send().await.expect(202);
    watch.compare("alan@example.com").await;
    for path in [format!("{path}/sessions"), path] {
        admin.delete(&path).send().await.expect(204);
        watch.compare("alan@example.com").await;
    }
    watch.caused
}

/// Starts the apps of [`cause_all`] and of [`cause_links`].
async fn apps() -> (App, App) {
    let attempts = ("LoginAttempts", "3");
    let app = App::with(&[attempts, ("RefreshRepeats", "1")]).await;
    let first = App::with(&[MAIL, attempts, ("EmailVerification", "first")]).await;
    (app, first)
}

#[tokio::test]
async fn every_event_is_in_the_table_where_the_list_says_and_says_what_its_line_says() {
    let (app, first) = apps().await;
    let mut caused = cause_all(&app).await;
    caused.extend(cause_links(&first).await);
    let administered = App::with_mail().await;
    caused.extend(cause_administration(&administered).await);
    let all = AuditEvent::ALL.map(|event| event.name().to_owned());
    let all = all.into_iter().filter(|name| !is_of_mailer(name));
    assert_eq!(caused, all.collect());
    // The page on the architecture lists the attributes.
    let mut there: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let of_apps = [&app, &first, &administered];
    let mut rows = Vec::new();
    for app in of_apps {
        rows.extend(app.events().await);
    }
    for row in rows {
        let pk = of(&row, "pk").unwrap();
        let prefix = format!("{}#", pk.split_once('#').unwrap().0);
        let names = row.into_keys().filter(|name| name != "pk" && name != "sk");
        let key = (prefix, "<event id>".to_owned());
        there.entry(key).or_default().extend(names);
    }
    assert_eq!(rows_of("### The event table"), there);
}

#[test]
fn the_operator_s_page_says_where_each_event_is_stored() {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    for event in AuditEvent::ALL {
        let row = format!("| `{}` |", event.name());
        let row = page.lines().find(|line| line.starts_with(&row)).unwrap();
        let kept = match event.kept() {
            Kept::InLogOnly => "none",
            Kept::UnderAccount => "account",
            Kept::UnderAddress => "address",
            Kept::UnderEither => "account or address",
        };
        assert!(row.ends_with(&format!(" | {kept} |")), "{row}: {kept}");
    }
}

#[tokio::test]
async fn no_row_holds_an_address_a_password_or_a_token() {
    let (app, first) = apps().await;
    cause_all(&app).await;
    cause_links(&first).await;
    let bob = app.user("bob@bücher.example").await;
    let rows = [app.events().await, first.events().await].concat();
    assert!(rows.len() > 20);
    for row in rows {
        let shown = format!("{row:?}").to_lowercase();
        for secret in [
            "example.com",
            "bücher",
            "xn--",
            "lkr_",
            "lkm_",
            "eyj",
            &PASSWORD.to_lowercase(),
            WRONG,
            NEW,
            "argon2",
            &bob.refresh_token.to_lowercase(),
        ] {
            assert!(!shown.contains(secret), "{secret}: {row:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_login_leaves_the_same_row_for_known_and_unknown_addresses() {
    let app = App::start().await;
    app.register(ADA).await.expect(201);
    let before = app.events().await.len();
    app.login(ADA, WRONG).await.expect(401);
    app.login("eve@example.com", WRONG).await.expect(401);
    let mut rows = app.events().await;
    assert_eq!(rows.len(), before + 2);
    rows.retain(|row| of(row, "event").unwrap() == "login_refused");
    let [one, other] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert!(one.keys().eq(other.keys()), "{one:?} {other:?}");
    for name in ["pk", "sk"] {
        assert_eq!(of(one, name).unwrap().len(), of(other, name).unwrap().len());
    }
    let keys = [ADA, "eve@example.com"].map(at_address);
    assert_eq!(
        BTreeSet::from(keys),
        rows.iter().map(|row| of(row, "pk").unwrap()).collect()
    );
}

/// Returns the stored events and the mails that they ask for.
async fn stored(app: &App) -> Vec<(String, Option<String>)> {
    let rows = app.events().await;
    let told = |row: &Row| (of(row, "event").unwrap(), of(row, "mail"));
    let mut told: Vec<_> = rows.iter().map(told).collect();
    told.sort();
    told
}

fn told(event: &str, mail: Option<&str>) -> (String, Option<String>) {
    (event.to_owned(), mail.map(str::to_owned))
}

/// Registers, logs in from there and twice from elsewhere, and changes the password.
async fn a_day(app: &App) {
    app.user(ADA).await;
    let body = json!({"email": ADA, "password": PASSWORD});
    for _ in 0..2 {
        let login = app.post("/login", body.clone()).from("198.51.100.1");
        login.send().await.expect(200);
    }
    let tokens = app.login(ADA, PASSWORD).await.expect(200).json();
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let change = app.post("/password/change", body);
    let change = change.bearer(&text(&tokens, "access_token"));
    change.send().await.expect(200);
}

#[tokio::test]
async fn events_are_stored_as_the_parameter_says_and_those_of_mails_always() {
    let new_source = || told("logged_in", Some("new_source"));
    let changed = |mail| told("password_changed", mail);
    let by_mail = changed(Some("password_changed"));
    let (login, opened) = (told("logged_in", None), told("registered", None));
    let ended = told("sessions_ended", None);
    for (events, mail, expected) in [
        ("none", None, vec![]),
        (
            "security",
            None,
            vec![changed(None), opened.clone(), ended.clone()],
        ),
        ("none", Some(MAIL), vec![new_source(), by_mail.clone()]),
        (
            "security",
            Some(MAIL),
            vec![new_source(), by_mail.clone(), opened.clone(), ended.clone()],
        ),
        (
            "all",
            Some(MAIL),
            vec![
                login.clone(),
                login.clone(),
                login.clone(),
                new_source(),
                by_mail,
                opened.clone(),
                ended.clone(),
            ],
        ),
        (
            "all",
            None,
            vec![
                login.clone(),
                login.clone(),
                login.clone(),
                login,
                changed(None),
                opened,
                ended,
            ],
        ),
    ] {
        let parameters: Vec<_> = [("Events", events), mail.unwrap_or(NO_MAIL)].into();
        let app = App::with(&parameters).await;
        a_day(&app).await;
        assert_eq!(stored(&app).await, expected, "{events} {mail:?}");
    }
}

#[tokio::test]
async fn an_owner_is_told_of_a_login_from_a_new_source_unless_notices_are_off() {
    let app = App::with(&[("MailFrom", "accounts@example.com")]).await;
    app.register(ADA).await.expect(201);
    let mails = async |ip: &str| {
        let before = stored(&app).await.len();
        let body = json!({"email": ADA, "password": PASSWORD});
        let login = app.post("/login", body).from(ip).send().await;
        login.expect(200);
        assert_eq!(stored(&app).await.len(), before + 1);
        let is_notice = |(_, mail): &(_, Option<String>)| mail.as_deref() == Some("new_source");
        stored(&app).await.into_iter().filter(is_notice).count()
    };
    assert_eq!(mails("203.0.113.7").await, 0, "it registered from here");
    assert_eq!(mails("198.51.100.1").await, 1);
    assert_eq!(mails("198.51.100.1").await, 1, "it is known now");
    assert_eq!(mails("2001:db8::1").await, 2);
    assert_eq!(mails("2001:db8::2").await, 2, "one network");
    app.clock.advance(Duration::from_secs(91 * 86_400));
    assert_eq!(mails("203.0.113.7").await, 3, "it is forgotten by now");

    let quiet = App::with(&[
        ("MailFrom", "accounts@example.com"),
        ("LoginNotices", "off"),
    ])
    .await;
    a_day(&quiet).await;
    let mails: Vec<_> = stored(&quiet).await;
    let mails: Vec<_> = mails.into_iter().filter_map(|(_, mail)| mail).collect();
    assert_eq!(mails, ["password_changed"]);
}

#[tokio::test]
async fn rows_expire_after_the_days_of_the_parameter() {
    for (days, parameters) in [(90, &[][..]), (3, &[("EventDays", "3")])] {
        let app = App::with(parameters).await;
        app.register(ADA).await.expect(201);
        app.login(ADA, WRONG).await.expect(401);
        for row in app.events().await {
            let expected = BEGINNING + days * 86_400;
            assert_eq!(row["expires_at"], AttributeValue::N(expected.to_string()));
        }
    }
}

#[tokio::test]
async fn the_events_of_an_account_outlive_it_until_they_expire() {
    let app = App::start().await;
    let ada = app.user(ADA).await;
    app.login(ADA, WRONG).await.expect(401);
    let before = app.events().await;
    let delete = ada.call(Method::DELETE, "/profile");
    delete
        .json(json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    assert!(app.items().await.is_empty());
    let after = app.events().await;
    assert!(before.iter().all(|row| after.contains(row)));
    assert_eq!(after.len(), before.len() + 2);
}

#[tokio::test]
async fn a_user_agent_is_stored_short_and_without_what_is_unsafe_to_print() {
    let app = App::start().await;
    app.register(ADA).await.expect(201);
    let agent = format!("a\u{202e}b\u{9b}c{}", "é".repeat(1000));
    let body = json!({"email": ADA, "password": WRONG});
    let login = app.post("/login", body);
    let agent = HeaderValue::from_bytes(agent.as_bytes()).unwrap();
    let login = login.with(axum::http::header::USER_AGENT, agent);
    login.send().await.expect(401);
    let rows = app.events().await;
    let row = rows
        .iter()
        .find(|row| of(row, "event").unwrap() == "login_refused");
    let stored = of(row.unwrap(), "user_agent").unwrap();
    assert!(stored.chars().count() <= 256, "{stored}");
    assert!(!stored.contains(['\u{202e}', '\u{9b}']), "{stored:?}");
}
