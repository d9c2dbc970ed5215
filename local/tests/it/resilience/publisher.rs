//! What happens to published events if EventBridge or the stream fails.

use std::time::Duration;

use publisher::PublisherError;
use serde_json::{Value, json};
use shared::aws::batch::Invocation;
use shared::platform::Clock;
use testkit::event_bridge::Fault;

use crate::support::log::logged_by_publisher as logged;
use crate::support::press::{Press, account, ids};

/// The same fault in each try of the SDK and of the function.
fn always(fault: Fault) -> [Fault; 6] {
    [fault; 6]
}

#[tokio::test]
async fn while_eventbridge_fails_a_batch_stays_where_it_is_and_says_why() {
    let press = Press::start().await;
    let records: Vec<_> = (1..=3)
        .map(|n| press.record(account(n), "registered"))
        .collect();
    // The fault, its reason, whether an operator has to act, and the requests.
    for (fault, reason, is_for_operators, requests) in [
        (Fault::Broken, "fault", false, 2),
        (Fault::Throttled, "throttled", false, 2),
        (Fault::Silence, "timeout", false, 2),
        (Fault::Nonsense, "no_answer", false, 1),
        (Fault::Denied, "access_denied", true, 1),
        (Fault::NoBus, "no_bus", true, 1),
        (Fault::Invalid, "bad_request", true, 1),
    ] {
        press.bridge.inject(&always(fault));
        press.bridge.asked();
        logged();
        // For an hour it is the same each time: then Lambda tells FailedEvents.
        assert_eq!(press.deliver(&records).await, Some(0), "{fault:?}");
        assert_eq!(press.bridge.asked().len(), requests, "{fault:?}");
        assert!(press.taken().is_empty(), "{fault:?}");
        let lines = logged();
        let told = lines
            .iter()
            .find(|line| line["reason"].is_string())
            .unwrap();
        assert_eq!(told["reason"], reason, "{fault:?}");
        let advice = told["advice"].as_str().unwrap_or_default();
        assert_eq!(advice.len() > 40, is_for_operators, "{told}");
        let level = if is_for_operators { "ERROR" } else { "WARN" };
        assert_eq!(told["level"], level, "{fault:?}");
        assert_eq!(lines.last().unwrap()["events_failed"], 3, "{fault:?}");
    }
    press.bridge.inject(&[]);
    assert_eq!(press.deliver(&records).await, None);
    assert_eq!(press.taken(), ids(&records.iter().collect::<Vec<_>>()));
}

#[tokio::test]
async fn what_eventbridge_did_not_take_is_tried_again_without_the_others() {
    let press = Press::start().await;
    let records: Vec<_> = (1..=3)
        .map(|n| press.record(account(n), "registered"))
        .collect();
    let [a, b, c] = &records[..] else { panic!() };
    press.bridge.inject(&[
        Fault::Entries(&[None, Some("ThrottlingException"), None]),
        Fault::Entries(&[Some("InternalFailure")]),
    ]);
    assert_eq!(press.deliver(&records).await, None);
    assert_eq!(press.taken(), ids(&[a, c, b]));
    assert_eq!(
        press.bridge.asked(),
        [ids(&[a, b, c]), ids(&[b]), ids(&[b])]
    );

    // If it lasts, Lambda repeats from there on, and not what lies before.
    const THROTTLED: Option<&str> = Some("ThrottlingException");
    press.bridge.inject(&[
        Fault::Entries(&[None, THROTTLED, None]),
        Fault::Entries(&[THROTTLED]),
        Fault::Entries(&[THROTTLED]),
    ]);
    logged();
    assert_eq!(press.deliver(&records).await, Some(1));
    assert_eq!(press.taken(), ids(&[a, c]));
    let lines = logged();
    let line = lines.last().unwrap();
    assert_eq!(line["events_published"], 2);
    assert_eq!(line["events_failed"], 1);
    assert_eq!(press.deliver(&records[1..]).await, None);
    // The last one came twice, with the same id.
    assert_eq!(press.taken(), ids(&[b, c]));
}

#[tokio::test]
async fn what_is_bound_to_be_refused_or_is_unreadable_is_counted_and_blocks_no_other() {
    let press = Press::start().await;
    let mut records: Vec<_> = (1..=3)
        .map(|n| press.record(account(n), "registered"))
        .collect();
    records[0]["dynamodb"]["NewImage"]["event"]["S"] = json!("of_a_later_version");
    press
        .bridge
        .inject(&[Fault::Entries(&[Some("MalformedDetail"), None])]);
    logged();
    assert_eq!(press.deliver(&records).await, None);
    assert_eq!(press.taken(), ids(&[&records[2]]));
    let lines = logged();
    let errors = lines.iter().filter(|line| line["level"] == "ERROR");
    assert_eq!(errors.count(), 2, "{lines:?}");
    let line = lines.last().unwrap();
    assert_eq!(line["events_rejected"], 2);
    assert_eq!(line["events_published"], 1);
}

#[tokio::test]
async fn the_events_of_an_account_are_put_one_after_the_other_in_their_order() {
    let press = Press::start().await;
    let (a, b) = (account(1), account(2));
    let record = |account, event| press.record(account, event);
    let records = [
        record(a, "registered"),
        record(a, "logged_in"),
        record(b, "registered"),
        record(a, "password_changed"),
        record(b, "logged_in"),
    ];
    let [a1, a2, b1, a3, b2] = &records;
    assert_eq!(press.deliver(&records).await, None);
    let asked = press.bridge.asked();
    assert_eq!(asked, [ids(&[a1, b1]), ids(&[a2, b2]), ids(&[a3])]);
    press.taken();

    // What follows an event of the account waits for it, if it fails.
    const FAILED: Option<&str> = Some("InternalFailure");
    press.bridge.inject(&[
        Fault::Entries(&[FAILED, None]),
        Fault::Entries(&[FAILED]),
        Fault::Entries(&[FAILED]),
    ]);
    assert_eq!(press.deliver(&records).await, Some(0));
    assert_eq!(press.taken(), ids(&[b1]));
    assert_eq!(press.deliver(&records).await, None);
    let taken = press.taken();
    let of_a = |id: &&String| ids(&[a1, a2, a3]).contains(*id);
    let of_a: Vec<_> = taken.iter().filter(of_a).cloned().collect();
    assert_eq!(of_a, ids(&[a1, a2, a3]));
}

#[tokio::test]
async fn an_event_that_is_delivered_twice_or_whose_answer_is_lost_has_the_same_id_each_time() {
    let press = Press::start().await;
    let records = [press.record(account(1), "account_deleted")];
    press.bridge.inject(&[Fault::AnswerLost]);
    assert_eq!(press.deliver(&records).await, None);
    assert_eq!(press.deliver(&records).await, None);
    let taken = press.bridge.taken();
    assert_eq!(taken.len(), 3);
    // Not only the id: the whole.
    assert!(taken.iter().all(|entry| *entry == taken[0]), "{taken:?}");
}

#[tokio::test]
async fn a_batch_whose_time_is_over_goes_on_with_the_next_call() {
    let press = Press::start().await;
    let records: Vec<_> = (0..3)
        .map(|_| press.record(account(1), "logged_in"))
        .collect();
    // There is less time left than one request may take.
    let soon = Clock::System.millis() + 1000;
    let over = || Invocation::in_lambda(String::new(), soon, Duration::from_secs(60));
    assert_eq!(press.deliver_until(&records, over()).await, Some(1));
    assert_eq!(press.deliver_until(&records[1..], over()).await, Some(1));
    assert_eq!(press.deliver_until(&records[2..], over()).await, None);
    assert_eq!(press.taken(), ids(&records.iter().collect::<Vec<_>>()));
}

#[tokio::test]
async fn what_is_no_batch_of_the_stream_is_given_back_to_lambda() {
    let press = Press::start().await;
    let handle = |event: Value| async {
        let event = event;
        press.publisher.handle(&event, Invocation::default()).await
    };
    let unknown = handle(json!({"source": "aws.ses"})).await;
    assert!(matches!(unknown, Err(PublisherError::UnknownEvent)));
    let unnumbered = handle(json!({"Records": [{}]})).await;
    assert!(matches!(unnumbered, Err(PublisherError::NoSequenceNumber)));
    let none = handle(json!({"Records": []})).await.unwrap();
    assert_eq!(none, json!({"batchItemFailures": []}));
    assert!(press.bridge.asked().is_empty());
}
