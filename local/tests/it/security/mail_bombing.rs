//! Mail bombing: whatever a stranger does, a mailbox gets so many mails an hour, and a network asks
//! for so many.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use testkit::ses::Fault;

use crate::support::app::{App, PASSWORD, text};
use crate::support::log::logged_by_mailer;
use crate::support::post::Post;

const ADA: &str = "ada@example.com";

/// Opens an account at the address of somebody else, from another network each time, and deletes it.
/// Returns the status of the registration.
async fn open_and_delete(app: &App, network: usize) -> u16 {
    let ip = format!("198.51.100.{network}");
    let body = crate::support::app::registration(ADA);
    let opened = app.post("/register", body).from(&ip).send().await;
    if opened.status == 201 {
        let body = json!({"email": ADA, "password": PASSWORD});
        let tokens = app.post("/login", body).from(&ip).send().await.expect(200);
        let delete = app.call(Method::DELETE, "/profile").from(&ip);
        let delete = delete.bearer(&text(&tokens.json(), "access_token"));
        let delete = delete.json(json!({ "password": PASSWORD }));
        delete.send().await.expect(204);
    }
    opened.status.as_u16()
}

#[tokio::test]
async fn accounts_that_are_opened_and_deleted_at_an_address_do_not_fill_its_mailbox() {
    let app = App::mailing(&[("EmailVerification", "later")]).await;
    let mut statuses = Vec::new();
    for network in 1..=12 {
        statuses.push(open_and_delete(&app, network).await);
    }
    assert_eq!(statuses[..10], [201; 10]);
    assert_eq!(statuses[10..], [429, 429]);
    assert_eq!(app.asking("email_verification").await.len(), 10);
    // Whoever has that many networks keeps its owner from registering until the next hour.
    app.clock.advance(Duration::from_secs(3600));
    assert_eq!(open_and_delete(&app, 13).await, 201);
}

#[tokio::test]
async fn one_network_that_asks_hour_by_hour_keeps_nobody_from_registering_or_moving() {
    const OTHER: &str = "198.51.100.1";
    const OWN: &str = "203.0.113.9";
    let statuses = [202, 202, 202, 202, 202, 429];
    let app = App::mailing(&[("EmailVerification", "first")]).await;
    for _ in 0..3 {
        let register = async |from: &str| {
            let body = crate::support::app::registration(ADA);
            app.post("/register", body).from(from).send().await
        };
        for status in statuses {
            register(OTHER).await.expect(status);
        }
        register(OWN).await.expect(202);
        // There is one for each network, so that no mailbox is filled from it.
        register(OWN).await.problem(429, "too-many-attempts");
        app.clock.advance(Duration::from_secs(3600));
    }
    let app = App::mailing(&[]).await;
    let (mallory, grace) = (
        app.user("mallory@example.com").await,
        app.user("grace@example.com").await,
    );
    let body = json!({"email": ADA, "password": PASSWORD});
    for status in statuses {
        let change = mallory.post("/email/change", body.clone()).from(OTHER);
        change.send().await.expect(status);
    }
    let change = grace.post("/email/change", body).from(OWN);
    change.send().await.expect(202);
}

#[tokio::test]
async fn a_network_asks_for_no_more_mails_by_registering_than_otherwise() {
    for mode in ["later", "first"] {
        let limit = ("MailsPerSource", "3");
        let app = App::mailing(&[("EmailVerification", mode), limit]).await;
        let mut refused = 0;
        for n in 0..5 {
            let answer = app.register(&format!("somebody{n}@example.com")).await;
            refused += usize::from(answer.status == 429);
        }
        assert_eq!(refused, 2, "{mode}");
    }
    // Without a mail, nothing of it is counted.
    let app = App::mailing(&[("MailsPerSource", "3")]).await;
    for n in 0..5 {
        let email = format!("somebody{n}@example.com");
        app.register(&email).await.expect(201);
    }
}

#[tokio::test]
async fn whoever_has_an_account_at_another_s_address_does_not_fill_its_mailbox_with_notices() {
    let post = Post::start().await;
    let mallory = post.app.register(ADA).await.expect(201).json();
    let subject = format!("USER#{}", text(&mallory, "id"));
    for kind in ["password_changed", "new_source", "token_reused"] {
        logged_by_mailer();
        for _ in 0..20 {
            let record = post.record(&subject, kind, &[]);
            assert!(post.is_done(&record).await);
        }
        assert_eq!(post.taken().len(), 5, "{kind}");
        let events = logged_by_mailer();
        let skipped = events.iter().filter(|it| it["reason"] == "too_many");
        assert_eq!(skipped.count(), 15, "{kind}");
        post.ses.asked();
    }
    // In the next hour, as many.
    post.app.clock.advance(Duration::from_secs(3600));
    for _ in 0..6 {
        let record = post.record(&subject, "password_changed", &[]);
        assert!(post.is_done(&record).await);
    }
    assert_eq!(post.taken().len(), 5);
}

#[tokio::test]
async fn the_notices_of_changes_that_are_asked_for_again_and_again_are_counted_too() {
    let post = Post::start().await;
    let mallory = post.app.register(ADA).await.expect(201).json();
    let id = text(&mallory, "id");
    for n in 0..7 {
        let to = format!("mallory{n}@example.com");
        let link = post.ask_for_change(&id, ADA, &to, 1).await.to_string();
        let record = post.record(&format!("USER#{id}"), "email_change", &[("link", &link)]);
        assert!(post.is_done(&record).await);
    }
    let mails = post.taken();
    // The links were counted when they were asked for.
    let links = mails.iter().filter(|it| it.token.is_some()).count();
    let notices = mails.iter().filter(|it| it.to == ADA).count();
    assert_eq!((links, notices), (7, 5));
}

#[tokio::test]
async fn a_notice_that_is_tried_again_counts_once() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    let subject = format!("USER#{}", text(&ada, "id"));
    let record = post.record(&subject, "password_changed", &[]);
    for _ in 0..10 {
        post.ses.inject(&[Fault::Paused]);
        assert!(!post.is_done(&record).await);
    }
    post.ses.inject(&[]);
    for _ in 0..4 {
        let record = post.record(&subject, "password_changed", &[]);
        assert!(post.is_done(&record).await);
    }
    assert!(post.is_done(&record).await);
    assert_eq!(post.taken().len(), 5);
}

#[tokio::test]
async fn behind_cloudfront_each_client_asks_for_mails_of_its_own_and_none_for_those_of_another() {
    // SHA-256 of "open sesame".
    let hash = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";
    let app = App::mailing(&[("ProxySecretHash", hash), ("MailsPerSource", "2")]).await;
    let ask = async |n: usize, viewer: &str, secret: &str| {
        let body = json!({"email": format!("somebody{n}@example.com")});
        let call = app.post("/password/forgot", body).from("130.176.0.1");
        let call = call.header("x-origin-verify", secret);
        let call = call.header("x-forwarded-for", &format!("192.0.2.{n}"));
        let call = call.header("cloudfront-viewer-address", viewer);
        call.send().await.status.as_u16()
    };
    for (n, viewer, secret, expected) in [
        (1, "198.51.100.1:4711", "open sesame", 202),
        (2, "198.51.100.1:4712", "open sesame", 202),
        (3, "198.51.100.1:4713", "open sesame", 429),
        (4, "198.51.100.2:4711", "open sesame", 202),
        // Without the secret, the header of the client is nobody's word.
        (5, "198.51.100.3:4711", "guessed", 202),
        (6, "198.51.100.4:4711", "guessed", 202),
        (7, "198.51.100.5:4711", "guessed", 429),
    ] {
        assert_eq!(ask(n, viewer, secret).await, expected, "{n}");
    }
}
