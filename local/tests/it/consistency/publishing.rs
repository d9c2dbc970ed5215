//! What feeds the function `publisher`, as template.yaml says: what ends there, and how. And what
//! docs/events.md says of it.

use local::template::Template;
use publisher::Publisher;
use serde_json::{Value, json};
use shared::observe::AuditEvent;

use crate::support::app::{root, template};

fn publisher(template: &Template) -> &Value {
    &template.resources()["Publisher"]["Properties"]
}

#[test]
fn records_of_the_stream_end_in_the_queue_if_nothing_can_be_published_for_an_hour() {
    let template = template([("PublishEvents", "on")]);
    let stream = &publisher(&template)["Events"]["Stream"]["Properties"];
    let queue = json!({"Fn::GetAtt": "FailedEvents.Arn"});
    let on_failure = json!({"OnFailure": {"Type": "SQS", "Destination": queue}});
    assert_eq!(stream["DestinationConfig"], on_failure);
    assert_eq!(
        stream["FunctionResponseTypes"],
        json!(["ReportBatchItemFailures"])
    );
    assert_eq!(stream["BisectBatchOnFunctionError"], true);
    assert_eq!(stream["MaximumRecordAgeInSeconds"], 3600);
    // Lambda's own default is without end.
    assert!((1..=10_000).contains(&stream["MaximumRetryAttempts"].as_u64().unwrap()));
    // With more, Lambda keeps the order of a row only.
    assert_eq!(stream["ParallelizationFactor"], 1);
    // As many as a request to EventBridge takes.
    assert_eq!(stream["BatchSize"], 10);
    let filters = stream["FilterCriteria"]["Filters"].as_array().unwrap();
    let [filter] = &filters[..] else {
        panic!("{filters:?}")
    };
    let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
    let of_accounts = json!({
        "eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "USER#"}]}}},
    });
    assert_eq!(pattern, of_accounts);
    let timeout = publisher(&template)["Timeout"].as_u64().unwrap();
    assert!(timeout >= 2 * Publisher::RESERVE.as_secs(), "{timeout}");
}

#[test]
fn without_the_parameter_nothing_is_fed_and_there_is_no_bus() {
    for (value, on) in [("off", false), ("on", true)] {
        let template = template([("PublishEvents", value)]);
        let publisher = publisher(&template);
        assert_eq!(publisher["Events"]["Stream"]["Properties"]["Enabled"], on);
        assert_eq!(template.resources().contains_key("EventBus"), on);
        let variables = &template.environments()["publisher"];
        assert_eq!(variables.contains_key("EVENT_BUS"), on);
        let may_put = publisher["Policies"].to_string().contains("events:");
        assert_eq!(may_put, on);
    }
}

#[test]
fn the_role_may_put_events_of_latchkey_on_the_bus_and_nothing_else() {
    let template = template([("PublishEvents", "on")]);
    let put = json!({
        "Effect": "Allow", "Action": "events:PutEvents",
        "Resource": {"Fn::GetAtt": "EventBus.Arn"},
        "Condition": {
            "ForAllValues:StringEquals": {"events:source": "latchkey"},
            "Null": {"events:source": "false"},
        },
    });
    let policies = &publisher(&template)["Policies"];
    assert_eq!(*policies, json!([{ "Statement": [put] }]));
}

#[test]
fn the_page_on_events_lists_each_type_with_its_schema_and_no_other() {
    let page = std::fs::read_to_string(root().join("docs/events.md")).unwrap();
    let (_, listed) = page.split_once("\n## What is published\n").unwrap();
    let (listed, _) = listed.split_once("\n## ").unwrap();
    let links = listed.split("](events/").skip(1);
    let mut linked: Vec<_> = links
        .map(|rest| rest.split_once(".json)").unwrap().0)
        .collect();
    let all = AuditEvent::ALL.iter();
    let mut published: Vec<_> = all.filter_map(|event| event.published()).collect();
    linked.sort_unstable();
    published.sort_unstable();
    assert_eq!(linked, published);
    for name in published {
        assert!(
            listed.contains(&format!("[`{name}`](events/{name}.json)")),
            "{name}"
        );
    }
}
