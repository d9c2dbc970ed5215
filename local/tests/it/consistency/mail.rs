//! What feeds the function `mailer`, as template.yaml says: what ends there, and how.

use std::time::Duration;

use mailer::Mailer;
use serde_json::{Value, json};
use shared::aws::OPERATION_TIMEOUT;
use shared::domain::Purpose;

use crate::support::app::{template, template_document};

fn mailer(mail_from: &str) -> Value {
    let template = template([("MailFrom", mail_from)]);
    template.resources()["Mailer"]["Properties"].clone()
}

#[test]
fn records_of_the_stream_end_in_the_queue_if_no_mail_can_be_sent_for_an_hour() {
    let mailer = mailer("no-reply@example.com");
    let stream = &mailer["Events"]["Stream"]["Properties"];
    let queue = json!({"Fn::GetAtt": "FailedMails.Arn"});
    let on_failure = json!({"OnFailure": {"Type": "SQS", "Destination": queue}});
    assert_eq!(stream["DestinationConfig"], on_failure);
    assert_eq!(
        stream["FunctionResponseTypes"],
        json!(["ReportBatchItemFailures"])
    );
    assert_eq!(stream["BisectBatchOnFunctionError"], true);
    // A record that waits holds up those behind it, of the same tenth of the keys.
    assert_eq!(stream["ParallelizationFactor"], 10);
    assert_eq!(stream["StartingPosition"], "TRIM_HORIZON");
    // Lambda's own default is without end.
    assert!((1..=10_000).contains(&stream["MaximumRetryAttempts"].as_u64().unwrap()));
    let shortest = Purpose::ALL.iter().map(|purpose| purpose.seconds()).min();
    assert_eq!(stream["MaximumRecordAgeInSeconds"].as_u64(), shortest);

    let filters = stream["FilterCriteria"]["Filters"].as_array().unwrap();
    let [filter] = &filters[..] else {
        panic!("{filters:?}")
    };
    let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
    let asks_for_mail = json!({
        "eventName": ["INSERT"], "dynamodb": {"NewImage": {"mail": {"S": [{"exists": true}]}}},
    });
    assert_eq!(pattern, asks_for_mail);

    // So do the calls of EventBridge, and what it could not pass on.
    assert_eq!(mailer["EventInvokeConfig"]["DestinationConfig"], on_failure);
    let feedback = &mailer["Events"]["Feedback"]["Properties"];
    assert_eq!(feedback["DeadLetterConfig"], json!({ "Arn": queue }));
    assert!(feedback["RetryPolicy"]["MaximumRetryAttempts"].is_u64());
}

#[test]
fn a_record_that_begins_late_has_the_time_that_it_may_take() {
    let timeout = Duration::from_secs(mailer("")["Timeout"].as_u64().unwrap());
    assert!(timeout >= 2 * Mailer::RESERVE, "{timeout:?}");
    // Eight seconds for all tries of a letter.
    let work = OPERATION_TIMEOUT * Mailer::STORE_REQUESTS;
    let letters = Duration::from_secs(8) * Mailer::LETTERS;
    assert!(Mailer::RESERVE > work + letters, "{work:?}, {letters:?}");
}

#[test]
fn without_an_address_to_send_from_nothing_is_fed_and_nothing_of_ses_is_made() {
    for (from, on) in [("", false), ("no-reply@example.com", true)] {
        let mailer = mailer(from);
        let state = if on { "ENABLED" } else { "DISABLED" };
        assert_eq!(mailer["Events"]["Stream"]["Properties"]["Enabled"], on);
        assert_eq!(mailer["Events"]["Feedback"]["Properties"]["State"], state);
        let template = template([("MailFrom", from)]);
        for id in ["MailConfiguration", "MailFeedback"] {
            assert_eq!(template.resources().contains_key(id), on, "{id}");
        }
    }
}

#[test]
fn ses_follows_no_link_and_tells_only_of_mails_that_come_back() {
    let template = template([("MailFrom", "no-reply@example.com")]);
    let set = &template.resources()["MailConfiguration"]["Properties"];
    assert_eq!(set["DeliveryOptions"], json!({"TlsPolicy": "REQUIRE"}));
    assert!(set["TrackingOptions"].is_null());
    let off = json!({"EngagementMetrics": "DISABLED"});
    assert_eq!(set["VdmOptions"]["DashboardOptions"], off);
    let feedback = &template.resources()["MailFeedback"]["Properties"]["EventDestination"];
    assert_eq!(
        feedback["MatchingEventTypes"],
        json!(["bounce", "complaint"])
    );
    assert_eq!(feedback["Enabled"], true);
    let rule = &template.resources()["Mailer"]["Properties"]["Events"]["Feedback"];
    let pattern = &rule["Properties"]["Pattern"];
    assert_eq!(pattern["source"], json!(["aws.ses"]));
    let of_ours = json!({"ses:configuration-set": ["MailConfiguration"]});
    assert_eq!(pattern["detail"]["mail"]["tags"], of_ours);
}

#[test]
fn links_to_a_domain_that_is_switched_off_are_not_deployed() {
    let document = template_document();
    let rule = &document.value()["Rules"]["LinksNeedAHostThatAnswers"];
    let disabled = json!({"Fn::Equals": [{"Ref": "DisableExecuteApiEndpoint"}, "true"]});
    assert_eq!(rule["RuleCondition"], disabled);
    let is_empty = |name: &str| json!({"Fn::Equals": [{"Ref": name}, ""]});
    let assertion = json!({
        "Fn::Or": [is_empty("MailFrom"), {"Fn::Not": [is_empty("LinkBase")]}],
    });
    assert_eq!(rule["Assertions"][0]["Assert"], assertion);
}

#[test]
fn links_lead_to_the_api_s_own_pages_unless_a_parameter_says_otherwise() {
    let document = template_document();
    let mailer = &document.value()["Resources"]["Mailer"]["Properties"];
    let base = &mailer["Environment"]["Variables"]["LINK_BASE"]["Fn::If"];
    let own = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/pages";
    assert_eq!(
        *base,
        json!(["HasLinkBase", {"Ref": "LinkBase"}, {"Fn::Sub": own}])
    );
}
