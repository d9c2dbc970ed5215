//! Functions that the streams of tables feed, and the events of SES.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use axum::routing::post;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::mailbox::fault::Fault;
use local::template::Document;
use local::{Local, Options, dynamodb};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::app::{folder, options};
use crate::support::log::{collect, logged};
use crate::support::mails::{mail_request, send, settle};

/// A template with a function that a stream feeds and that a rule calls.
const TEMPLATE: &str = r#"
Globals:
  Function: {Timeout: 20}
Resources:
  HttpApi: {Type: AWS::Serverless::HttpApi, Properties: {}}
  Rows:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Feeder:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables: {LINK_BASE: !Sub 'https://${HttpApi}.example/pages'}
      Events:
        Rows:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Rows.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 1
            MaximumRecordAgeInSeconds: 3600
            DestinationConfig: {OnFailure: {Destination: !GetAtt Lost.Arn}}
            FilterCriteria:
              Filters:
                - Pattern: '{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"mail": {"S": [{"exists": true}]}}}}'
        Bounces:
          Type: EventBridgeRule
          Properties:
            Pattern: {source: [aws.ses], detail-type: [Email Bounced]}
"#;

/// A function that runs elsewhere, and does what a test says.
#[derive(Default)]
struct Feeder {
    calls: Mutex<Vec<Value>>,
    /// The answers to the next calls; `None` is an error. Then each call succeeds.
    answers: Mutex<VecDeque<Option<Value>>>,
    url: String,
    /// How many calls there have been.
    called: watch::Sender<u32>,
}

impl Feeder {
    async fn start() -> Arc<Self> {
        Self::start_as("Feeder").await
    }

    /// Starts the function with this name.
    async fn start_as(name: &str) -> Arc<Self> {
        collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let feeder = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        });
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let router = Router::new().route(&path, post(invoke));
        let router = router.with_state(Arc::clone(&feeder));
        tokio::spawn(async move { axum::serve(listener, router).await });
        feeder
    }

    fn answer(&self, answers: impl IntoIterator<Item = Option<Value>>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// Returns the events since the last call.
    fn calls(&self) -> Vec<Value> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Returns the keys of the records of each call since the last time.
    fn rows(&self) -> Vec<Vec<String>> {
        let keys = |call: &Value| {
            let records = call["Records"].as_array().unwrap().iter();
            let keys = records.map(|it| it["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap());
            keys.map(str::to_owned).collect()
        };
        self.calls().iter().map(keys).collect()
    }
}

async fn invoke(State(feeder): State<Arc<Feeder>>, body: Bytes) -> Response<Body> {
    let event = shared::platform::json::parse(&body).unwrap();
    feeder.calls.lock().unwrap().push(event);
    feeder.called.send_modify(|called| *called += 1);
    let answer = feeder.answers.lock().unwrap().pop_front();
    let (status, body) = match answer.unwrap_or(Some(Value::Null)) {
        Some(answer) => (200, answer.to_string()),
        None => (500, "down".to_owned()),
    };
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}

fn template(name: &str, text: &str) -> Document {
    let path = folder("streams").join(format!("{name}.yaml"));
    std::fs::write(&path, text).unwrap();
    Document::read(&path).unwrap()
}

async fn start(name: &str, feeder: &Feeder) -> Local {
    let options = Options {
        template: template(name, TEMPLATE),
        functions: Some(feeder.url.clone()),
        ..options()
    };
    Local::start(options).await.unwrap()
}

/// Puts a row that asks for a mail.
async fn put(local: &Local, key: &str) {
    put_with(local, key, "mail").await;
}

async fn put_with(local: &Local, key: &str, attribute: &str) {
    let client = dynamodb::client(&local.dynamodb_url).unwrap();
    let put = client.put_item().table_name("Rows");
    let put = put.item("pk", AttributeValue::S(key.to_owned()));
    let put = put.item(attribute, AttributeValue::S("x".to_owned()));
    put.send().await.unwrap();
}

#[tokio::test]
async fn records_that_match_are_delivered_in_order_and_in_batches_as_lambda_has_them() {
    let feeder = Feeder::start().await;
    let local = start("in-order", &feeder).await;
    for n in 1..=3 {
        put(&local, &format!("a{n}")).await;
        put_with(&local, &format!("b{n}"), "other").await;
    }
    // Not an INSERT.
    put(&local, "a1").await;
    settle(&local).await;
    let variables = &local.environment["Feeder"];
    assert_eq!(variables["LINK_BASE"], format!("{}/pages", local.url));
    let calls = feeder.calls();
    let records = calls
        .iter()
        .flat_map(|call| call["Records"].as_array().unwrap());
    let records: Vec<_> = records.cloned().collect();
    assert!(
        calls
            .iter()
            .all(|it| it["Records"].as_array().unwrap().len() <= 2)
    );
    let keys: Vec<_> = records.iter().map(|it| &it["dynamodb"]["Keys"]).collect();
    let expected = ["a1", "a2", "a3"].map(|key| json!({"pk": {"S": key}}));
    assert_eq!(keys, expected.iter().collect::<Vec<_>>());

    let record = &records[0];
    let change = &record["dynamodb"];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert_eq!(record["eventVersion"], "1.1");
    assert!(record["eventID"].is_string() && record["awsRegion"].is_string());
    let arn = record["eventSourceARN"].as_str().unwrap();
    assert!(arn.contains(":table/Rows/stream/"), "{arn}");
    let image = json!({"pk": {"S": "a1"}, "mail": {"S": "x"}});
    assert_eq!(change["NewImage"], image);
    assert_eq!(change["StreamViewType"], "NEW_IMAGE");
    assert!(change["SequenceNumber"].as_str().unwrap().len() >= 21);
    assert!(change["ApproximateCreationDateTime"].is_u64() && change["SizeBytes"].is_u64());
    assert!(local.streams.lost().is_empty());

    // The stream has the others too.
    let all = local.streams.records().await.unwrap();
    assert_eq!(all.len(), 7);
    assert_eq!(&all[0], record);
}

#[tokio::test]
async fn only_what_failed_is_tried_again_and_what_fails_for_good_is_told() {
    let feeder = Feeder::start().await;
    let local = start("failing", &feeder).await;
    // One record: it fails, and again.
    feeder.answer([None, None]);
    put(&local, "lost").await;
    settle(&local).await;
    put(&local, "next").await;
    settle(&local).await;
    assert_eq!(feeder.rows(), [["lost"], ["lost"], ["next"]]);
    let lost = local.streams.lost();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].condition, "RetryAttemptsExhausted");
    assert_eq!(lost[0].destination.as_deref(), Some("Lost.Arn"));
    let errors = logged();
    let told = |line: &Value| {
        line["message"] == "records of a stream were given up" && line["destination"] == "Lost.Arn"
    };
    assert!(errors.iter().any(told), "{errors:?}");

    // It says itself what failed.
    put(&local, "once").await;
    settle(&local).await;
    let calls = feeder.calls();
    let number = &calls[0]["Records"][0]["dynamodb"]["SequenceNumber"];
    assert!(number.is_string());
    feeder.answer([Some(
        json!({"batchItemFailures": [{"itemIdentifier": number}]}),
    )]);
    put(&local, "again").await;
    settle(&local).await;
    // Not a record of this batch, so all of it.
    assert_eq!(feeder.rows(), [["again"], ["again"]]);
    assert_eq!(local.streams.lost().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_while_the_function_was_down_is_delivered_after_a_restart_and_once() {
    let feeder = Feeder::start().await;
    let data_dir = folder("streams-restart");
    let _ = std::fs::remove_dir_all(&data_dir);
    let patient = TEMPLATE.replace("MaximumRetryAttempts: 1", "MaximumRetryAttempts: 10000");
    let start = async || {
        let options = Options {
            template: template("restart", &patient),
            functions: Some(feeder.url.clone()),
            ephemeral: false,
            data_dir: data_dir.clone(),
            ..options()
        };
        Local::start(options).await.unwrap()
    };
    let local = start().await;
    put(&local, "before").await;
    settle(&local).await;
    assert_eq!(feeder.rows(), [["before"]]);
    assert_eq!(
        send(&local, &mail_request("ada@example.com", "kept"))
            .await
            .0,
        200
    );
    feeder.answer(vec![None; 1000]);
    let mut called = feeder.called.subscribe();
    called.mark_unchanged();
    put(&local, "accepted").await;
    called.changed().await.unwrap();
    let began = std::time::Instant::now();
    local.stop().await;
    // A function that is down does not use up the patience of the end.
    assert!(began.elapsed().as_secs() < 6);
    let tried = feeder.rows();
    assert!(!tried.is_empty() && tried.iter().all(|rows| *rows == ["accepted"]));

    feeder.answers.lock().unwrap().clear();
    let local = start().await;
    settle(&local).await;
    assert_eq!(feeder.rows(), [["accepted"]]);
    assert_eq!(local.mailbox.mails()[0].subject, "kept");
    local.stop().await;
    #[cfg(unix)]
    for file in ["streams.json", "mailbox.jsonl"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(data_dir.join(file))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{file}");
    }

    let local = start().await;
    settle(&local).await;
    assert!(feeder.rows().is_empty());
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_begins_with_the_latest_loses_nothing_from_its_first_start_on() {
    let feeder = Feeder::start().await;
    let data_dir = folder("streams-latest");
    let _ = std::fs::remove_dir_all(&data_dir);
    let on = TEMPLATE
        .replace("MaximumRetryAttempts: 1", "MaximumRetryAttempts: 10000")
        .replace("TRIM_HORIZON", "LATEST\n            Enabled: true");
    let off = on.replace("Enabled: true", "Enabled: false");
    let start = async |name: &str, text: &str| {
        let options = Options {
            template: template(name, text),
            functions: Some(feeder.url.clone()),
            ephemeral: false,
            data_dir: data_dir.clone(),
            ..options()
        };
        Local::start(options).await.unwrap()
    };
    // Its first start finds an empty stream.
    let local = start("latest-on", &on).await;
    feeder.answer(vec![None; 1000]);
    let mut called = feeder.called.subscribe();
    called.mark_unchanged();
    put(&local, "accepted").await;
    called.changed().await.unwrap();
    local.stop().await;
    feeder.calls();
    feeder.answers.lock().unwrap().clear();
    let local = start("latest-on", &on).await;
    settle(&local).await;
    assert_eq!(feeder.rows(), [["accepted"]]);
    local.stop().await;

    // What was written before it was switched on is not for it.
    std::fs::remove_file(data_dir.join("streams.json")).unwrap();
    let local = start("latest-off", &off).await;
    put(&local, "before").await;
    local.stop().await;
    let local = start("latest-on", &on).await;
    put(&local, "after").await;
    settle(&local).await;
    assert_eq!(feeder.rows(), [["after"]]);
    local.stop().await;
}

/// A second function that the same stream feeds, and a rule on a bus.
const SECOND: &str = r#"
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: bus}}
  Second:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Rows:
          Type: DynamoDB
          Properties: {Stream: !GetAtt Rows.StreamArn, StartingPosition: TRIM_HORIZON}
        Done:
          Type: EventBridgeRule
          Properties:
            EventBusName: !Ref Bus
            Pattern: {source: [mine, aws.ses]}
"#;

#[tokio::test]
async fn two_functions_read_one_stream_each_at_its_own_pace() {
    let (feeder, second) = (Feeder::start().await, Feeder::start_as("Second").await);
    let text = format!("{}{SECOND}", TEMPLATE.trim_end().to_owned() + "\n");
    let text = text.replace("MaximumRetryAttempts: 1", "MaximumRetryAttempts: 10000");
    let mut urls = std::collections::BTreeMap::new();
    urls.insert("Feeder", feeder.url.clone());
    urls.insert("Second", second.url.clone());
    let router = Router::new().route(
        "/2015-03-31/functions/{name}/invocations",
        post(
            async move |axum::extract::Path(name): axum::extract::Path<String>, body: Bytes| {
                forward(&urls[name.as_str()], &name, body).await
            },
        ),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let options = Options {
        template: template("two", &text),
        functions: Some(url),
        ..options()
    };
    let local = Local::start(options).await.unwrap();
    // The first one is down.
    feeder.answer(vec![None; 1000]);
    let mut called = second.called.subscribe();
    put(&local, "a").await;
    called.wait_for(|called| *called >= 1).await.unwrap();
    put(&local, "b").await;
    called.wait_for(|called| *called >= 2).await.unwrap();
    assert_eq!(second.rows().concat(), ["a", "b"]);
    assert!(feeder.rows().iter().all(|rows| rows[0] == "a"));
    feeder.answers.lock().unwrap().clear();
    settle(&local).await;
    let rows = feeder.rows().concat();
    assert!(
        rows.ends_with(&["a".to_owned(), "b".to_owned()]),
        "{rows:?}"
    );
    assert!(second.rows().is_empty());
    // One stream, once.
    assert_eq!(local.streams.records().await.unwrap().len(), 2);

    // A rule gets what is on its own bus.
    local.mailbox.fail(Fault::Bounce.once());
    let request = mail_request("gone@example.com", "Hello");
    assert_eq!(send(&local, &request).await.0, 200);
    let entries = ["Bus", "default"].map(
        |bus| json!({"Source": "mine", "DetailType": bus, "Detail": "{}", "EventBusName": bus}),
    );
    assert_eq!(put_events(&local, &entries).await, 200);
    settle(&local).await;
    let heard = second.calls();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0]["detail-type"], "Bus");
    assert_eq!(heard[0]["source"], "mine");
    assert_eq!(feeder.calls().len(), 1, "the bounce");
}

/// Passes a call on to the function at `url`.
async fn forward(url: &str, name: &str, body: Bytes) -> Response<Body> {
    let path = format!("{url}/2015-03-31/functions/{name}/invocations");
    let request = axum::http::Request::post(path).body(Body::from(body));
    let client = Client::builder(TokioExecutor::new()).build_http();
    client
        .request(request.unwrap())
        .await
        .unwrap()
        .map(Body::new)
}

/// Puts events on a bus. Returns the status of the answer.
async fn put_events(local: &Local, entries: &[Value]) -> u16 {
    let request = axum::http::Request::post(format!("{}/", local.mailbox.url))
        .header("x-amz-target", "AWSEvents.PutEvents")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/b/c/events/aws4_request",
        )
        .body(Body::from(json!({ "Entries": entries }).to_string()));
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    client
        .request(request.unwrap())
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn what_was_accepted_is_delivered_before_the_end() {
    let feeder = Feeder::start().await;
    let local = start("end", &feeder).await;
    for n in 0..5 {
        put(&local, &n.to_string()).await;
    }
    local.stop().await;
    assert_eq!(feeder.rows().concat(), ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_bounce_is_passed_to_the_function_whose_rule_matches() {
    let feeder = Feeder::start().await;
    let local = start("bounce", &feeder).await;
    // The function fails once, and is called again.
    feeder.answer([None]);
    for fault in [Fault::Bounce, Fault::Complaint] {
        local.mailbox.fail(fault.once());
        let request = mail_request("gone@example.com", "Hello");
        assert_eq!(send(&local, &request).await.0, 200);
    }
    settle(&local).await;
    let calls = feeder.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(calls[0], calls[1]);
    let (event, mail) = (&calls[0], &local.mailbox.mails()[0]);
    let detail = &event["detail"];
    assert_eq!(event["detail-type"], "Email Bounced");
    assert_eq!(detail["eventType"], "Bounce");
    assert_eq!(detail["mail"]["messageId"], mail.id);
    assert_eq!(detail["mail"]["tags"]["purpose"], json!(["test"]));
    let bounced = &detail["bounce"]["bouncedRecipients"][0]["emailAddress"];
    assert_eq!(bounced, "gone@example.com");
    assert_eq!(detail["bounce"]["bounceType"], "Permanent");
}

#[tokio::test]
async fn a_mapping_that_is_not_understood_is_refused_at_the_start_by_its_name() {
    let feeder = Feeder::start().await;
    for (n, (part, other, named)) in [
        (
            r#"[{"exists": true}]"#,
            r#"[{"cidr": "10.0.0.0/8"}]"#,
            "cidr",
        ),
        ("BatchSize: 2", "BatchSize: many", "BatchSize"),
        (
            "BatchSize: 2",
            "TumblingWindowInSeconds: 2",
            "TumblingWindowInSeconds",
        ),
        ("TRIM_HORIZON", "AT_TIMESTAMP", "StartingPosition"),
        ("[Email Bounced]", "[{numeric: [1]}]", "numeric"),
        (
            "StreamSpecification: {StreamViewType: NEW_IMAGE}",
            "",
            "the table Rows has no stream",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(TEMPLATE.contains(part), "{part}");
        let options = Options {
            template: template(&format!("wrong-{n}"), &TEMPLATE.replace(part, other)),
            functions: Some(feeder.url.clone()),
            ..options()
        };
        let error = Local::start(options).await.err().unwrap();
        let error = format!("{error:#}");
        assert!(error.contains(named), "{error}");
    }
}
