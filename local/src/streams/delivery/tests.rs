use std::cell::RefCell;

use anyhow::bail;
use shared::platform::clock::ManualClock;

use super::*;

const NOW: u64 = 1_800_000_000;

fn record(n: u64) -> Record {
    Record {
        json: json!(n),
        sequence_number: n.to_string(),
        written_at: NOW,
    }
}

fn mapping() -> Mapping {
    Mapping {
        function: "mailer".to_owned(),
        name: "mailer.Events".to_owned(),
        table: "EventTable".to_owned(),
        filters: Vec::new(),
        batch_size: 10,
        from_the_start: true,
        reports_items: true,
        bisects: false,
        retries: Some(2),
        max_age: Some(3600),
        destination: Some("LostMails.Arn".to_owned()),
        timeout: Duration::from_secs(10),
    }
}

/// What happened in a delivery of the records 1 to 4.
struct Seen {
    outcome: Outcome,
    /// The records of each call.
    calls: Vec<Vec<u64>>,
    progress: Vec<String>,
    lost: Vec<Lost>,
}

/// Delivers the records 1 to 4. `answer` gets how many calls there were before, and the records.
async fn deliver(
    mapping: Mapping,
    phase: Phase,
    answer: impl Fn(usize, &[u64]) -> anyhow::Result<Value>,
) -> Seen {
    let (_sender, phases) = watch::channel(phase);
    let delivery = Delivery {
        mapping,
        clock: Clock::Manual(ManualClock::at(NOW)),
        lost: AllLost::default(),
        phases,
    };
    let (calls, mut progress) = (RefCell::new(Vec::new()), Vec::new());
    let call = |event: Value| {
        let records = event["Records"].as_array().unwrap().iter();
        let records: Vec<u64> = records.map(|record| record.as_u64().unwrap()).collect();
        let before = calls.borrow().len();
        calls.borrow_mut().push(records.clone());
        let answer = answer(before, &records);
        async move { answer }
    };
    let mut records: Vec<_> = (1..=4).map(record).collect();
    // Too old where a test says so.
    if delivery.mapping.batch_size == 1 {
        records[0].written_at = NOW - 3601;
    }
    let outcome = delivery
        .deliver(records, call, |reached| progress.push(reached.to_owned()))
        .await;
    let lost = delivery.lost.lock().unwrap().clone();
    Seen {
        outcome,
        calls: calls.into_inner(),
        progress,
        lost,
    }
}

fn failed(records: &[u64]) -> anyhow::Result<Value> {
    let items = records
        .iter()
        .map(|n| json!({ "itemIdentifier": n.to_string() }));
    Ok(json!({ "batchItemFailures": items.collect::<Vec<_>>() }))
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_is_tried_again_until_it_passes_or_its_retries_are_used_up() {
    let seen = deliver(mapping(), Phase::Running, |before, _| match before {
        0 => bail!("down"),
        _ => Ok(Value::Null),
    })
    .await;
    assert_eq!(seen.calls, vec![vec![1, 2, 3, 4]; 2]);
    assert_eq!(seen.progress, ["4"]);
    assert!(seen.lost.is_empty());

    let seen = deliver(mapping(), Phase::Running, |_, _| bail!("down")).await;
    assert_eq!(seen.outcome, Outcome::Done);
    assert_eq!(seen.calls.len(), 3);
    assert_eq!(seen.progress, ["4"]);
    assert_eq!(
        seen.lost,
        [Lost {
            function: "mailer".to_owned(),
            condition: "RetryAttemptsExhausted",
            first: "1".to_owned(),
            last: "4".to_owned(),
            count: 4,
            destination: Some("LostMails.Arn".to_owned()),
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_records_from_the_first_failed_one_on_are_tried_again() {
    let seen = deliver(mapping(), Phase::Running, |before, _| match before {
        0 => failed(&[4, 3]),
        _ => Ok(json!({"batchItemFailures": []})),
    })
    .await;
    assert_eq!(seen.calls, [vec![1, 2, 3, 4], vec![3, 4]]);
    assert_eq!(seen.progress, ["2", "4"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_names_no_record_of_the_batch_means_that_all_failed() {
    for wrong in [
        json!([{"itemIdentifier": "9"}]),
        json!([{"itemIdentifier": null}]),
        json!([{"other": "3"}, {"itemIdentifier": "3"}]),
        json!("3"),
    ] {
        let seen = deliver(mapping(), Phase::Running, |before, _| match before {
            0 => Ok(json!({ "batchItemFailures": wrong })),
            _ => Ok(json!({})),
        })
        .await;
        assert_eq!(seen.calls, vec![vec![1, 2, 3, 4]; 2], "{wrong}");
    }
    // Unless the mapping asks for it, nobody reads it.
    let silent = Mapping {
        reports_items: false,
        ..mapping()
    };
    let seen = deliver(silent, Phase::Running, |_, _| failed(&[1])).await;
    assert_eq!(seen.calls.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn bisecting_finds_the_one_record_that_fails_and_delivers_the_others_in_order() {
    let bisecting = || Mapping {
        bisects: true,
        retries: Some(1),
        ..mapping()
    };
    let seen = deliver(bisecting(), Phase::Running, |_, records| {
        if records.contains(&3) {
            bail!("poison");
        }
        Ok(Value::Null)
    })
    .await;
    let calls: [&[u64]; 6] = [&[1, 2, 3, 4], &[1, 2], &[3, 4], &[3], &[3], &[4]];
    assert_eq!(seen.calls, calls);
    assert_eq!(seen.progress, ["2", "3", "4"]);
    assert_eq!((seen.lost.len(), seen.lost[0].count), (1, 1));
    assert_eq!(seen.lost[0].first, "3");

    // The same if the function reports it.
    let seen = deliver(bisecting(), Phase::Running, |_, records| {
        if records.contains(&3) {
            return failed(&[3]);
        }
        Ok(Value::Null)
    })
    .await;
    let calls: [&[u64]; 5] = [&[1, 2, 3, 4], &[3, 4], &[3], &[3], &[4]];
    assert_eq!(seen.calls, calls);
    assert_eq!(seen.progress, ["2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_too_old_are_given_up_without_a_call() {
    let old_first = Mapping {
        batch_size: 1,
        ..mapping()
    };
    let seen = deliver(old_first, Phase::Running, |_, _| Ok(Value::Null)).await;
    assert_eq!(seen.calls, [[2, 3, 4]]);
    assert_eq!(seen.progress, ["1", "4"]);
    assert_eq!(seen.lost[0].condition, "RecordAgeExceeded");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_takes_longer_than_its_timeout_has_failed() {
    let (_sender, phases) = watch::channel(Phase::Running);
    let delivery = Delivery {
        mapping: mapping(),
        clock: Clock::Manual(ManualClock::at(NOW)),
        lost: AllLost::default(),
        phases,
    };
    let forever = |_| std::future::pending();
    let outcome = delivery.deliver(vec![record(1)], forever, |_| {}).await;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(delivery.lost.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_each_batch_is_tried_once_and_the_rest_is_left_for_the_next_start() {
    let seen = deliver(mapping(), Phase::Draining, |_, _| failed(&[3])).await;
    assert_eq!(seen.outcome, Outcome::Interrupted);
    assert_eq!(seen.calls.len(), 1);
    assert_eq!(seen.progress, ["2"]);
    assert!(seen.lost.is_empty());
}
