//! `POST /email/change`, `POST /email/change/confirm`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, PASSWORD, User, faults, join_all, text};
use crate::support::links::NO_MAIL;

const NEW: &str = "ada.king@example.org";

async fn ask(user: &User<'_>, email: &str) -> Answer {
    let body = json!({"email": email, "password": PASSWORD});
    user.post("/email/change", body).send().await
}

async fn confirm(app: &App, token: &str) -> Answer {
    let body = json!({"token": token, "password": PASSWORD});
    app.post("/email/change/confirm", body).send().await
}

/// Asks for a change of address, and returns the token that the mail holds.
async fn asked(app: &App, user: &User<'_>, email: &str) -> String {
    // Its event has a later identifier than that of any other.
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(ask(user, email).await.expect(202).body, "");
    app.mailed("email_change").await.unwrap()
}

/// Returns the answer without what differs for each request.
fn shown(answer: Answer) -> (StatusCode, String) {
    let mut body = answer.json();
    body["request_id"] = Value::Null;
    (answer.status, body.to_string())
}

#[tokio::test]
async fn an_account_moves_to_the_address_that_its_link_proves() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    let token = asked(&app, &ada, "Ada.King@bücher.example").await;
    // Until then nothing changes.
    let before = ada.get("/profile").send().await.expect(200);
    assert_eq!(before.json()["email"], "ada@example.com");
    app.login("Ada.King@bücher.example", PASSWORD)
        .await
        .problem(401, "invalid-credentials");

    let answer = confirm(&app, &token).await.expect(204);
    assert_eq!(answer.header("cache-control"), "no-store");
    let after = ada.get("/profile").send().await.expect(200);
    assert_ne!(after.header("etag"), before.header("etag"));
    let after = after.json();
    assert_eq!(after["email"], "Ada.King@bücher.example");
    assert_eq!(
        (&after["email_verified"], &after["id"]),
        (&json!(true), &ada.account["id"])
    );
    app.login("ada@example.com", PASSWORD)
        .await
        .problem(401, "invalid-credentials");
    app.login("ada.king@xn--bcher-kva.example", PASSWORD)
        .await
        .expect(200);
    // The old address is free.
    let other = app.register("ada@example.com").await.expect(201).json();
    assert_ne!(other["id"], ada.account["id"]);
    app.login("ada@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_in_unicode_leaves_nothing_behind_when_it_is_left() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@bücher.example").await;
    let bounced = AttributeValue::S("bounced".to_owned());
    app.set_attribute(&ada.id(), "email_state", bounced).await;
    let token = asked(&app, &ada, NEW).await;
    confirm(&app, &token).await.expect(204);
    let shown = ada.get("/profile").send().await.expect(200).json();
    assert_eq!(shown["email"], NEW);
    let user = format!("USER#{}", ada.id());
    let account = app.item(&user, "ACCOUNT").await.unwrap();
    // Nor is it held against the new address that mails to the old one came back.
    for name in ["email_typed", "email_state"] {
        assert!(!account.contains_key(name), "{account:?}");
    }
}

#[tokio::test]
async fn a_changed_address_ends_all_other_sessions_and_not_the_one_that_asked() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    let other = app.login(&ada.email, PASSWORD).await.expect(200).json();
    let token = asked(&app, &ada, NEW).await;
    confirm(&app, &token).await.expect(204);
    app.refresh(&text(&other, "refresh_token"))
        .await
        .problem(401, "invalid-refresh-token");
    let next = app.refresh(&ada.refresh_token).await.expect(200).json();
    let token = text(&next, "access_token");
    let list = app.get("/sessions").bearer(&token).send().await;
    let list = list.expect(200).json();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(list["sessions"][0]["current"], true);
    // Its password still works, with the next epoch.
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let change = app.post("/password/change", change).bearer(&token);
    change.send().await.expect(200);
    app.login(NEW, "another good password").await.expect(200);
}

#[tokio::test]
async fn a_change_goes_on_if_the_session_that_asked_has_ended() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    let other = app.login(&ada.email, PASSWORD).await.expect(200).json();
    let token = asked(&app, &ada, NEW).await;
    let logout = app.post("/logout", json!({"refresh_token": ada.refresh_token}));
    logout.send().await.expect(204);
    confirm(&app, &token).await.expect(204);
    app.refresh(&text(&other, "refresh_token"))
        .await
        .problem(401, "invalid-refresh-token");
    assert!(app.items_of("SESSION#").await.is_empty());
    app.login(NEW, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn nobody_learns_from_their_own_account_which_addresses_have_one() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    app.register("eve@example.com").await.expect(201);
    let known = ask(&ada, "Eve@example.com").await.expect(202);
    let unknown = ask(&ada, "bob@example.com").await.expect(202);
    assert_eq!((&known.body, &unknown.body), (&"".into(), &"".into()));
    let names = |answer: &Answer| {
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&known), names(&unknown));
}

#[tokio::test]
async fn an_address_that_got_an_account_is_not_taken_over_and_the_link_stays_good() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    let token = asked(&app, &ada, NEW).await;
    let eve = app.user(&NEW.to_uppercase()).await;
    let before = app.items_but_secrets().await;
    confirm(&app, &token).await.problem(409, "email-taken");
    assert_eq!(app.items_but_secrets().await, before);
    let delete = eve.post("/profile/delete", json!({ "password": PASSWORD }));
    delete.send().await.expect(204);
    confirm(&app, &token).await.expect(204);
    app.login(NEW, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_address_of_today_is_no_new_one() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@bücher.example").await;
    for same in ["ADA@bücher.example", "ada@xn--bcher-kva.example"] {
        let problem = ask(&ada, same).await.problem(422, "invalid-fields");
        assert_eq!(faults(&problem), [("/email".into(), "unchanged".into())]);
    }
    let body = json!({"email": "ada", "roles": []});
    let all = ada.post("/email/change", body).send().await;
    assert_eq!(faults(&all.problem(422, "invalid-fields")).len(), 3);
    assert!(app.asking("email_change").await.is_empty());
}

#[tokio::test]
async fn only_the_password_and_a_live_session_ask_for_a_change() {
    let app = App::mailing(&[("LoginAttempts", "3")]).await;
    let ada = app.user("ada@example.com").await;
    let wrong = json!({"email": NEW, "password": "not the password"});
    for _ in 0..3 {
        let wrong = ada.post("/email/change", wrong.clone()).send().await;
        wrong.problem(403, "wrong-password");
    }
    ask(&ada, NEW).await.problem(429, "too-many-attempts");
    app.clock.advance(Duration::from_secs(30));
    ask(&ada, NEW).await.expect(202);
    let logout = app.post("/logout", json!({"refresh_token": ada.refresh_token}));
    logout.send().await.expect(204);
    ask(&ada, NEW).await.problem(401, "invalid-token");

    let eve = app.user("eve@example.com").await;
    let disabled = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&eve.id(), "status", disabled).await;
    ask(&eve, "eve@example.org")
        .await
        .problem(401, "invalid-token");
    assert_eq!(app.asking("email_change").await.len(), 1);
}

#[tokio::test]
async fn every_link_that_is_not_good_gets_the_same_answer_and_changes_nothing() {
    let app = App::mailing(&[("MailsPerAddress", "100")]).await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    let good = asked(&app, &ada, NEW).await;
    let mut refused = vec![
        shown(confirm(&app, "").await),
        shown(confirm(&app, "lkm_").await),
        shown(confirm(&app, &good[..good.len() - 1]).await),
        shown(confirm(&app, &format!("{good}A")).await),
        // A secret of nobody, for the same account and the same event.
        shown(confirm(&app, &format!("{}AAAA", &good[..good.len() - 4])).await),
    ];
    // For another purpose.
    for path in ["/email/verify", "/register/confirm"] {
        let body = json!({"token": good, "password": PASSWORD});
        refused.push(shown(app.post(path, body).send().await));
    }
    // After its use.
    confirm(&app, &good).await.expect(204);
    refused.push(shown(confirm(&app, &good).await));
    // After its time.
    let late = asked(&app, &eve, "eve@example.org").await;
    app.clock.advance(Duration::from_secs(60 * 60));
    refused.push(shown(confirm(&app, &late).await));
    // After the password changed.
    let carol = app.user("carol@example.com").await;
    let old = asked(&app, &carol, "carol@example.org").await;
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let change = carol.post("/password/change", change).send().await;
    change.expect(200);
    refused.push(shown(confirm(&app, &old).await));
    // While the account is disabled, and after it was deleted.
    let bob = app.user("bob@example.com").await;
    let link = asked(&app, &bob, "bob@example.org").await;
    for (status, is_good) in [("disabled", false), ("active", true)] {
        let status = AttributeValue::S(status.to_owned());
        app.set_attribute(&bob.id(), "status", status).await;
        if !is_good {
            refused.push(shown(confirm(&app, &link).await));
        }
    }
    let delete = bob.post("/profile/delete", json!({ "password": PASSWORD }));
    delete.send().await.expect(204);
    refused.push(shown(confirm(&app, &link).await));

    let (status, body) = &refused[0];
    assert_eq!(*status, 400);
    assert!(body.contains("\"invalid-link\""), "{body}");
    assert!(
        refused.iter().all(|other| other == &refused[0]),
        "{refused:?}"
    );
    app.login("eve@example.com", PASSWORD).await.expect(200);
    app.login("carol@example.com", "another good password")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_second_change_voids_the_first_when_it_is_made() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    let first = asked(&app, &ada, NEW).await;
    app.clock.advance(Duration::from_secs(1));
    let second = asked(&app, &ada, "ada@example.net").await;
    confirm(&app, &second).await.expect(204);
    confirm(&app, &first).await.problem(400, "invalid-link");
    app.login("ada@example.net", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_used_in_parallel_is_used_once() {
    let app = App::mailing(&[("LoginAttempts", "20")]).await;
    let ada = app.user("ada@example.com").await;
    let token = asked(&app, &ada, NEW).await;
    let uses = join_all((0..12).map(|_| confirm(&app, &token))).await;
    let (good, others): (Vec<_>, Vec<_>) = uses.into_iter().partition(|use_| use_.status == 204);
    assert_eq!(good.len(), 1);
    for other in others {
        other.problem(400, "invalid-link");
    }
    app.refresh(&ada.refresh_token).await.expect(200);
}

#[tokio::test]
async fn two_mails_for_one_event_are_good_until_one_is_used_and_none_comes_after() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    let first = asked(&app, &ada, NEW).await;
    let second = app.mailed("email_change").await.unwrap();
    assert_ne!(first, second);
    confirm(&app, &first).await.expect(204);
    confirm(&app, &second).await.problem(400, "invalid-link");
    assert_eq!(app.mailed("email_change").await, None);
}

#[tokio::test]
async fn mails_are_counted_by_address_and_by_source_but_not_with_a_wrong_password() {
    let app = App::mailing(&[("MailsPerAddress", "2"), ("MailsPerSource", "4")]).await;
    let ada = app.user("ada@example.com").await;
    let wrong = json!({"email": NEW, "password": "not the password"});
    for _ in 0..3 {
        let wrong = ada.post("/email/change", wrong.clone()).send().await;
        wrong.problem(403, "wrong-password");
    }
    for status in [202, 202, 429] {
        ask(&ada, NEW).await.expect(status);
    }
    for status in [202, 202, 429] {
        ask(&ada, "ada@example.net").await.expect(status);
    }
    assert_eq!(app.asking("email_change").await.len(), 4);
    app.clock.advance(Duration::from_secs(60 * 60));
    let next = app.refresh(&ada.refresh_token).await.expect(200).json();
    let body = json!({"email": NEW, "password": PASSWORD});
    let again = app.post("/email/change", body);
    again
        .bearer(&text(&next, "access_token"))
        .send()
        .await
        .expect(202);
}

#[tokio::test]
async fn guesses_at_the_new_address_do_not_make_its_owner_wait() {
    let app = App::mailing(&[("LoginAttempts", "3")]).await;
    let ada = app.user("ada@example.com").await;
    for _ in 0..4 {
        app.login(NEW, "not the password").await;
    }
    app.login(NEW, PASSWORD)
        .await
        .problem(429, "too-many-attempts");
    let token = asked(&app, &ada, NEW).await;
    confirm(&app, &token).await.expect(204);
    app.login(NEW, PASSWORD).await.expect(200);
    // Nothing is left of the old address.
    let items = app.all_items().await;
    let of_old = |pk: &str| items.iter().any(|item| item["pk"].as_s().unwrap() == pk);
    let old = shared::domain::Email::parse("ada@example.com").unwrap();
    assert!(!of_old(&format!("LIMIT#EMAIL#{}", old.fingerprint())));
    assert!(!of_old(&format!("EMAIL#{}", old.fingerprint())));
}

#[tokio::test]
async fn the_used_link_tells_the_old_address_to_the_notice_and_no_row_holds_an_address() {
    let app = App::mailing(&[]).await;
    let ada = app.user("ada@example.com").await;
    let token = asked(&app, &ada, NEW).await;
    app.clock.advance(Duration::from_secs(59 * 60));
    confirm(&app, &token).await.expect(204);
    let asked = app.asking("email_change").await.remove(0);
    let changed = app.asking("email_changed").await.remove(0);
    assert_eq!(changed["link"], asked["sk"]);
    let key = format!("TOKEN#{}", asked["sk"].as_s().unwrap());
    let link = app.item(asked["pk"].as_s().unwrap(), &key).await.unwrap();
    assert_eq!(link["from"].as_s().unwrap(), "ada@example.com");
    assert!(link.contains_key("used") && !link.contains_key("hashes"));
    // It stays for as long as the notice may be late.
    let end: u64 = link["expires_at"].as_n().unwrap().parse().unwrap();
    assert!(end >= app.clock_now() + 24 * 60 * 60, "{end}");
    for row in app.rows().await {
        let text = format!("{row:?}");
        assert!(!text.contains('@'), "{text}");
    }
}

#[tokio::test]
async fn without_mail_there_is_no_change_of_address() {
    let app = App::with(&[NO_MAIL]).await;
    let ada = app.user("ada@example.com").await;
    ask(&ada, NEW).await.problem(404, "not-found");
    confirm(&app, "lkm_").await.problem(404, "not-found");
}
