//! Checks monitoring.yaml, which template.yaml nests: alarms and dashboard use metrics that exist,
//! and the docs have a section for each alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use local::template::document;
use serde_json::{Value, json};
use shared::observe::audit::LoginRefusal;
use shared::observe::emf::METRICS;
use shared::observe::logging::NAMESPACE_VARIABLE;

use crate::support::app::{root, text};

/// A metric that an alarm or dashboard uses: namespace, name, and the dimensions with their values.
type Seen = (String, String, BTreeMap<String, String>);

/// The namespace of our own metrics, as the nested stack writes it.
const OURS: &str = "Latchkey/${Stack}";

/// Metrics of AWS, with their dimensions ("Working with metrics for HTTP APIs", "DynamoDB Metrics
/// and dimensions", "Types of metrics for Lambda functions", "Available CloudWatch metrics for Amazon
/// SQS").
const OF_AWS: [(&str, &str, &[&str]); 14] = [
    ("AWS/ApiGateway", "4xx", &["ApiId"]),
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/ApiGateway", "Count", &["ApiId"]),
    ("AWS/ApiGateway", "Latency", &["ApiId"]),
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits", &["TableName"]),
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", &["TableName"]),
    ("AWS/DynamoDB", "ReadThrottleEvents", &["TableName"]),
    ("AWS/DynamoDB", "SystemErrors", &["Operation", "TableName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName"]),
    ("AWS/Lambda", "ConcurrentExecutions", &["FunctionName"]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "IteratorAge", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"]),
    (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        &["QueueName"],
    ),
];

fn read(name: &str) -> Value {
    document(&fs::read_to_string(root().join(name)).unwrap()).unwrap()
}

/// Returns template.yaml, the outer stack.
fn template() -> Value {
    read("template.yaml")
}

/// Returns monitoring.yaml, the nested stack.
fn nested() -> Value {
    read("monitoring.yaml")
}

/// Returns the functions of the stack, as the nested one refers to them.
fn functions() -> BTreeSet<String> {
    let functions = resources(&template(), "AWS::Serverless::Function").into_keys();
    functions.map(|id| format!("${{{id}}}")).collect()
}

fn resources(template: &Value, kind: &str) -> BTreeMap<String, Value> {
    let resources = template["Resources"].as_object().unwrap();
    let resources = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind);
    resources
        .map(|(id, resource)| (id.clone(), resource.clone()))
        .collect()
}

/// Returns a text with references in the form of `Fn::Sub`: `!Ref X` as `${X}`.
#[track_caller]
fn resolved(value: &Value) -> String {
    match (&value["Ref"], &value["Fn::Sub"]) {
        (Value::String(name), _) => format!("${{{name}}}"),
        (_, Value::String(text)) => text.clone(),
        _ => value
            .as_str()
            .unwrap_or_else(|| panic!("{value}"))
            .to_owned(),
    }
}

fn dimensions(list: &Value) -> BTreeMap<String, String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|dimension| (text(dimension, "Name"), resolved(&dimension["Value"])))
        .collect()
}

/// Returns the metrics that each alarm uses.
fn alarms(template: &Value) -> BTreeMap<String, Vec<Seen>> {
    let of = |metric: &Value| {
        (
            resolved(&metric["Namespace"]),
            text(metric, "MetricName"),
            dimensions(&metric["Dimensions"]),
        )
    };
    let alarms = resources(template, "AWS::CloudWatch::Alarm").into_iter();
    let seen = alarms.map(|(id, alarm)| {
        let properties = &alarm["Properties"];
        let Some(queries) = properties["Metrics"].as_array() else {
            return (id, vec![of(properties)]);
        };
        let metrics = queries.iter().map(|query| &query["MetricStat"]["Metric"]);
        (
            id,
            metrics
                .filter(|metric| metric.is_object())
                .map(of)
                .collect(),
        )
    });
    seen.collect()
}

/// Returns the metrics that the dashboard uses.
fn dashboard(template: &Value) -> Vec<Seen> {
    let body = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"];
    let body: Value = serde_json::from_str(body["Fn::Sub"].as_str().unwrap()).unwrap();
    let mut seen = Vec::new();
    for widget in body["widgets"].as_array().unwrap() {
        assert_eq!(widget["type"], "metric");
        assert_eq!(widget["properties"]["region"], "${AWS::Region}");
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            // The last element may hold the options for drawing.
            let words = metric.as_array().unwrap().iter();
            let words: Vec<_> = words.filter_map(Value::as_str).map(str::to_owned).collect();
            let [namespace, name, dimensions @ ..] = &words[..] else {
                panic!("{metric}")
            };
            let pairs = dimensions
                .chunks(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()));
            seen.push((namespace.clone(), name.clone(), pairs.collect()));
        }
    }
    seen
}

/// Returns the metrics that filters extract from the API's log.
fn filtered(template: &Value) -> BTreeSet<String> {
    let filters = resources(template, "AWS::Logs::MetricFilter").into_values();
    let metrics = filters.map(|filter| {
        let metric = &filter["Properties"]["MetricTransformations"][0];
        assert_eq!(resolved(&metric["MetricNamespace"]), OURS);
        text(metric, "MetricName")
    });
    metrics.collect()
}

#[track_caller]
fn assert_there_is((namespace, name, dimensions): &Seen, template: &Value) {
    let names: Vec<_> = dimensions.keys().map(String::as_str).collect();
    if namespace != OURS {
        let known = (namespace.as_str(), name.as_str(), &names[..]);
        assert!(OF_AWS.contains(&known), "{known:?}");
        return;
    }
    let metric = METRICS.iter().find(|metric| metric.name == name);
    match &names[..] {
        [] => assert!(
            metric.is_some() || filtered(template).contains(name),
            "{name}"
        ),
        by => assert_eq!(by.first().copied(), metric.unwrap().dimension, "{name}"),
    }
}

#[test]
fn the_nested_stack_gets_each_of_its_parameters_and_no_other() {
    let (template, nested) = (template(), nested());
    let stacks = resources(&template, "AWS::Serverless::Application");
    let [(_, stack)] = &stacks.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one nested stack")
    };
    assert_eq!(stack["Properties"]["Location"], "./monitoring.yaml");
    let given = stack["Properties"]["Parameters"].as_object().unwrap();
    let declared = nested["Parameters"].as_object().unwrap();
    assert_eq!(
        given.keys().collect::<BTreeSet<_>>(),
        declared.keys().collect::<BTreeSet<_>>()
    );
    for (name, value) in given {
        // A parameter is named after its value in the outer stack: a parameter of the same type, or
        // a resource whose `Ref` is its name or id.
        let outer = match name.as_str() {
            "Stack" => "AWS::StackName",
            name => name,
        };
        let value = match name.as_str() {
            // The stack's own table, unless it uses another.
            "Table" => &value["Fn::If"][1],
            _ => value,
        };
        let expected = match name.as_str() {
            // The `Ref` of a queue is its URL.
            "FailedEvents" | "FailedMails" => {
                json!({"Fn::GetAtt": format!("{name}.QueueName")})
            }
            _ => json!({ "Ref": outer }),
        };
        assert_eq!(*value, expected, "{name}");
        let parameter = &template["Parameters"][outer];
        if outer == name && !parameter.is_object() {
            assert!(template["Resources"][outer].is_object(), "{name}");
            assert_eq!(declared[name]["Type"], "String", "{name}");
        } else if parameter.is_object() {
            assert_eq!(declared[name]["Type"], parameter["Type"], "{name}");
        }
        // A default would hide that the outer stack passes no value.
        assert!(declared[name]["Default"].is_null(), "{name}");
    }
}

#[test]
fn the_parameter_monitoring_leaves_out_alarms_or_everything() {
    let (template, nested) = (template(), nested());
    let is = |value: &str| json!({"Fn::Equals": [{"Ref": "Monitoring"}, value]});
    let not = |condition: Value| json!({ "Fn::Not": [condition] });
    // With "none", there is no nested stack. Otherwise it gets the value.
    assert_eq!(template["Conditions"]["HasMetrics"], not(is("none")));
    for (id, stack) in resources(&template, "AWS::Serverless::Application") {
        assert_eq!(stack["Condition"], "HasMetrics", "{id}");
    }
    let values = |template: &Value| template["Parameters"]["Monitoring"]["AllowedValues"].clone();
    assert_eq!(values(&template), json!(["all", "metrics", "none"]));
    assert_eq!(values(&nested), json!(["all", "metrics"]));
    // With "metrics", only the filters that produce metrics are left.
    let no_address = json!({"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]});
    let sends = json!({"Fn::And": [{"Condition": "HasAlarms"}, not(no_address)]});
    assert_eq!(nested["Conditions"]["HasAlarms"], is("all"));
    assert_eq!(nested["Conditions"]["SendsAlarms"], sends);
    for (id, resource) in nested["Resources"].as_object().unwrap() {
        let condition = match resource["Type"].as_str().unwrap() {
            "AWS::Logs::MetricFilter" => Value::Null,
            "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::Dashboard" => json!("HasAlarms"),
            "AWS::SNS::Topic" | "AWS::SNS::Subscription" => json!("SendsAlarms"),
            // Nothing in it may run code, or grant permissions.
            other => panic!("{id} is of the type {other}"),
        };
        assert_eq!(resource["Condition"], condition, "{id}");
        // The outer stack has no resources of these types.
        let there = resources(&template, resource["Type"].as_str().unwrap());
        assert!(there.is_empty(), "{there:?}");
    }
}

#[test]
fn alarms_and_dashboard_use_metrics_that_exist() {
    let template = nested();
    let alarms = alarms(&template);
    assert!(alarms.len() >= 10);
    for seen in alarms.values().flatten().chain(&dashboard(&template)) {
        assert_there_is(seen, &template);
        // All referenced resources exist.
        for value in seen.2.values().filter_map(|value| value.strip_prefix("${")) {
            let id = value.trim_end_matches('}');
            assert!(template["Parameters"][id].is_object(), "{id}: {seen:?}");
        }
    }
    // All of our own metrics are shown.
    let shown: BTreeSet<_> = dashboard(&template)
        .into_iter()
        .filter(|(namespace, _, _)| namespace == OURS)
        .map(|(_, name, _)| name)
        .collect();
    let mut ours = filtered(&template);
    ours.extend(METRICS.iter().map(|metric| metric.name.to_owned()));
    assert_eq!(shown, ours);
    let reasons: BTreeSet<_> = dashboard(&template)
        .into_iter()
        .filter_map(|(_, _, mut dimensions)| dimensions.remove("reason"))
        .collect();
    let all = LoginRefusal::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(reasons, all);
}

#[test]
fn alarms_watch_every_function_and_every_operation_of_the_store() {
    let alarms = alarms(&nested());
    let of = |alarm: &str, dimension: &str| -> BTreeSet<String> {
        let seen = alarms[alarm].iter();
        seen.map(|(_, _, dimensions)| dimensions[dimension].clone())
            .collect()
    };
    let watched = ["FunctionErrors", "MailFunctionErrors"].map(|it| of(it, "FunctionName"));
    assert!(watched[0].is_disjoint(&watched[1]));
    assert_eq!(&watched[0] | &watched[1], functions());
    // CloudWatch's quota: "metric math alarms can look at ten metrics".
    for (id, metrics) in &alarms {
        assert!(metrics.len() <= 10, "{id}");
    }

    let mut store = String::new();
    for file in fs::read_dir(root().join("shared/src/store")).unwrap() {
        let file = file.unwrap();
        // No function scans: only the command line does, whose operator sees what fails.
        let of_the_command_line = ["account_scan.rs", "event_log.rs", "password_scan.rs"];
        if !of_the_command_line
            .iter()
            .any(|name| file.file_name() == *name)
        {
            store += &fs::read_to_string(file.path()).unwrap();
        }
    }
    let operations = [
        "BatchExecuteStatement",
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "ExecuteStatement",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    ];
    let in_snake_case = |name: &str| {
        let words = name.char_indices().map(|(place, letter)| match letter {
            'A'..='Z' if place > 0 => format!("_{}", letter.to_ascii_lowercase()),
            letter => letter.to_ascii_lowercase().to_string(),
        });
        words.collect::<String>()
    };
    let is_asked = |name: &&str| {
        let call = format!(".{}()", in_snake_case(name));
        store.contains(&call)
    };
    let asked = operations
        .iter()
        .copied()
        .filter(is_asked)
        .map(str::to_owned);
    assert_eq!(of("TableErrors", "Operation"), asked.collect());
}

#[test]
fn the_dashboard_shows_the_throttles_of_every_function() {
    let shown = dashboard(&nested()).into_iter();
    let shown = shown.filter(|(_, name, _)| name == "Throttles");
    let shown: BTreeSet<_> = shown.map(|(_, _, by)| by["FunctionName"].clone()).collect();
    assert_eq!(shown, functions());
}

#[test]
fn the_page_on_cost_counts_the_metrics_that_alarms_look_at() {
    let count = alarms(&nested()).values().flatten().count();
    let page = fs::read_to_string(root().join("docs/cost.md")).unwrap();
    let row = format!("\n| alarms, by the metrics that they look at | {count} |");
    assert!(page.contains(&row), "{row}");
}

#[test]
fn every_alarm_says_what_to_do_and_is_silent_without_data() {
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let alarms = resources(&nested(), "AWS::CloudWatch::Alarm");
    for (id, alarm) in &alarms {
        assert!(
            page.contains(&format!("\n### {id}\n")),
            "docs/operations.md has no section {id}"
        );
        let properties = &alarm["Properties"];
        assert_eq!(properties["TreatMissingData"], "notBreaching", "{id}");
        // No stack name has a slash, so no stack's own "STACK-ServerErrors" is equal.
        assert_eq!(
            properties["AlarmName"]["Fn::Sub"],
            format!("${{Stack}}/{id}")
        );
        assert!(text(properties, "AlarmDescription").ends_with(" See docs/operations.md."));
        let actions = json!(["SendsAlarms", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]);
        assert_eq!(properties["AlarmActions"]["Fn::If"], actions, "{id}");
    }
    // The page has no section for an alarm that does not exist.
    let (_, sections) = page.split_once("\n## When an alarm rings\n").unwrap();
    let (sections, _) = sections.split_once("\n## ").unwrap();
    let titles = sections
        .lines()
        .filter_map(|line| line.strip_prefix("### "));
    let titles: BTreeSet<_> = titles.map(str::to_owned).collect();
    assert_eq!(titles, alarms.into_keys().collect());
}

/// Returns the expression of an alarm, and the statistic of each metric in it.
fn expression(id: &str) -> (Value, BTreeMap<String, (String, Value)>) {
    let template = nested();
    let queries = &template["Resources"][id]["Properties"]["Metrics"];
    let (asked, looked_at): (Vec<_>, Vec<_>) = queries
        .as_array()
        .unwrap()
        .iter()
        .partition(|query| query["Expression"].is_string());
    assert_eq!(asked.len(), 1, "{id}");
    assert_eq!(asked[0]["ReturnData"], true, "{id}");
    let looked_at = looked_at.into_iter().map(|query| {
        assert_eq!(query["ReturnData"], false, "{id}");
        let stat = &query["MetricStat"];
        assert_eq!(stat["Period"], 300, "{id}");
        let name = text(&stat["Metric"], "MetricName");
        (text(query, "Id"), (name, stat["Stat"].clone()))
    });
    (asked[0]["Expression"].clone(), looked_at.collect())
}

#[test]
fn slow_requests_raise_an_alarm_at_little_traffic_but_not_for_one_request() {
    let (expression, metrics) = expression("SlowRequests");
    assert_eq!(expression, "IF(requests >= 50, p99, 0)");
    let latency = |stat: &str| ("Latency".to_owned(), json!(stat));
    let expected = [("requests", "SampleCount"), ("p99", "p99")];
    let expected = expected.map(|(id, stat)| (id.to_owned(), latency(stat)));
    assert_eq!(metrics, BTreeMap::from(expected));
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    assert!(page.contains("with fewer than 50 requests"));
    // If it is set, the alarm keeps its state until a period has about a thousand requests.
    for (id, alarm) in resources(&nested(), "AWS::CloudWatch::Alarm") {
        let ignores = &alarm["Properties"]["EvaluateLowSampleCountPercentile"];
        assert!(ignores.is_null(), "{id}");
    }
}

#[test]
fn guesses_raise_an_alarm_whether_they_are_checked_or_throttled() {
    let (expression, metrics) = expression("RefusedLogins");
    assert_eq!(expression, "SUM(FILL(METRICS(), 0))");
    let metrics: BTreeSet<_> = metrics
        .into_values()
        .map(|(name, stat)| (name, stat.as_str().unwrap().to_owned()))
        .collect();
    let expected = ["attempts_refused", "logins_refused", "passwords_refused"];
    let expected = expected.map(|name| (name.to_owned(), "Sum".to_owned()));
    assert_eq!(metrics, BTreeSet::from(expected));
}

#[test]
fn registrations_raise_an_alarm_whether_they_succeed_or_not() {
    let (expression, metrics) = expression("Registrations");
    assert_eq!(expression, "SUM(FILL(METRICS(), 0))");
    let names: BTreeSet<_> = metrics.into_values().map(|(name, _)| name).collect();
    let expected = ["emails_taken", "registrations"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(expected));
}

#[test]
fn mails_raise_an_alarm_that_are_late_given_up_refused_or_come_back() {
    let template = nested();
    let alarm = |id: &str| template["Resources"][id]["Properties"].clone();
    let delay = alarm("MailDelay");
    assert_eq!(
        (&delay["MetricName"], &delay["Threshold"]),
        (&json!("IteratorAge"), &json!(300_000))
    );
    assert_eq!(alarm("LostMails")["Threshold"], 1);
    assert_eq!(alarm("RejectedMails")["MetricName"], "mails_rejected");
    assert_eq!(
        alarm("Bounces")["Threshold"],
        json!({"Ref": "BouncesAlarm"})
    );
    let bounces = alarms(&template);
    let names: Vec<_> = bounces["Bounces"]
        .iter()
        .map(|(_, name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["mails_bounced", "mails_complained"]);
}

#[test]
fn a_stack_has_a_dashboard_of_its_own_in_every_region() {
    // Names of dashboards are unique in an account, those of stacks in a region. No stack name has
    // an underscore.
    let name = &nested()["Resources"]["Dashboard"]["Properties"]["DashboardName"];
    assert_eq!(name["Fn::Sub"], "${Stack}_${AWS::Region}");
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    assert!(page.contains("the dashboard `STACK_REGION`"));
}

#[test]
fn functions_are_told_the_namespace_that_the_alarms_look_at() {
    let template = template();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    // The nested stack's `Stack` is the outer stack's name.
    let ours = OURS.replace("${Stack}", "${AWS::StackName}");
    let namespace = json!(["HasMetrics", {"Fn::Sub": ours}, {"Ref": "AWS::NoValue"}]);
    assert_eq!(variables[NAMESPACE_VARIABLE]["Fn::If"], namespace);
    // Metrics are in lines of the level INFO. A stack that does not log these lines must not be
    // told that it has metrics.
    let rule = &template["Rules"]["MetricsNeedTheLinesOfRequests"];
    let levels = json!([["DEBUG", "INFO"], {"Ref": "LogLevel"}]);
    assert_eq!(rule["Assertions"][0]["Assert"]["Fn::Contains"], levels);
}

#[test]
fn all_functions_write_to_one_log_group_and_the_access_log_is_another() {
    let template = template();
    let logging = &template["Globals"]["Function"]["LoggingConfig"];
    assert_eq!(logging["LogGroup"], json!({"Ref": "FunctionLogs"}));
    for (id, function) in resources(&template, "AWS::Serverless::Function") {
        let own = &function["Properties"]["LoggingConfig"];
        assert!(own.is_null(), "{id}: {own}");
    }
    let groups = resources(&template, "AWS::Logs::LogGroup");
    assert_eq!(
        groups.keys().collect::<Vec<_>>(),
        ["ApiLogs", "FunctionLogs"]
    );
    let retention = json!({"Ref": "LogRetentionDays"});
    for (id, group) in groups {
        assert_eq!(group["Properties"]["RetentionInDays"], retention, "{id}");
        // CloudFormation generates the name, so that stacks never conflict.
        assert!(group["Properties"]["LogGroupName"].is_null(), "{id}");
    }
    let output = &template["Outputs"]["LogGroup"]["Value"];
    assert_eq!(*output, json!({"Ref": "FunctionLogs"}));
    // The fields that the metric filter reads are in the access log.
    for (id, filter) in resources(&nested(), "AWS::Logs::MetricFilter") {
        let group = &filter["Properties"]["LogGroupName"];
        assert_eq!(*group, json!({"Ref": "ApiLogs"}), "{id}");
    }
}
