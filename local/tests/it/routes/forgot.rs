//! `POST /password/forgot`, `POST /email/verify/resend`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::dynamodb::Recorded;

use crate::support::app::{Answer, App, event, faults, logged_requests};
use crate::support::faulty_store::FaultyStore;
use crate::support::links::{MAIL, NO_MAIL};

/// The routes that ask for a mail, with the events that they store and the mails.
const ROUTES: [(&str, &str, &str); 2] = [
    (
        "/password/forgot",
        "password_reset_requested",
        "password_reset",
    ),
    (
        "/email/verify/resend",
        "email_verification_requested",
        "email_verification",
    ),
];

fn ask(app: &App, path: &str, email: &str, ip: &str) -> impl Future<Output = Answer> {
    app.post(path, json!({ "email": email })).from(ip).send()
}

#[tokio::test]
async fn an_event_under_the_hash_of_the_address_asks_for_the_mail() {
    let app = App::with_mail().await;
    app.register("ada@example.com").await.expect(201);
    for (path, name, mail) in ROUTES {
        for email in ["ada@example.com", "nobody@example.com"] {
            let call = app.post(path, json!({ "email": email }));
            call.header("user-agent", "curl/8").send().await.expect(202);
        }
        let rows = app.rows_of(name).await;
        assert_eq!(rows.len(), 2);
        let mut addresses = BTreeSet::new();
        for row in rows {
            let names: Vec<_> = row.keys().map(String::as_str).collect();
            let known = [
                "event",
                "expires_at",
                "ip",
                "mail",
                "pk",
                "sk",
                "user_agent",
            ];
            assert_eq!(names, known);
            assert_eq!(row["mail"].as_s().unwrap(), mail);
            assert!(!format!("{row:?}").contains("example.com"), "{row:?}");
            let pk = row["pk"].as_s().unwrap().clone();
            assert!(pk.starts_with("EMAIL#"), "{pk}");
            addresses.insert(pk);
        }
        assert_eq!(addresses.len(), 2);
    }
}

/// Returns what a request told DynamoDB, except what differs for each request: the hashes of the
/// addresses, and the identifiers of the events, which are as long for each.
fn shape(request: &Recorded) -> String {
    let mut body = request.body.clone();
    blank(&mut body);
    format!(
        "{} {} {body}",
        request.operation,
        request.body.to_string().len()
    )
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(blank),
        Value::Array(values) => values.iter_mut().for_each(blank),
        Value::String(text) if text.contains('#') || text.len() == 36 => {
            *text = format!("{} octets", text.len());
        }
        _ => {}
    }
}

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_answer_after_the_same_requests() {
    let faulty = FaultyStore::before(App::with_mail().await).await;
    for email in ["known@example.com", "fresh@example.com"] {
        faulty.app.register(email).await.expect(201);
    }
    for (path, ..) in ROUTES {
        let mut seen = Vec::new();
        for email in ["known@example.com", "other@example.com"] {
            faulty.proxy.requests();
            let event = event("POST", path, &json!({ "email": email }), None);
            let mut answer = faulty.functions.invoke("forgot", event).await.unwrap();
            assert_eq!(answer["statusCode"], 202);
            if let Some(headers) = answer["headers"].as_object_mut() {
                headers.remove("date");
            }
            let requests = faulty.proxy.requests();
            let shapes: Vec<_> = requests.iter().map(shape).collect();
            let operations: Vec<_> = requests.iter().map(|r| r.operation.as_str()).collect();
            assert_eq!(operations, ["UpdateItem", "UpdateItem", "PutItem"]);
            seen.push((answer, shapes, faulty.seen()));
        }
        assert_eq!(seen[0], seen[1], "{path}");
    }
}

#[tokio::test]
async fn the_line_of_a_request_has_all_of_its_requests_to_dynamodb() {
    let app = App::with_mail().await;
    for (path, ..) in ROUTES {
        logged_requests();
        ask(&app, path, "ada@example.com", "203.0.113.7")
            .await
            .expect(202);
        let lines = logged_requests();
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        // The counters of the source and of the address, and the event.
        assert_eq!(line["store_requests"], 3, "{line}");
    }
}

#[tokio::test]
async fn so_many_mails_of_a_kind_go_to_an_address_in_an_hour_whether_it_has_an_account_or_not() {
    let app = App::with(&[MAIL, ("MailsPerAddress", "3")]).await;
    app.register("ada@example.com").await.expect(201);
    for email in ["ada@example.com", "nobody@example.com"] {
        for (path, ..) in ROUTES {
            // From any source and in any letter case.
            for (n, typed) in [email.to_owned(), email.to_uppercase(), email.to_owned()]
                .iter()
                .enumerate()
            {
                let answer = ask(&app, path, typed, &format!("198.51.100.{n}")).await;
                answer.expect(202);
            }
            // A source that has asked gets no more, and each of three others one.
            for (n, status) in [(0, 429), (9, 202), (9, 429), (8, 202), (7, 202), (6, 429)] {
                let answer = ask(&app, path, email, &format!("198.51.100.{n}")).await;
                if status == 202 {
                    answer.expect(202);
                } else {
                    assert_eq!(answer.header("retry-after"), "3600");
                    answer.problem(429, "too-many-attempts");
                }
            }
        }
    }
    ask(&app, "/password/forgot", "eve@example.com", "198.51.100.9")
        .await
        .expect(202);
    for (_, event, _) in ROUTES {
        let expected = if event == "password_reset_requested" {
            13
        } else {
            12
        };
        assert_eq!(app.rows_of(event).await.len(), expected);
    }
    for row in app.rows_of("attempt_refused").await {
        assert_eq!(row["by"].as_s().unwrap(), "address");
        assert!(row["pk"].as_s().unwrap().starts_with("EMAIL#"));
        assert!(!row.contains_key("mail"));
    }
    app.clock.advance(Duration::from_secs(3600));
    ask(&app, "/password/forgot", "ada@example.com", "198.51.100.9")
        .await
        .expect(202);
}

#[tokio::test]
async fn nobody_keeps_the_owner_from_a_reset_by_asking_for_mails() {
    let app = App::with(&[MAIL, ("MailsPerAddress", "3")]).await;
    let ada = app.user("ada@example.com").await;
    // An address that is proven gets no mail for these.
    for n in 0..10 {
        ask(
            &app,
            "/email/verify/resend",
            &ada.email,
            &format!("198.51.100.{n}"),
        )
        .await;
    }
    ask(&app, "/password/forgot", &ada.email, "203.0.113.7")
        .await
        .expect(202);
    // Whoever uses up the resets has sent as many links to the owner, each of them good.
    for n in 0..10 {
        ask(
            &app,
            "/password/forgot",
            &ada.email,
            &format!("198.51.100.{n}"),
        )
        .await;
    }
    assert_eq!(app.rows_of("password_reset_requested").await.len(), 6);
}

#[tokio::test]
async fn so_many_mails_are_asked_for_by_a_source_in_an_hour() {
    let app = App::with(&[MAIL, ("MailsPerSource", "4"), ("MailsPerAddress", "3")]).await;
    for n in 0..4 {
        let email = format!("person{n}@example.com");
        ask(&app, "/password/forgot", &email, "198.51.100.1")
            .await
            .expect(202);
    }
    // A source that may ask for no more does not use up what others may ask for to the address.
    for _ in 0..5 {
        ask(&app, "/password/forgot", "ada@example.com", "198.51.100.1")
            .await
            .problem(429, "too-many-attempts");
    }
    for _ in 0..3 {
        ask(&app, "/password/forgot", "ada@example.com", "198.51.100.2")
            .await
            .expect(202);
    }
    // Nor do mails that the address has too many of use up what its source may ask for.
    ask(&app, "/password/forgot", "ada@example.com", "198.51.100.3")
        .await
        .expect(202);
    for _ in 0..5 {
        ask(&app, "/password/forgot", "ada@example.com", "198.51.100.3")
            .await
            .problem(429, "too-many-attempts");
    }
    for n in 0..3 {
        let email = format!("person{n}@example.com");
        ask(&app, "/password/forgot", &email, "198.51.100.3")
            .await
            .expect(202);
    }
    let causes = app.rows_of("attempt_refused").await;
    let causes: Vec<_> = causes.iter().map(|row| row["by"].as_s().unwrap()).collect();
    assert_eq!(causes.iter().filter(|by| **by == "source").count(), 5);
    assert_eq!(causes.iter().filter(|by| **by == "address").count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_are_asked_for_at_once_are_as_many_as_one_after_the_other() {
    let app = App::with(&[MAIL, ("MailsPerAddress", "5")]).await;
    let asked = (0..20).map(|n| {
        let ip = format!("198.51.100.{n}");
        let app = &app;
        async move { ask(app, "/password/forgot", "ada@example.com", &ip).await }
    });
    let answers = crate::support::app::join_all(asked).await;
    let taken = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(taken, 10);
    assert!(
        answers
            .iter()
            .all(|answer| [202, 429].contains(&answer.status.as_u16()))
    );
    assert_eq!(app.rows_of("password_reset_requested").await.len(), 10);
}

#[tokio::test]
async fn an_address_is_refused_by_its_form_before_anything_is_counted() {
    let faulty = FaultyStore::before(App::with_mail().await).await;
    for (path, ..) in ROUTES {
        for (body, expected) in [
            (json!({}), ("/email", "missing")),
            (json!({"email": "ada"}), ("/email", "invalid-email")),
            (json!({"email": 7}), ("/email", "wrong-type")),
        ] {
            let refused = faulty.app.post(path, body.clone()).send().await;
            let problem = refused.problem(422, "invalid-fields");
            let (pointer, code) = expected;
            assert_eq!(faults(&problem), [(pointer.to_owned(), code.to_owned())]);
            let event = event("POST", path, &body, None);
            faulty.functions.invoke("forgot", event).await.unwrap();
        }
    }
    assert!(faulty.seen().is_empty());
}

#[tokio::test]
async fn without_mail_there_is_no_such_path() {
    let app = App::with(&[NO_MAIL]).await;
    for (path, ..) in ROUTES {
        // Not even the body is looked at.
        for body in [json!({"email": "ada@example.com"}), json!({})] {
            let answer = app.post(path, body).send().await;
            answer.problem(404, "not-found");
        }
    }
    assert_eq!(app.event_rows().await, []);
    assert_eq!(app.all_items().await, []);
}
