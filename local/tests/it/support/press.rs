//! The function `publisher` alone, before a stand-in for EventBridge that can fail, with batches of a
//! stream that tests make up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use publisher::Publisher;
use serde_json::{Value, json};
use shared::aws::batch::Invocation;
use shared::domain::{EventId, UserId};
use testkit::event_bridge::EventBridge;

use crate::support::app::{BEGINNING, env};
use crate::support::log::collect;

/// The source of the events.
pub const SOURCE: &str = "https://auth.example.com";

pub struct Press {
    pub bridge: Arc<EventBridge>,
    pub publisher: Publisher,
    records: AtomicUsize,
}

/// An account of a test.
pub fn account(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

impl Press {
    pub async fn start() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        collect();
        let bridge = EventBridge::start().await;
        // In a process, all clients of a region share the SDK's budget of retries.
        let region = format!("press-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let lookup = |name: &str| {
            let value = match name {
                "AWS_ENDPOINT_URL_EVENTBRIDGE" => &bridge.url,
                "AWS_REGION" => &region,
                "EVENT_BUS" => "latchkey-events",
                "EVENT_SOURCE" => SOURCE,
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "local",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let publisher = Publisher::from_env(&env(&lookup)).unwrap();
        Self {
            bridge,
            publisher,
            records: AtomicUsize::new(0),
        }
    }

    /// Returns a record of the stream: an event of an account.
    pub fn record(&self, account: UserId, event: &str) -> Value {
        let number = self.records.fetch_add(1, Ordering::Relaxed);
        let id = EventId::new(BEGINNING * 1000 + number as u64).to_string();
        let keys = json!({"pk": {"S": format!("USER#{account}")}, "sk": {"S": id}});
        let mut image = keys.clone();
        image["event"] = json!({ "S": event });
        image["ip"] = json!({"S": "203.0.113.7"});
        image["user_agent"] = json!({"S": "Firefox"});
        image["expires_at"] = json!({"N": (BEGINNING + 90 * 86400).to_string()});
        json!({
            "eventID": number.to_string(), "eventName": "INSERT", "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "local",
            "dynamodb": {
                "ApproximateCreationDateTime": BEGINNING, "Keys": keys, "NewImage": image,
                "SequenceNumber": format!("1000000000000000000{number:05}"), "SizeBytes": 200,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": "arn:aws:dynamodb:local:000000000000:table/EventTable/stream/1",
        })
    }

    /// Passes records on, as Lambda does. Returns the place of the record from which it repeats.
    pub async fn deliver(&self, records: &[Value]) -> Option<usize> {
        self.deliver_until(records, Invocation::default()).await
    }

    /// Passes records on in this call of Lambda.
    pub async fn deliver_until(&self, records: &[Value], call: Invocation) -> Option<usize> {
        let event = json!({ "Records": records });
        let answer = self.publisher.handle(&event, call).await.unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        assert!(failures.len() <= 1, "{answer}");
        let failed = &failures.first()?["itemIdentifier"];
        let is_it = |record: &Value| record["dynamodb"]["SequenceNumber"] == *failed;
        records.iter().position(is_it)
    }

    /// Returns the ids of the events that were taken since the last call, in their order.
    pub fn taken(&self) -> Vec<String> {
        let taken = self.bridge.taken().into_iter();
        let ids = taken.map(|entry| entry["Detail"]["id"].as_str().unwrap().to_owned());
        ids.collect()
    }
}

/// Returns the ids of these records.
pub fn ids(records: &[&Value]) -> Vec<String> {
    let ids = records.iter().map(|it| &it["dynamodb"]["NewImage"]["sk"]);
    ids.map(|id| id["S"].as_str().unwrap().to_owned()).collect()
}
