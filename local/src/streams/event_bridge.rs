//! Events that SES publishes on EventBridge, and the rules of the template that pass them on.

use std::sync::Arc;
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

/// A rule: the function that gets the events that match.
struct Rule {
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
        mut events: mpsc::UnboundedReceiver<Value>,
        functions: Arc<Functions>,
        passed: watch::Sender<u64>,
    ) {
        while let Some(event) = events.recv().await {
            let rules = self.0.iter();
            for rule in rules.filter(|rule| rule.pattern.matches(&event)) {
                rule.invoke(&functions, &event).await;
            }
            passed.send_modify(|passed| *passed += 1);
        }
    }
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
            tracing::warn!(function, error, "the function failed for an event of SES");
            sleep(WAIT * attempt).await;
        }
    }
}
