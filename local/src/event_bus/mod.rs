//! The event bus of local runs: it stands in for Amazon EventBridge, passes what the functions
//! publish to the rules of the template, and shows it at the gateway.
//!
//! - `operations`: the endpoint at which the functions publish.
//! - `stream`: `/events` at the gateway, a stream of server-sent events.

mod operations;
mod stream;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use shared::domain::rfc3339;
use shared::platform::clock::Clock;
use shared::platform::{hex, random};
use tokio::sync::watch;

pub(crate) use self::operations::operations;
pub(crate) use self::stream::pages;
use crate::streams::Outbox;
use crate::template::Template;

/// How many events are kept.
pub const KEPT: usize = 1000;

/// The source of published events, unless the parameter `Issuer` says otherwise.
pub const SOURCE: &str = "urn:latchkey:local";

/// An event, as EventBridge passes it to the target of a rule.
#[derive(Debug)]
pub struct BusEvent {
    /// What identifies it: the `id` of its detail, which is the same if it is published again; or
    /// else the one that EventBridge gave it.
    pub id: String,
    /// The whole.
    pub json: Value,
}

/// The bus of the template, with its latest events.
pub struct EventBus {
    /// The names of the template's buses.
    names: BTreeSet<String>,
    clock: Clock,
    kept: Mutex<VecDeque<Arc<BusEvent>>>,
    /// How many events have ever been published.
    arrived: watch::Sender<u64>,
    rules: Outbox,
}

/// An event that a function publishes.
struct Entry {
    /// The name of the bus, or none if it is the default one.
    bus: Option<String>,
    source: String,
    detail_type: String,
    detail: Value,
    /// Seconds since the epoch.
    time: Option<u64>,
    resources: Vec<String>,
}

impl EventBus {
    /// Returns the buses of the template, which pass their events to `rules`.
    pub(crate) fn new(template: &Template, clock: Clock, rules: Outbox) -> Arc<Self> {
        let resources = template.resources().iter();
        let buses = resources.filter(|(_, it)| it["Type"] == "AWS::Events::EventBus");
        Arc::new(Self {
            names: buses.map(|(name, _)| name.clone()).collect(),
            clock,
            kept: Mutex::default(),
            arrived: watch::Sender::new(0),
            rules,
        })
    }

    /// Returns the events that are kept, oldest first.
    pub fn events(&self) -> Vec<Arc<BusEvent>> {
        self.kept().iter().cloned().collect()
    }

    /// Returns the kept events after the first `seen`, and how many there have ever been.
    fn after(&self, seen: u64) -> (Vec<Arc<BusEvent>>, u64) {
        let kept = self.kept();
        let arrived = *self.arrived.borrow();
        let new = usize::try_from(arrived.saturating_sub(seen)).unwrap_or(KEPT);
        let old = kept.len().saturating_sub(new);
        (kept.iter().skip(old).cloned().collect(), arrived)
    }

    /// Returns how many events there were once the event `id` had been published for the last time.
    /// Without it, or if it is not kept, that is none.
    fn seen(&self, id: Option<&str>) -> u64 {
        let kept = self.kept();
        let place = id.and_then(|id| kept.iter().rposition(|event| event.id == id));
        let dropped = *self.arrived.borrow() - kept.len() as u64;
        place.map_or(0, |place| dropped + place as u64 + 1)
    }

    /// Waits until there have been more than `seen` events.
    async fn more_than(&self, seen: u64) {
        let mut arrivals = self.arrived.subscribe();
        // The sender is `self`, so this cannot fail.
        let _ = arrivals.wait_for(|arrived| *arrived > seen).await;
    }

    /// Publishes an event. Returns the id that EventBridge gives it.
    fn publish(&self, entry: Entry) -> String {
        let id = uuid();
        let json = json!({
            "version": "0",
            "id": id,
            "detail-type": entry.detail_type,
            "source": entry.source,
            "account": "000000000000",
            "time": rfc3339(entry.time.unwrap_or_else(|| self.clock.now())),
            "region": "local",
            "resources": entry.resources,
            "detail": entry.detail,
        });
        let own = json["detail"]["id"].as_str().map(str::to_owned);
        let event = BusEvent {
            id: own.unwrap_or_else(|| id.clone()),
            json: json.clone(),
        };
        let mut kept = self.kept();
        kept.push_back(Arc::new(event));
        while kept.len() > KEPT {
            kept.pop_front();
        }
        // While the events are locked, so that `after` sees both or neither.
        self.arrived.send_modify(|arrived| *arrived += 1);
        self.rules.pass(entry.bus, json);
        id
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<BusEvent>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a random identifier in the form of EventBridge's.
fn uuid() -> String {
    let digits = hex(&random::octets::<16>());
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(bus: &EventBus, id: &str) {
        bus.publish(Entry {
            bus: None,
            source: "test".to_owned(),
            detail_type: "tested".to_owned(),
            detail: json!({ "id": id }),
            time: Some(0),
            resources: Vec::new(),
        });
    }

    fn ids((events, _): (Vec<Arc<BusEvent>>, u64)) -> Vec<String> {
        events.iter().map(|event| event.id.clone()).collect()
    }

    #[test]
    fn what_comes_after_an_event_is_found_as_long_as_the_event_is_kept() {
        let template = "Resources:\n  Api: {Type: AWS::Serverless::HttpApi, Properties: {}}\n  \
                        Table: {Type: AWS::DynamoDB::Table, Properties: {}}\n";
        let template = Template::parse(template, &Default::default()).unwrap();
        let bus = EventBus::new(&template, Clock::System, Outbox::new().0);
        assert_eq!(bus.seen(Some("a")), 0);
        for id in ["a", "b", "a", "c"] {
            publish(&bus, id);
        }
        // It came twice: after the last time.
        assert_eq!(ids(bus.after(bus.seen(Some("a")))), ["c"]);
        assert_eq!(ids(bus.after(bus.seen(Some("b")))), ["a", "c"]);
        assert_eq!(ids(bus.after(bus.seen(None))), ["a", "b", "a", "c"]);
        assert_eq!(ids(bus.after(bus.seen(Some("unknown")))).len(), 4);
        for n in 0..KEPT {
            publish(&bus, &n.to_string());
        }
        assert_eq!(bus.events().len(), KEPT);
        assert_eq!(ids(bus.after(bus.seen(Some("c")))).len(), KEPT);
        assert_eq!(ids(bus.after(bus.seen(Some("998")))), ["999"]);
        assert!(ids(bus.after(bus.seen(Some("999")))).is_empty());
    }
}
