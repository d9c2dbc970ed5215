//! Events on EventBridge, those of SES and those of functions, and the rules of the template that
//! pass them on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::pattern::Pattern;
use crate::functions::Functions;
use crate::template::{Source, Template};

/// How often a function is called for one event, as Lambda does for asynchronous calls.
const ATTEMPTS: u32 = 3;
const WAIT: Duration = Duration::from_millis(100);

/// An event on a bus.
#[derive(Debug)]
pub(crate) struct Published {
    /// The name of the bus, or none if it is the default one.
    pub(crate) bus: Option<String>,
    pub(crate) event: Value,
}

/// Where events go that are to be passed on by rules. Clones share one count.
#[derive(Clone)]
pub(crate) struct Outbox {
    events: mpsc::UnboundedSender<Published>,
    count: Arc<AtomicU64>,
}

impl Outbox {
    /// Returns an outbox, and what was put into it.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Published>) {
        let (events, published) = mpsc::unbounded_channel();
        let count = Arc::default();
        (Self { events, count }, published)
    }

    /// Has an event passed on by the rules of a bus.
    pub(crate) fn pass(&self, bus: Option<String>, event: Value) {
        self.count.fetch_add(1, Ordering::SeqCst);
        // If nobody receives them, the process ends.
        let _ = self.events.send(Published { bus, event });
    }

    /// Returns how many events there have been.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

/// A rule: the function that gets the events that match.
struct Rule {
    /// The name of the bus, or none if it is the default one.
    bus: Option<String>,
    function: String,
    pattern: Pattern,
    timeout: Duration,
}

/// The rules of the template.
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    /// Reads the rules of the template.
    ///
    /// # Errors
    ///
    /// Returns one sentence if a pattern has something that is not supported here.
    pub(super) fn of(template: &Template) -> anyhow::Result<Self> {
        let sources = template.sources().iter();
        let rules =
            sources.filter(|it| ["EventBridgeRule", "CloudWatchEvent"].contains(&&*it.kind));
        let rules = rules.map(|source| {
            let Source { function, name, .. } = source;
            let pattern = Pattern::read(&source.properties["Pattern"]).with_context(|| {
                format!("the event {name} of the function {function} in template.yaml is wrong")
            })?;
            Ok(Rule {
                bus: bus_of(&source.properties["EventBusName"]),
                function: function.clone(),
                pattern,
                timeout: source.timeout,
            })
        });
        rules.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Passes `events` on, one after the other, and counts in `passed` how many that were.
    pub(super) async fn pass(
        self,
        mut events: mpsc::UnboundedReceiver<Published>,
        functions: Arc<Functions>,
        passed: watch::Sender<u64>,
    ) {
        while let Some(Published { bus, event }) = events.recv().await {
            let rules = self.0.iter().filter(|rule| rule.bus == bus);
            for rule in rules.filter(|rule| rule.pattern.matches(&event)) {
                rule.invoke(&functions, &event).await;
            }
            passed.send_modify(|passed| *passed += 1);
        }
    }
}

/// Returns the name of a rule's bus in local runs, which is its logical id.
fn bus_of(name: &Value) -> Option<String> {
    let named = match name {
        Value::Object(_) => name["Fn::GetAtt"].as_str()?.split('.').next()?,
        _ => name.as_str()?,
    };
    (named != "default").then(|| named.to_owned())
}

impl Rule {
    async fn invoke(&self, functions: &Functions, event: &Value) {
        for attempt in 1..=ATTEMPTS {
            let answer = functions.invoke(&self.function, event.clone());
            let error = match timeout(self.timeout, answer).await {
                Ok(Ok(_)) => return,
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => "it took longer than its Timeout".to_owned(),
            };
            let function = &self.function;
            tracing::warn!(function, error, "the function failed for an event of a bus");
            sleep(WAIT * attempt).await;
        }
    }
}
