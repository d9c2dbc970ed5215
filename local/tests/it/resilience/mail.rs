//! What happens to mails if SES, DynamoDB or the stream fails: each fault of the table in
//! docs/security.md.

use aws_sdk_dynamodb::types::AttributeValue;
use mailer::{Mailer, MailerError};
use serde_json::{Value, json};
use shared::aws::batch::Invocation;
use shared::platform::Clock;
use testkit::dynamodb::Fault as StoreFault;
use testkit::ses::Fault;

use crate::support::app::text;
use crate::support::log::logged_by_mailer as logged;
use crate::support::post::{Post, Taken, of_address};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

/// Returns names and reasons of the events since the last call.
fn told() -> Vec<(String, String)> {
    let events = logged().into_iter();
    let events = events.filter(|line| line.get("event").is_some());
    let events = events.map(|event| {
        let reason = event["reason"].as_str().unwrap_or_default();
        (text(&event, "event"), reason.to_owned())
    });
    events.collect()
}

async fn with_ada() -> (Post, String) {
    let post = Post::start().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    logged();
    (post, text(&ada, "id"))
}

/// Returns the tokens of mails, each different.
fn tokens(mails: &[Taken]) -> Vec<&str> {
    let mut tokens: Vec<_> = mails.iter().filter_map(|it| it.token.as_deref()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_ses_refuses_is_not() {
    let (post, _) = with_ada().await;
    // The fault, whether Lambda tries again, the event, its reason, and the requests to SES.
    for (fault, again, event, reason, requests) in [
        (Fault::Throttled, true, "mail_failed", "throttled", 2),
        (
            Fault::UnlistedThrottled,
            true,
            "mail_failed",
            "throttled",
            2,
        ),
        (Fault::Broken, true, "mail_failed", "fault", 2),
        (Fault::Silence, true, "mail_failed", "timeout", 2),
        (
            Fault::Suspended,
            true,
            "mail_failed",
            "account_suspended",
            1,
        ),
        (Fault::Paused, true, "mail_failed", "sending_paused", 1),
        (
            Fault::DomainNotVerified,
            true,
            "mail_failed",
            "domain_not_verified",
            1,
        ),
        (Fault::NotFound, true, "mail_failed", "not_found", 1),
        (Fault::Denied, true, "mail_failed", "access_denied", 1),
        (
            Fault::Rejected,
            false,
            "mail_rejected",
            "message_rejected",
            1,
        ),
        (
            Fault::NotVerified,
            false,
            "mail_rejected",
            "not_verified",
            1,
        ),
        (
            Fault::SenderNotVerified,
            true,
            "mail_failed",
            "not_verified",
            1,
        ),
        (Fault::BadRequest, false, "mail_rejected", "bad_request", 1),
        (Fault::Unlisted, false, "mail_rejected", "bad_request", 1),
    ] {
        let record = post.record(&of_address(ADA), "password_reset", &[]);
        post.ses.inject(&[fault, fault]);
        logged();
        assert_eq!(post.is_done(&record).await, !again, "{fault:?}");
        let lines = logged();
        let events = lines.iter().filter(|line| line.get("event").is_some());
        let events: Vec<_> = events
            .map(|line| (&line["event"], &line["reason"]))
            .collect();
        assert_eq!(events, [(&json!(event), &json!(reason))], "{fault:?}");
        let passes = ["throttled", "fault", "timeout"].contains(&reason);
        let operators = again && !passes;
        let advised = lines.iter().any(|line| {
            line["level"] == "ERROR" && line["advice"].as_str().is_some_and(|it| it.len() > 40)
        });
        assert_eq!(advised, operators, "{fault:?}: {lines:?}");
        let request = lines.last().unwrap();
        let metric = if again {
            "mails_failed"
        } else {
            "mails_rejected"
        };
        assert_eq!(request[metric], 1, "{fault:?}: {request}");
        assert_eq!(post.ses.asked(), requests, "{fault:?}");
        assert_eq!(post.taken().len(), 0, "{fault:?}");

        // Then SES answers again.
        post.ses.inject(&[]);
        if again {
            assert!(post.is_done(&record).await, "{fault:?}");
            let mail = post.one();
            post.link(&mail).await;
            post.ses.asked();
        }
    }
}

#[tokio::test]
async fn a_passing_fault_is_hidden_by_the_second_try() {
    let (post, _) = with_ada().await;
    for fault in [Fault::Throttled, Fault::Broken, Fault::Silence] {
        let record = post.record(&of_address(ADA), "password_reset", &[]);
        post.ses.inject(&[fault]);
        assert!(post.is_done(&record).await, "{fault:?}");
        post.link(&post.one()).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_sends_the_mail_twice_and_its_link_works() {
    let (post, _) = with_ada().await;
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    post.ses.inject(&[Fault::AnswerLost]);
    assert!(post.is_done(&record).await);
    let mails = post.taken();
    assert_eq!((mails.len(), tokens(&mails).len()), (2, 1));
    post.link(&mails[0]).await;
}

#[tokio::test]
async fn an_answer_that_comes_late_is_awaited_no_longer_than_the_timeout() {
    let (post, _) = with_ada().await;
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    post.ses.inject(&[Fault::Held, Fault::Silence]);
    let (done, ()) = tokio::join!(post.is_done(&record), post.ses.held());
    assert!(!done);
    // SES takes the mail of the first try after all, and Lambda tries again.
    post.ses.release();
    while post.ses.asked() < 1 {
        tokio::task::yield_now().await;
    }
    assert!(post.is_done(&record).await);
    let mails = post.taken();
    assert!((1..=2).contains(&mails.len()), "{mails:?}");
    for mail in &mails {
        post.link(mail).await;
    }
}

#[tokio::test]
async fn a_record_that_comes_twice_sends_two_mails_whose_links_are_good_until_one_is_used() {
    let (post, _) = with_ada().await;
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    assert_eq!(post.deliver(&[&record, &record]).await, [""; 0]);
    let mails = post.taken();
    assert_eq!((mails.len(), tokens(&mails).len()), (2, 2));
    let link = post.link(&mails[0]).await;
    assert_eq!(post.link(&mails[1]).await.id, link.id);
    assert_eq!(link.hashes.len(), 2);

    post.use_link(&link).await;
    post.ses.asked();
    logged();
    assert!(post.is_done(&record).await);
    assert_eq!(told(), [("mail_skipped".to_owned(), "used".to_owned())]);
    assert_eq!(post.ses.asked(), 0);
}

#[tokio::test]
async fn however_often_a_record_comes_the_last_links_are_good() {
    let (post, _) = with_ada().await;
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    for _ in 0..11 {
        assert!(post.is_done(&record).await);
    }
    let mails = post.taken();
    assert_eq!(mails.len(), 11);
    let link = post.link(&mails[10]).await;
    assert!(link.hashes.len() <= 8);
}

#[tokio::test]
async fn a_record_that_comes_again_after_the_password_changed_revives_no_earlier_link() {
    let (post, id) = with_ada().await;
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    assert!(post.is_done(&record).await);
    let before = post.one();
    let old = post.link(&before).await;
    let epoch = AttributeValue::N("2".to_owned());
    post.app.set_attribute(&id, "password_epoch", epoch).await;
    assert!(post.is_done(&record).await);
    let link = post.link(&post.one()).await;
    assert_eq!((link.id, link.password_epoch), (old.id, 2));
    assert_eq!(link.hashes.len(), 1);
    assert!(!link.hashes.contains(&old.hashes[0]));
}

/// Returns a request for a change of address, of Ada's account to Eve's address.
async fn change_of_address(post: &Post, id: &str) -> Value {
    let link = post.ask_for_change(id, ADA, EVE, 1).await.to_string();
    post.record(&format!("USER#{id}"), "email_change", &[("link", &link)])
}

fn addresses(mails: &[Taken]) -> Vec<&str> {
    mails.iter().map(|mail| mail.to.as_str()).collect()
}

#[tokio::test]
async fn if_the_notice_of_a_change_of_address_fails_only_the_notice_is_tried_again() {
    let (post, id) = with_ada().await;
    for (letter, links) in [(Fault::Passes, 1), (Fault::Rejected, 0)] {
        let record = change_of_address(&post, &id).await;
        post.ses
            .inject(&[letter, Fault::Throttled, Fault::Throttled]);
        assert!(!post.is_done(&record).await);
        let first = post.taken();
        assert_eq!(addresses(&first), [EVE].repeat(links));
        for _ in 0..3 {
            post.ses.asked();
            post.ses.inject(&[Fault::Broken; 2]);
            assert!(!post.is_done(&record).await);
            assert_eq!((post.ses.asked(), post.taken().len()), (2, 0));
        }
        assert!(post.is_done(&record).await);
        assert_eq!(addresses(&post.taken()), [ADA]);
        for mail in &first {
            assert_eq!(post.link(mail).await.hashes.len(), 1);
        }
        post.app.clock.advance(std::time::Duration::from_millis(1));
    }
}

#[tokio::test]
async fn if_the_letter_of_a_change_of_address_fails_no_notice_goes_out_before_it() {
    let (post, id) = with_ada().await;
    let record = change_of_address(&post, &id).await;
    post.ses.inject(&[Fault::Throttled; 2]);
    assert!(!post.is_done(&record).await);
    assert!(post.taken().is_empty());
    assert!(post.is_done(&record).await);
    let mails = post.taken();
    assert_eq!(addresses(&mails), [EVE, ADA]);
    post.link(&mails[0]).await;
}

#[tokio::test]
async fn if_the_notice_and_dynamodb_fail_both_letters_come_again() {
    let (post, id) = with_ada().await;
    let record = change_of_address(&post, &id).await;
    // The secret is stored. The count of the notice is not, nor that the letter was sent.
    let mut faults = vec![StoreFault::Passes];
    faults.extend([StoreFault::Broken; 6]);
    post.proxy.inject("UpdateItem", &faults);
    assert!(!post.is_done(&record).await);
    let first = post.taken();
    assert_eq!(addresses(&first), [EVE]);
    post.proxy.inject("UpdateItem", &[]);
    assert!(post.is_done(&record).await);
    let mails = post.taken();
    assert_eq!(addresses(&mails), [EVE, ADA]);
    // Both links are good.
    post.link(&first[0]).await;
    post.link(&mails[0]).await;
}

#[tokio::test]
async fn records_of_different_keys_may_come_in_any_order() {
    let (post, id) = with_ada().await;
    let eve = post.app.register(EVE).await.expect(201).json();
    let records = [
        post.record(&of_address(ADA), "password_reset", &[]),
        post.record(&format!("USER#{}", text(&eve, "id")), "new_source", &[]),
        post.record(&of_address(EVE), "password_reset", &[]),
        post.record(&format!("USER#{id}"), "password_changed", &[]),
    ];
    let backwards: Vec<_> = records.iter().rev().collect();
    assert_eq!(post.deliver(&backwards).await, [""; 0]);
    let to: Vec<_> = post.taken().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [ADA, EVE, EVE, ADA]);
}

#[tokio::test]
async fn a_batch_ends_at_the_first_record_that_has_to_be_repeated() {
    let (post, _) = with_ada().await;
    post.app.register(EVE).await.expect(201);
    let records = [ADA, EVE, ADA].map(|to| post.record(&of_address(to), "password_reset", &[]));
    post.ses.inject(&[Fault::Passes, Fault::Paused]);
    let again = post.deliver(&records.iter().collect::<Vec<_>>()).await;
    assert_eq!(again, [text(&records[1]["dynamodb"], "SequenceNumber")]);
    let to: Vec<_> = post.taken().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [ADA]);
    // Lambda repeats from there on.
    assert_eq!(post.deliver(&[&records[1], &records[2]]).await, [""; 0]);
    let to: Vec<_> = post.taken().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [EVE, ADA]);
}

#[tokio::test]
async fn a_mail_that_ses_refuses_and_a_record_that_is_unreadable_block_no_other() {
    let (post, _) = with_ada().await;
    let refused = post.record(&of_address(ADA), "password_reset", &[]);
    let mut later_version = refused.clone();
    later_version["dynamodb"]["NewImage"]["mail"] = json!({"S": "of_a_later_version"});
    let mut malformed = refused.clone();
    malformed["dynamodb"]["NewImage"] = json!({"mail": {"S": "registration"}, "pk": 7});
    let mut of_no_mail = refused.clone();
    of_no_mail["dynamodb"]["NewImage"]
        .as_object_mut()
        .unwrap()
        .remove("mail");
    let mut removed = refused.clone();
    removed["dynamodb"]
        .as_object_mut()
        .unwrap()
        .remove("NewImage");
    let last = post.record(&of_address(ADA), "password_reset", &[]);
    post.ses.inject(&[Fault::Rejected]);
    logged();
    let batch = [
        &refused,
        &later_version,
        &malformed,
        &of_no_mail,
        &removed,
        &last,
    ];
    assert_eq!(post.deliver(&batch).await, [""; 0]);
    let expected = [
        ("mail_rejected", "message_rejected"),
        ("mail_rejected", "unreadable"),
        ("mail_rejected", "unreadable"),
        ("mail_sent", ""),
    ];
    assert_eq!(told(), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(post.taken().len(), 1);
}

#[tokio::test]
async fn without_time_for_another_record_the_rest_is_left_to_the_next_call() {
    let (post, _) = with_ada().await;
    let records = [1, 2].map(|_| post.record(&of_address(ADA), "password_reset", &[]));
    let event = json!({ "Records": records });
    let number = text(&records[1]["dynamodb"], "SequenceNumber");
    let second = json!({"batchItemFailures": [{"itemIdentifier": number}]});
    let now = Clock::System.millis();
    // Lambda ends the function soon, or in a minute; or nobody does.
    for (deadline, left, sent) in [
        (now + 20_000, second, 1),
        (now + 60_000, json!({"batchItemFailures": []}), 2),
        (0, json!({"batchItemFailures": []}), 2),
    ] {
        let call = Invocation::in_lambda("r-1".to_owned(), deadline, Mailer::RESERVE);
        let answer = post.mailer.handle(&event, call).await.unwrap();
        assert_eq!(answer, left);
        assert_eq!(post.taken().len(), sent);
    }
}

#[tokio::test]
async fn while_dynamodb_fails_nothing_is_sent_and_the_record_is_tried_again() {
    let (post, _) = with_ada().await;
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    for operation in ["GetItem", "UpdateItem"] {
        for fault in [StoreFault::Broken, StoreFault::Throttled] {
            post.proxy.inject(operation, &[fault; 3]);
            logged();
            assert!(!post.is_done(&record).await, "{operation} {fault:?}");
            let expected = ("mail_failed".to_owned(), "store".to_owned());
            assert_eq!(told(), [expected], "{operation} {fault:?}");
            assert_eq!(post.ses.asked(), 0);
        }
    }
    // A secret whose writing is not known to have succeeded is not sent.
    post.proxy
        .inject("UpdateItem", &[StoreFault::AnswerLost; 3]);
    assert!(!post.is_done(&record).await);
    assert_eq!(post.ses.asked(), 0);
    assert!(post.is_done(&record).await);
    post.link(&post.one()).await;
}

#[tokio::test]
async fn an_account_that_is_unreadable_blocks_no_other() {
    let (post, id) = with_ada().await;
    let odd = AttributeValue::S("seven".to_owned());
    post.app.set_attribute(&id, "password_epoch", odd).await;
    logged();
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    assert!(post.is_done(&record).await);
    let expected = ("mail_rejected".to_owned(), "unreadable".to_owned());
    assert_eq!(told(), [expected]);
}

#[tokio::test]
async fn an_event_that_is_none_of_ours_fails_with_a_sentence() {
    let (post, _) = with_ada().await;
    for (event, expected) in [
        (json!({}), "the event is neither of a stream nor of SES"),
        (
            json!({"source": "aws.s3"}),
            "the event is neither of a stream nor of SES",
        ),
        (
            json!({"Records": [{}]}),
            "a record of the stream has no sequence number",
        ),
    ] {
        let refused = post.mailer.handle(&event, Invocation::default()).await;
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
}

/// Returns what EventBridge passes on of a mail that came back.
fn bounce(of: &Taken, kind: &str, to: &str) -> Value {
    let tags: serde_json::Map<_, _> = of
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), json!([value])))
        .collect();
    json!({
        "version": "0", "source": "aws.ses", "detail-type": "Email Bounced",
        "detail": {
            "eventType": "Bounce",
            "bounce": {
                "bounceType": kind, "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": to, "status": "5.1.1"}],
            },
            "mail": {"messageId": "1", "destination": [to], "tags": tags},
        },
    })
}

fn complaint(of: &Taken, to: &str) -> Value {
    let mut event = bounce(of, "", to);
    event["detail-type"] = json!("Email Complaint Received");
    event["detail"]["complaint"] = json!({"complainedRecipients": [{"emailAddress": to}]});
    event
}

async fn state_of(post: &Post, email: &str) -> Option<String> {
    let accounts = post.app.items_of("ACCOUNT").await;
    let account = accounts
        .into_iter()
        .find(|item| item["email"].as_s().unwrap() == email);
    let state = account.unwrap().remove("email_state");
    state.map(|state| state.as_s().unwrap().clone())
}

#[tokio::test]
async fn an_address_whose_mail_came_back_gets_no_notices_and_still_the_links_it_asks_for() {
    let (post, id) = with_ada().await;
    let reset = post.record(&of_address(ADA), "password_reset", &[]);
    assert!(post.is_done(&reset).await);
    let mail = post.one();
    let hear = async |event: Value| post.mailer.handle(&event, Invocation::default()).await;

    // A full mailbox, and a mail to another address.
    hear(bounce(&mail, "Transient", ADA)).await.unwrap();
    assert_eq!(state_of(&post, ADA).await, None);
    logged();
    hear(bounce(&mail, "Permanent", EVE)).await.unwrap();
    assert_eq!(state_of(&post, ADA).await, None);
    assert_eq!(told(), [("mail_bounced".to_owned(), String::new())]);

    for (event, name, state) in [
        (
            bounce(&mail, "Permanent", "ADA@example.com"),
            "mail_bounced",
            "bounced",
        ),
        (complaint(&mail, ADA), "mail_complained", "complained"),
    ] {
        logged();
        hear(event).await.unwrap();
        assert_eq!(state_of(&post, ADA).await.as_deref(), Some(state));
        let lines = logged();
        let [told, request] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(
            (&told["event"], &told["user_id"]),
            (&json!(name), &json!(id))
        );
        assert_eq!(told["by"], "password_reset");
        let metric = name.replace("mail_", "mails_");
        assert_eq!(request[metric], 1, "{request}");
    }
    let rows = post.events_of(&id).await;
    for name in ["mail_bounced", "mail_complained"] {
        assert!(rows.iter().any(|row| row == name), "{rows:?}");
    }

    logged();
    let notice = post.record(&format!("USER#{id}"), "password_changed", &[]);
    assert!(post.is_done(&notice).await);
    assert_eq!(
        told(),
        [("mail_skipped".to_owned(), "unreachable".to_owned())]
    );
    assert!(post.is_done(&reset).await);
    // Whoever reads it can set a password, and so has proven that the address takes mail.
    let token = post.one().token.unwrap();
    let body = json!({"token": token, "new_password": "another good password"});
    let reset = post.app.post("/password/reset", body);
    reset.send().await.expect(204);
    assert_eq!(state_of(&post, ADA).await, None);
}

#[tokio::test]
async fn a_mail_that_came_back_of_an_account_that_is_gone_is_only_counted() {
    let (post, _) = with_ada().await;
    let id = post.register(EVE).await;
    let record = post.record(&of_address(EVE), "registration", &[("pending", &id)]);
    assert!(post.is_done(&record).await);
    let mail = post.one();
    let items = post.app.all_items().await.len();
    logged();
    let event = bounce(&mail, "Permanent", EVE);
    let heard = post.mailer.handle(&event, Invocation::default()).await;
    assert_eq!(heard.unwrap(), Value::Null);
    assert_eq!(told(), [("mail_bounced".to_owned(), String::new())]);
    assert_eq!(post.app.all_items().await.len(), items);
}

#[tokio::test]
async fn while_dynamodb_fails_news_of_ses_is_given_back_to_lambda() {
    let (post, _) = with_ada().await;
    let record = post.record(&of_address(ADA), "password_reset", &[]);
    assert!(post.is_done(&record).await);
    let event = bounce(&post.one(), "Permanent", ADA);
    for operation in ["GetItem", "UpdateItem", "PutItem"] {
        post.proxy.inject(operation, &[StoreFault::Broken; 3]);
        let heard = post.mailer.handle(&event, Invocation::default()).await;
        assert!(matches!(heard, Err(MailerError::Store(_))), "{operation}");
    }
    post.mailer
        .handle(&event, Invocation::default())
        .await
        .unwrap();
    assert_eq!(state_of(&post, ADA).await.as_deref(), Some("bounced"));
}
