//! The mails that events ask for: who gets which, with which link, and who gets none.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::domain::Purpose;
use shared::platform::clock::Clock;

use crate::support::app::{BEGINNING, registration, text};
use crate::support::log::logged_by_mailer as logged;
use crate::support::post::{FROM, Post, of_address};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

/// Checks that nothing was sent, for this reason.
#[track_caller]
fn skipped(post: &Post, reason: &str) {
    let mut events = logged();
    events.retain(|line| line.get("event").is_some());
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(event["event"], "mail_skipped", "{event}");
    assert_eq!(event["reason"], reason, "{event}");
    assert_eq!(post.ses.asked(), 0);
}

#[tokio::test]
async fn a_mail_has_what_ses_and_whoever_gets_it_need() {
    let post = Post::start().await;
    let ada = post
        .app
        .register("Ada@example.com")
        .await
        .expect(201)
        .json();
    logged();
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    assert!(post.is_done(&record).await);
    let mail = post.one();
    assert_eq!(mail.to, "Ada@example.com");
    assert_eq!(mail.subject, "Set a new password for Latchkey");
    let event = text(&record["dynamodb"]["NewImage"]["sk"], "S");
    let tags = [
        ("event", event),
        ("purpose", "password_reset".to_owned()),
        ("user", text(&ada, "id")),
    ];
    let tags = tags.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(mail.tags, tags.into());
    let from = format!("\"Latchkey\" <{FROM}>");
    assert_eq!(mail.request["FromEmailAddress"], json!(from));
    assert_eq!(mail.request["ConfigurationSetName"], "latchkey-mail");
    let headers = json!([
        {"Name": "Auto-Submitted", "Value": "auto-generated"},
        {"Name": "X-Auto-Response-Suppress", "Value": "All"},
    ]);
    assert_eq!(mail.request["Content"]["Simple"]["Headers"], headers);
    // The request has nothing else, such as copies to others.
    let members: BTreeSet<_> = mail.request.as_object().unwrap().keys().collect();
    let expected = [
        "ConfigurationSetName",
        "Content",
        "Destination",
        "EmailTags",
        "FromEmailAddress",
    ];
    assert_eq!(members.into_iter().collect::<Vec<_>>(), expected);
    let to = mail.request["Destination"].as_object().unwrap();
    assert_eq!(to.keys().collect::<Vec<_>>(), ["ToAddresses"]);
    let link = post.link(&mail).await;
    assert_eq!(link.purpose, Purpose::PasswordReset);
    assert_eq!(link.expires_at, BEGINNING + 3600);
    assert_eq!(link.email.as_str(), "Ada@example.com");

    let lines = logged();
    let [sent, request] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(sent["event"], "mail_sent", "{sent}");
    assert_eq!(sent["by"], "password_reset");
    assert_eq!(sent["user_id"], ada["id"]);
    assert_eq!(request["message"], "request", "{request}");
    assert_eq!(
        (&request["mails_sent"], &request["records"]),
        (&json!(1), &json!(1))
    );
    assert!(request["ses_ms"].is_f64(), "{request}");
}

#[tokio::test]
async fn whoever_has_no_account_gets_no_reset_and_nothing_is_stored() {
    let post = Post::start().await;
    let items = post.app.all_items().await.len();
    for mail in ["password_reset", "email_verification"] {
        logged();
        let record = post.record(&of_address(ADA), mail, &[]);
        assert!(post.is_done(&record).await);
        skipped(&post, "no_account");
    }
    assert_eq!(post.app.all_items().await.len(), items);
}

#[tokio::test]
async fn whoever_may_not_log_in_gets_no_mail() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    let id = text(&ada, "id");
    for status in ["disabled", "deleting"] {
        let status = AttributeValue::S(status.to_owned());
        post.app.set_attribute(&id, "status", status).await;
        for (subject, mail) in [
            (of_address(ADA), "password_reset"),
            (format!("USER#{id}"), "password_changed"),
        ] {
            logged();
            assert!(post.is_done(&post.record(&subject, mail, &[])).await);
            skipped(&post, "account_disabled");
        }
    }
}

#[tokio::test]
async fn an_address_is_proven_by_a_link_unless_it_is_proven_already() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    let id = text(&ada, "id");
    // At registration, and when the mail is asked for again.
    for subject in [format!("USER#{id}"), of_address(ADA)] {
        let record = post.record(&subject, "email_verification", &[]);
        assert!(post.is_done(&record).await);
        let link = post.link(&post.one()).await;
        assert_eq!(link.purpose, Purpose::EmailVerification);
        assert_eq!(link.expires_at, BEGINNING + 86400);
    }
    let proven = AttributeValue::Bool(true);
    post.app.set_attribute(&id, "email_verified", proven).await;
    logged();
    let record = post.record(&of_address(ADA), "email_verification", &[]);
    assert!(post.is_done(&record).await);
    post.ses.asked();
    skipped(&post, "already_verified");
}

#[tokio::test]
async fn a_registration_gets_its_link_or_the_owner_of_the_address_a_note() {
    let post = Post::start().await;
    let id = post.register(EVE).await;
    let pending = [("pending", id.as_str())];
    let record = post.record(&of_address(EVE), "registration", &pending);
    assert!(post.is_done(&record).await);
    let mail = post.one();
    assert_eq!(mail.to, EVE);
    let link = post.link(&mail).await;
    assert_eq!(link.purpose, Purpose::Registration);
    assert_eq!((link.user_id.to_string(), link.password_epoch), (id, 0));
    assert_eq!(link.expires_at, BEGINNING + 86400);
    // Nothing of what whoever registered has typed is in the mail.
    let whole = mail.request.to_string();
    assert!(!whole.contains("Eve") && !whole.contains("evil"), "{whole}");

    post.app.register("Eve@Example.com").await.expect(201);
    let second = post.register(EVE).await;
    let pending = [("pending", second.as_str())];
    let record = post.record(&of_address(EVE), "registration", &pending);
    assert!(post.is_done(&record).await);
    let note = post.one();
    assert_eq!(note.to, "Eve@Example.com");
    assert_eq!(note.subject, "You already have an account at Latchkey");
    assert_eq!(note.token, None);
    let links = post.app.items_of("TOKEN#").await;
    assert_eq!(links.len(), 1, "the second registration has no link");
}

#[tokio::test]
async fn nobody_has_notes_sent_to_an_address_whose_mails_come_back() {
    let post = Post::start().await;
    let ada = text(&post.app.register(ADA).await.expect(201).json(), "id");
    let eve = text(&post.app.register(EVE).await.expect(201).json(), "id");
    let bounced = AttributeValue::S("bounced".to_owned());
    post.app.set_attribute(&eve, "email_state", bounced).await;
    let pending = post.register(EVE).await;
    let record = post.record(&of_address(EVE), "registration", &[("pending", &pending)]);
    logged();
    assert!(post.is_done(&record).await);
    skipped(&post, "unreachable");
    let asked = post.ask_for_change(&ada, ADA, EVE, 1).await.to_string();
    let record = post.record(&format!("USER#{ada}"), "email_change", &[("link", &asked)]);
    assert!(post.is_done(&record).await);
    // Whoever asked for the change does not see that the address has an account.
    assert_eq!(post.one().to, ADA);
}

#[tokio::test]
async fn a_registration_that_is_gone_or_another_s_sends_nothing() {
    let post = Post::start().await;
    let id = post.register(EVE).await;
    let of_other = post.record(&of_address(ADA), "registration", &[("pending", &id)]);
    let unknown = "018bcfe5-687b-7000-8000-000000000002";
    let gone = post.record(&of_address(EVE), "registration", &[("pending", unknown)]);
    let of_none = post.record(&of_address(EVE), "registration", &[]);
    for record in [of_other, gone, of_none] {
        logged();
        assert!(post.is_done(&record).await);
        skipped(&post, "gone");
    }
}

#[tokio::test]
async fn a_change_of_address_is_confirmed_at_the_new_one_and_told_to_the_old_one() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    let id = text(&ada, "id");
    let asked = post.ask_for_change(&id, ADA, EVE, 1).await.to_string();
    let own = [("link", asked.as_str())];
    let record = post.record(&format!("USER#{id}"), "email_change", &own);
    assert!(post.is_done(&record).await);
    let mails = post.taken();
    let [link, notice] = &mails[..] else {
        panic!("{mails:?}")
    };
    assert_eq!((link.to.as_str(), notice.to.as_str()), (EVE, ADA));
    assert_eq!(notice.token, None);
    // The mail to the new address does not tell the old one, nor the other way round.
    assert!(!link.request.to_string().contains(ADA));
    assert!(!notice.request.to_string().contains(EVE));
    let found = post.link(link).await;
    assert_eq!(found.purpose, Purpose::EmailChange);
    assert_eq!(found.from.as_ref().unwrap().as_str(), ADA);
    assert_eq!(found.password_epoch, 1);

    // The change was made: the old address is told, from the link that was used.
    post.use_link(&found).await;
    let record = post.record(&format!("USER#{id}"), "email_changed", &own);
    assert!(post.is_done(&record).await);
    let mail = post.one();
    assert_eq!(mail.to, ADA);
    assert_eq!(mail.subject, "Your address at Latchkey was changed");
}

#[tokio::test]
async fn a_change_to_an_address_with_an_account_tells_only_its_owner_so() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    post.app.register(EVE).await.expect(201);
    let id = text(&ada, "id");
    let asked = post.ask_for_change(&id, ADA, EVE, 1).await.to_string();
    let record = post.record(&format!("USER#{id}"), "email_change", &[("link", &asked)]);
    assert!(post.is_done(&record).await);
    let mails = post.taken();
    let [taken, notice] = &mails[..] else {
        panic!("{mails:?}")
    };
    assert_eq!((taken.to.as_str(), notice.to.as_str()), (EVE, ADA));
    assert_eq!((&taken.token, &notice.token), (&None, &None));
    assert!(!notice.request.to_string().contains(EVE));
    // The notice is the same as if the address were free.
    assert_eq!(notice.subject, "A new address was asked for at Latchkey");
}

#[tokio::test]
async fn a_change_of_address_that_was_asked_for_before_the_password_changed_sends_nothing() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    let id = text(&ada, "id");
    let asked = post.ask_for_change(&id, ADA, EVE, 7).await.to_string();
    for (link, reason) in [
        (asked.as_str(), "account_changed"),
        ("018bcfe5-687b-7000-8000-000000000002", "gone"),
    ] {
        logged();
        let record = post.record(&format!("USER#{id}"), "email_change", &[("link", link)]);
        assert!(post.is_done(&record).await);
        skipped(&post, reason);
    }
}

#[tokio::test]
async fn notices_go_to_the_owner_and_hold_no_link() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    let subject = format!("USER#{}", text(&ada, "id"));
    for (mail, expected) in [
        ("password_changed", "Your password at Latchkey was changed"),
        ("new_source", "A new login to your account at Latchkey"),
        (
            "token_reused",
            "A login to your account at Latchkey was ended",
        ),
    ] {
        assert!(post.is_done(&post.record(&subject, mail, &[])).await);
        let mail = post.one();
        assert_eq!((mail.to.as_str(), mail.subject.as_str()), (ADA, expected));
        assert_eq!(mail.token, None);
        assert!(
            mail.text.contains("15 January 2027 at 08:00 UTC"),
            "{}",
            mail.text
        );
        // The client's own words are not in it.
        assert!(!mail.request.to_string().contains("Firefox"));
    }
}

#[tokio::test]
async fn a_mail_is_in_the_language_of_the_account() {
    let post = Post::start().await;
    let mut body = registration(ADA);
    body["locale"] = json!("de-CH");
    post.app.post("/register", body).send().await.expect(201);
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    assert!(post.is_done(&record).await);
    let mail = post.one();
    assert_eq!(mail.subject, "Neues Passwort für Latchkey");
    assert!(mail.html.contains("lang=\"de\""));
}

#[tokio::test]
async fn each_mail_of_a_change_of_address_is_in_the_language_of_whom_it_goes_to() {
    let post = Post::start().await;
    let mut body = registration(ADA);
    body["locale"] = json!("de");
    let ada = post.app.post("/register", body).send().await;
    let id = text(&ada.expect(201).json(), "id");
    // A free address is of the person who asks, and another one is not.
    for (is_taken, expected) in [
        (false, ["lang=\"de\"", "lang=\"de\""]),
        (true, ["lang=\"en\"", "lang=\"de\""]),
    ] {
        if is_taken {
            post.app.register(EVE).await.expect(201);
        }
        post.app.clock.advance(Duration::from_millis(1));
        let asked = post.ask_for_change(&id, ADA, EVE, 1).await.to_string();
        let record = post.record(&format!("USER#{id}"), "email_change", &[("link", &asked)]);
        assert!(post.is_done(&record).await);
        let mails = post.taken();
        let [to_new, to_old] = &mails[..] else {
            panic!("{mails:?}")
        };
        assert_eq!((to_new.to.as_str(), to_old.to.as_str()), (EVE, ADA));
        for (mail, language) in [to_new, to_old].into_iter().zip(expected) {
            assert!(mail.html.contains(language), "{}: {language}", mail.to);
        }
    }
}

#[tokio::test]
async fn what_comes_too_late_is_not_sent() {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    let subject = format!("USER#{}", text(&ada, "id"));
    let record = |mail: &str| post.record(&subject, mail, &[]);
    let (reset, changed) = (record("password_reset"), record("password_changed"));
    let verification = record("email_verification");
    post.app.clock.advance(Duration::from_secs(3599));
    let on_time = post.deliver(&[&reset, &changed, &verification]).await;
    assert_eq!(on_time, [""; 0]);
    let mails = post.taken();
    assert_eq!(mails.len(), 3);
    // However late the mail is, the link ends with its hour.
    assert_eq!(post.link(&mails[0]).await.expires_at, BEGINNING + 3600);

    post.app.clock.advance(Duration::from_secs(1));
    for late in [&reset, &changed] {
        post.ses.asked();
        logged();
        assert!(post.is_done(late).await);
        skipped(&post, "too_old");
    }
    assert!(post.is_done(&verification).await);
    post.one();
    post.app.clock.advance(Duration::from_secs(23 * 3600));
    post.ses.asked();
    logged();
    assert!(post.is_done(&verification).await);
    skipped(&post, "too_old");
    assert_eq!(
        Clock::Manual(post.app.clock.clone()).now(),
        BEGINNING + 86400
    );
}
