//! What others get to know: real calls, the events that they publish, and `/events` of `cargo run`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonschema::Validator;
use local::Local;
use serde_json::{Value, json};
use shared::domain::{Event, Origin, Purpose, UserId};
use shared::observe::AuditEvent;
use shared::platform::clock::Clock;
use tokio::time::timeout;

use crate::commands::aws::on_tables;
use crate::support::app::{App, PASSWORD, claims, options, root, text};
use crate::support::links::MAIL;
use crate::support::mails::settle;

const ADA: &str = "ada@example.com";
const NEW: &str = "another good password";
/// The addresses that the calls of these tests come from.
const IPS: [&str; 2] = ["203.0.113.7", "198.51.100.99"];

/// Returns the schemas of docs/events, by type.
fn schemas() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(root().join("docs/events")).unwrap();
    let read = files.map(|file| {
        let path = file.unwrap().path();
        let schema = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix(".json").unwrap().to_owned();
        (name, serde_json::from_str(&schema).unwrap())
    });
    read.collect()
}

/// The events that a test has seen on the bus.
struct Bus<'a> {
    app: &'a App,
    seen: usize,
    types: BTreeSet<String>,
}

impl<'a> Bus<'a> {
    fn of(app: &'a App) -> Self {
        Self {
            app,
            seen: 0,
            types: BTreeSet::new(),
        }
    }

    /// Returns the types of the events since the last call, after a check of each, and of its account.
    async fn expect(&mut self, account: &str, expected: &[&str]) -> Vec<Value> {
        settle(&self.app.local).await;
        let events = self.app.local.event_bus.events().split_off(self.seen);
        self.seen += events.len();
        let events: Vec<Value> = events.iter().map(|event| event.json.clone()).collect();
        let schemas = schemas();
        for event in &events {
            assert_eq!(event["source"], "latchkey");
            assert_eq!(event["resources"], json!([]));
            let detail = &event["detail"];
            let name = text(detail, "type");
            assert_eq!(event["detail-type"], name);
            // EventBridge has whole seconds.
            assert_eq!(
                event["time"].as_str().unwrap()[..19],
                text(detail, "time")[..19]
            );
            let schema = &schemas[&name];
            let validator = jsonschema::validator_for(schema).unwrap();
            assert_valid(&validator, detail);
            let described = schema["properties"]["data"]["properties"].as_object();
            for member in detail["data"].as_object().unwrap().keys() {
                assert!(described.unwrap().contains_key(member), "{name}: {member}");
            }
            assert_eq!(detail["subject"], account, "{detail}");
            // The examples are all that this version has.
            let by = &schema["properties"]["data"]["properties"]["by"]["examples"];
            if let Some(cause) = detail["data"].get("by") {
                let causes = by.as_array().unwrap();
                assert!(causes.contains(cause), "{name}: {cause}");
            }
            let shown = event.to_string().to_lowercase();
            for secret in IPS
                .into_iter()
                .chain(["@", "example.com", "firefox", "argon2"])
            {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            self.types.insert(name);
        }
        let mut types: Vec<_> = events.iter().map(|it| text(it, "detail-type")).collect();
        // Rows of one transaction are in no order.
        let mut expected: Vec<_> = expected.iter().map(|it| (*it).to_owned()).collect();
        types.sort();
        expected.sort();
        assert_eq!(types, expected);
        events
    }

    /// Does the same for what an operator did, of whom nothing is told, with these causes.
    async fn expect_of_operator(&mut self, account: &str, expected: &[&str], causes: &[&str]) {
        let events = self.expect(account, expected).await;
        for event in &events {
            assert_eq!(event["detail"]["data"]["actor"], "operator", "{event}");
            let shown = event.to_string();
            assert!(
                !shown.contains("arn:") && !shown.contains("grace"),
                "{shown}"
            );
        }
        let by = events
            .iter()
            .filter_map(|it| it["detail"]["data"]["by"].as_str());
        assert_eq!(by.collect::<Vec<_>>(), causes);
    }
}

#[track_caller]
fn assert_valid(validator: &Validator, detail: &Value) {
    let faults: Vec<_> = validator
        .iter_errors(detail)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:?}: {detail}");
}

/// Registers, logs in, and does everything that an owner can.
async fn a_life(app: &App, bus: &mut Bus<'_>) {
    let account = app.register(ADA).await.expect(201).json();
    let id = text(&account, "id");
    bus.expect(&id, &["account.registered"]).await;
    // What a stranger causes, or what is about an address, is not published.
    app.register(ADA).await.expect(409);
    app.login(ADA, NEW).await.expect(401);
    let asked = app.post("/password/forgot", json!({ "email": ADA }));
    asked.send().await.expect(202);
    bus.expect(&id, &[]).await;

    let login = async |password: &str| {
        let credentials = json!({"email": ADA, "password": password});
        let call = app.post("/login", credentials).from(IPS[1]);
        let call = call.header("user-agent", "Firefox/99");
        call.send().await.expect(200).json()
    };
    let tokens = login(PASSWORD).await;
    let token = text(&tokens, "access_token");
    let session = text(&claims(&token), "sid");
    let events = bus.expect(&id, &["session.started"]).await;
    assert_eq!(events[0]["detail"]["data"]["session_id"], session);

    let change = |current: &str| {
        let body = json!({"current_password": current, "new_password": NEW});
        app.post("/password/change", body).bearer(&token)
    };
    change("not the password").send().await.expect(403);
    bus.expect(&id, &["session.password_refused"]).await;
    app.clock.advance(Duration::from_secs(60));
    change(PASSWORD).send().await.expect(200);
    let changed = ["account.password_changed", "account.sessions_ended"];
    let events = bus.expect(&id, &changed).await;
    let ended = events.iter().find(|it| it["detail-type"] == changed[1]);
    let data = &ended.unwrap()["detail"]["data"];
    let expected = json!({"user_id": id, "by": "password_change", "actor": "owner"});
    assert_eq!(*data, expected);

    let reused = text(&login(NEW).await, "refresh_token");
    let next = app.refresh(&reused).await.expect(200).json();
    // A repeat, which bad networks cause: not published.
    app.refresh(&reused).await.expect(200);
    app.clock.advance(Duration::from_secs(60));
    app.refresh(&text(&next, "refresh_token")).await.expect(200);
    app.refresh(&reused).await.expect(401);
    let ended = ["session.started", "session.reuse_detected", "session.ended"];
    bus.expect(&id, &ended).await;
    let tokens = login(NEW).await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    app.post("/logout", body).send().await.expect(204);
    bus.expect(&id, &["session.started", "session.ended"]).await;

    let verified = app.mint(&id, Purpose::EmailVerification).await;
    let verify = app.post("/email/verify", json!({"token": verified, "password": NEW}));
    verify.send().await.expect(204);
    bus.expect(&id, &["account.email_verified"]).await;
    let token = text(&login(NEW).await, "access_token");
    let body = json!({"email": "ada.king@example.com", "password": NEW});
    let ask = app.post("/email/change", body).bearer(&token);
    ask.send().await.expect(202);
    let asked = ["session.started", "account.email_change_requested"];
    bus.expect(&id, &asked).await;
    let token_of_mail = app.mailed("email_change").await.unwrap();
    let moved = app.post(
        "/email/change/confirm",
        json!({"token": token_of_mail, "password": NEW}),
    );
    moved.send().await.expect(204);
    let moved = ["account.email_changed", "account.sessions_ended"];
    bus.expect(&id, &moved).await;
    let reset = app.mint(&id, Purpose::PasswordReset).await;
    let reset = json!({"token": reset, "new_password": PASSWORD});
    app.post("/password/reset", reset).send().await.expect(204);
    // It proves nothing that was not proven.
    let reset = ["account.password_reset", "account.sessions_ended"];
    bus.expect(&id, &reset).await;

    let credentials = json!({"email": "ada.king@example.com", "password": PASSWORD});
    let login = app.post("/login", credentials).send().await;
    let token = text(&login.expect(200).json(), "access_token");
    let delete = app.call(Method::DELETE, "/profile").bearer(&token);
    let delete = delete.json(json!({ "password": PASSWORD }));
    delete.send().await.expect(204);
    let ends = [
        "session.started",
        "account.deleted",
        "account.sessions_ended",
    ];
    bus.expect(&id, &ends).await;
}

/// Does everything that an administrator can, and with the command line what they cannot.
async fn administration(app: &App, bus: &mut Bus<'_>) {
    let root = app.administrator("root@example.com").await;
    let two = ["account.registered", "session.started", "session.started"];
    bus.expect(&root.id(), &two).await;
    let ada = app.user(ADA).await;
    let id = ada.id();
    bus.expect(&id, &["account.registered", "session.started"])
        .await;
    let alan = json!({"email": "alan@example.com", "first_name": "Alan", "last_name": ""});
    let alan = root.post("/admin/users", alan).send().await.expect(201);
    let alan = text(&alan.json(), "id");
    bus.expect_of_operator(&alan, &["account.invited"], &[])
        .await;
    let token = app.mailed("invitation").await.unwrap();
    let body = json!({"token": token, "new_password": NEW});
    app.post("/password/reset", body).send().await.expect(204);
    let first = ["account.password_reset", "account.email_verified"];
    let events = bus.expect(&alan, &first).await;
    let by = |event: &Value| event["detail"]["data"]["by"].clone();
    assert!(events.iter().any(|event| by(event) == "invitation"));

    let path = format!("/admin/users/{id}");
    let patch = async |body: Value| {
        root.patch(&path, body).send().await.expect(200);
    };
    patch(json!({
        "first_name": "Augusta", "roles": ["editor"], "claims": {"https://example.com/plan": "x"},
    }))
    .await;
    let changed = [
        "account.claims_changed",
        "account.profile_changed",
        "account.roles_changed",
    ];
    bus.expect_of_operator(&id, &changed, &[]).await;
    patch(json!({"status": "disabled"})).await;
    let disabled = ["account.disabled", "account.sessions_ended"];
    bus.expect_of_operator(&id, &disabled, &["disabling"]).await;
    patch(json!({"status": "active"})).await;
    bus.expect_of_operator(&id, &["account.enabled"], &[]).await;
    let sign_out = root.call(Method::DELETE, &format!("{path}/sessions"));
    sign_out.send().await.expect(204);
    bus.expect_of_operator(&id, &["account.sessions_ended"], &["operator"])
        .await;
    let asked = root.call(Method::POST, &format!("{path}/password-reset"));
    asked.send().await.expect(202);
    bus.expect(&id, &[]).await;
    let password = ["password", &*id, "--password-stdin"];
    on_tables(&app.local, &password, NEW).await.expect(0);
    let set = ["account.password_reset", "account.sessions_ended"];
    bus.expect_of_operator(&id, &set, &["password_reset"]).await;
    root.call(Method::DELETE, &path).send().await.expect(204);
    let deleted = ["account.deleted", "account.sessions_ended"];
    bus.expect_of_operator(&id, &deleted, &["deletion"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_event_is_published_as_its_schema_says_and_tells_nothing_personal() {
    let app = App::with(&[MAIL]).await;
    let mut bus = Bus::of(&app);
    a_life(&app, &mut bus).await;
    administration(&app, &mut bus).await;
    // What SES causes: the rows as the store writes them.
    let store = app.store();
    let user = UserId::new(app.clock_now() * 1000);
    for kind in AuditEvent::ALL {
        let Some(name) = kind.published() else {
            continue;
        };
        if bus.types.contains(name) {
            continue;
        }
        assert!(name.starts_with("account.mail_"), "no call causes {name}");
        let origin = Origin {
            device: Default::default(),
            millis: Clock::Manual(app.clock.clone()).millis(),
        };
        let entry = kind.of(user).by("password_reset");
        store
            .record([&Event::new(entry, user, &origin)])
            .await
            .unwrap();
        let events = bus.expect(&user.to_string(), &[name]).await;
        assert_eq!(events[0]["detail"]["data"]["actor"], "owner");
    }
    let all = AuditEvent::ALL.iter().filter_map(|kind| kind.published());
    assert_eq!(bus.types, all.map(str::to_owned).collect());
    assert_eq!(bus.types, schemas().into_keys().collect());
}

#[tokio::test]
async fn a_schema_refuses_what_is_not_of_its_type() {
    let app = App::start().await;
    let ada = app.user(ADA).await;
    settle(&app.local).await;
    let event = &app.local.event_bus.events()[1].json;
    assert_eq!(event["detail-type"], "session.started");
    let validator = jsonschema::validator_for(&schemas()["session.started"]).unwrap();
    let detail = &event["detail"];
    assert_valid(&validator, detail);
    assert_eq!(detail["source"], local::event_bus::SOURCE);
    assert_eq!(detail["data"]["user_id"], ada.id());
    for (member, value) in [
        ("type", json!("session.ended")),
        ("id", json!("1")),
        ("time", json!("yesterday")),
        ("subject", Value::Null),
        ("data", json!({"user_id": ada.id(), "actor": "owner"})),
        (
            "data",
            json!({"user_id": ada.id(), "session_id": ada.session_id()}),
        ),
    ] {
        let mut wrong = detail.clone();
        wrong[member] = value;
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
    // What a later version adds is valid.
    let mut later = detail.clone();
    later["data"]["of_a_later_version"] = json!(1);
    assert_valid(&validator, &later);
}

#[tokio::test]
async fn the_events_of_an_account_come_in_their_order() {
    let app = App::start().await;
    let names = ["one@example.com", "two@example.com", "three@example.com"];
    for name in names {
        app.register(name).await.expect(201);
    }
    for _ in 0..4 {
        for name in names {
            // Identifiers of one millisecond are in no order.
            app.clock.advance(Duration::from_millis(5));
            app.login(name, PASSWORD).await.expect(200);
        }
    }
    settle(&app.local).await;
    let mut by_account: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in app.local.event_bus.events() {
        let detail = &event.json["detail"];
        let ids = by_account.entry(text(detail, "subject")).or_default();
        ids.push(text(detail, "id"));
    }
    assert_eq!(by_account.len(), 3);
    for ids in by_account.values() {
        assert_eq!(ids.len(), 5);
        assert!(ids.is_sorted(), "{ids:?}");
    }
}

#[tokio::test]
async fn nothing_is_published_if_it_is_off_and_logins_are_not_if_they_have_no_rows() {
    let off = App::with(&[("PublishEvents", "off")]).await;
    off.user(ADA).await;
    settle(&off.local).await;
    assert!(off.local.event_bus.events().is_empty());
    assert_eq!(get(&off.local, "/events", &[]).await.0, 404);
    // Without rows `cargo run` does not switch it on, and a deployment that does is refused.
    let none = App::with(&[("Events", "none")]).await;
    assert_eq!(get(&none.local, "/events", &[]).await.0, 404);
    let mut refused = options();
    for (name, value) in [("Events", "none"), ("PublishEvents", "on")] {
        refused.parameters.insert(name.to_owned(), value.to_owned());
    }
    let error = Local::start(refused).await.err().unwrap().to_string();
    assert!(error.contains("PublishEvents"), "{error}");

    let security = App::with(&[("Events", "security"), ("LoginNotices", "off")]).await;
    security.user(ADA).await;
    settle(&security.local).await;
    let events = security.local.event_bus.events();
    let types: Vec<_> = events.iter().map(|it| &it.json["detail-type"]).collect();
    assert_eq!(types, ["account.registered"]);
}

type Answered = (u16, HeaderMap, Body);

/// Asks the gateway, over a socket.
async fn get(local: &Local, path: &str, headers: &[(&str, &str)]) -> Answered {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::get(format!("{}{path}", local.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = client.request(request.body(Body::empty()).unwrap());
    let (head, body) = answer.await.unwrap().into_parts();
    (head.status.as_u16(), head.headers, Body::new(body))
}

/// Reads the stream until it has had `count` events. Returns their ids and data.
async fn read(body: &mut Body, count: usize) -> Vec<(String, Value)> {
    let mut text = String::new();
    while text.matches("\ndata: ").count() < count || !text.ends_with("\n\n") {
        let frame = timeout(Duration::from_secs(30), body.frame()).await;
        let frame = frame.unwrap().unwrap().unwrap().into_data().unwrap();
        text.push_str(std::str::from_utf8(&frame).unwrap());
    }
    let blocks = text
        .split("\n\n")
        .filter(|it| !it.is_empty() && !it.starts_with(':'));
    let events = blocks.map(|block| {
        let (id, data) = block.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        let id = id.strip_prefix("id: ").unwrap();
        (id.to_owned(), serde_json::from_str(data).unwrap())
    });
    events.collect()
}

#[tokio::test]
async fn the_stream_shows_what_was_published_follows_and_resumes() {
    let app = App::start().await;
    app.user(ADA).await;
    settle(&app.local).await;
    let (status, headers, mut body) = get(&app.local, "/events", &[]).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store");
    let first = read(&mut body, 2).await;
    let types: Vec<_> = first.iter().map(|(_, it)| &it["detail-type"]).collect();
    assert_eq!(types, ["account.registered", "session.started"]);
    for (id, data) in &first {
        assert_eq!(data["detail"]["id"], *id);
    }
    // It follows.
    app.login(ADA, PASSWORD).await.expect(200);
    let followed = read(&mut body, 1).await;
    assert_eq!(followed[0].1["detail-type"], "session.started");
    // It resumes after what the client has had; what is not known begins anew.
    for (last, expected) in [
        (&*first[0].0, 2),
        (&*first[1].0, 1),
        ("of another process", 3),
    ] {
        let header = [("last-event-id", last)];
        let (_, _, mut body) = get(&app.local, "/events", &header).await;
        let resumed = read(&mut body, expected).await;
        assert_eq!(resumed.len(), expected, "{last}");
        assert_eq!(resumed.last(), followed.last(), "{last}");
    }
    // The end of the process is the end of the stream.
    let began = std::time::Instant::now();
    app.local.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(to_bytes(body, usize::MAX).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_page_of_another_site_does_not_read_the_events() {
    let app = App::with(&[("CorsOrigins", "*")]).await;
    for host in ["evil.example", "rebound.evil.example:3000", ""] {
        let (status, _, _) = get(&app.local, "/events", &[("host", host)]).await;
        assert_eq!(status, 421, "{host}");
    }
    let cross = [("host", "localhost"), ("origin", "https://evil.example")];
    let (status, headers, _) = get(&app.local, "/events", &cross).await;
    assert_eq!(status, 200);
    let cors = |name: &&axum::http::HeaderName| name.as_str().starts_with("access-control");
    assert_eq!(headers.keys().find(cors), None);
}

#[tokio::test]
async fn the_stand_in_refuses_what_eventbridge_would_refuse() {
    let app = App::start().await;
    let put = async |target: &str, service: &str, body: &Value| {
        let signed =
            format!("AWS4-HMAC-SHA256 Credential=local/20270115/local/{service}/aws4_request");
        let request = Request::post(format!("{}/", app.local.mailbox.url))
            .header("x-amz-target", target)
            .header("authorization", signed)
            .body(Body::from(body.to_string()));
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
        let body: Value = shared::platform::json::parse(&body).unwrap();
        (head.status.as_u16(), body)
    };
    let put_events = "AWSEvents.PutEvents";
    let entry = json!({
        "Source": "mine", "DetailType": "done", "Detail": "{\"n\":1}", "EventBusName": "EventBus",
    });
    let one = |entry: &Value| json!({ "Entries": [entry] });
    let with = |name: &str, value: Value| {
        let mut entry = entry.clone();
        entry[name] = value;
        one(&entry)
    };
    for (target, service, body, kind) in [
        (
            "AWSEvents.PutRule",
            "events",
            one(&entry),
            "UnknownOperationException",
        ),
        (
            put_events,
            "ses",
            one(&entry),
            "MissingAuthenticationTokenException",
        ),
        (
            put_events,
            "events",
            json!({"Entries": []}),
            "ValidationException",
        ),
        (
            put_events,
            "events",
            json!({"Entries": vec![&entry; 11]}),
            "ValidationException",
        ),
        (put_events, "events", json!([]), "ValidationException"),
        (
            put_events,
            "events",
            with(
                "Detail",
                json!(format!("{{\"a\":\"{}\"}}", "a".repeat(1 << 18))),
            ),
            "ValidationException",
        ),
        (
            put_events,
            "events",
            with("EventBusName", json!("another")),
            "ResourceNotFoundException",
        ),
    ] {
        let (status, answer) = put(target, service, &body).await;
        assert_eq!((status, &answer["__type"]), (400, &json!(kind)), "{answer}");
    }
    for (body, code) in [
        (with("Detail", json!("[]")), "MalformedDetail"),
        (with("Detail", json!("{")), "MalformedDetail"),
        (with("Source", Value::Null), "InvalidArgument"),
        (with("DetailType", json!("")), "InvalidArgument"),
        (
            with("Source", json!("aws.ses")),
            "NotAuthorizedForSourceException",
        ),
    ] {
        let (status, answer) = put(put_events, "events", &body).await;
        assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(1)));
        assert_eq!(answer["Entries"][0]["ErrorCode"], code);
    }
    assert!(app.local.event_bus.events().is_empty());
    let (status, answer) = put(put_events, "events", &one(&entry)).await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(0)));
    assert!(answer["Entries"][0]["EventId"].is_string());
    // The default bus is there too.
    let (_, answer) = put(put_events, "events", &with("EventBusName", Value::Null)).await;
    assert_eq!(answer["FailedEntryCount"], 0);
    assert_eq!(app.local.event_bus.events().len(), 2);
}
