//! Metrics of requests, for CloudWatch.
//!
//! Metrics are fields of the request's log line, which is written in CloudWatch's embedded metric
//! format (EMF): no second line, no agent and no call. A numeric field of that line is a metric if
//! its name is listed here.

use std::fmt;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::platform::clock::Clock;

/// A metric in CloudWatch, which charges for it by the month: once for the stack, and once more for
/// each value of its dimension. docs/cost.md counts them.
#[derive(Debug)]
pub struct Metric {
    /// The field of the log line, and the name in CloudWatch.
    pub name: &'static str,
    /// The unit, in CloudWatch's words.
    pub unit: &'static str,
    /// The field whose values also split the metric. It must have few values.
    pub dimension: Option<&'static str>,
}

/// All metrics. docs/operations.md explains each.
pub const METRICS: [Metric; 23] = [
    count("cold_starts"),
    count("logins"),
    Metric {
        dimension: Some("reason"),
        ..count("logins_refused")
    },
    count("attempts_refused"),
    count("registrations"),
    count("emails_taken"),
    count("passwords_refused"),
    count("refresh_tokens_repeated"),
    count("refresh_tokens_reused"),
    milliseconds("hash_ms"),
    milliseconds("store_ms"),
    count("store_faults"),
    milliseconds("kms_ms"),
    count("kms_faults"),
    count("mails_sent"),
    count("mails_rejected"),
    count("mails_failed"),
    count("mails_bounced"),
    count("mails_complained"),
    milliseconds("ses_ms"),
    count("events_published"),
    count("events_failed"),
    count("events_rejected"),
];

const fn count(name: &'static str) -> Metric {
    Metric {
        name,
        unit: "Count",
        dimension: None,
    }
}

const fn milliseconds(name: &'static str) -> Metric {
    Metric {
        name,
        unit: "Milliseconds",
        dimension: None,
    }
}

/// Writes log lines, and adds EMF metadata to those that contain metrics.
pub struct EmfFormatter {
    json: Format<Json>,
    namespace: Option<String>,
}

impl EmfFormatter {
    /// Returns a formatter that writes lines as `json` does. Metrics are in `namespace`; without
    /// one there are none.
    pub fn new(json: Format<Json>, namespace: Option<String>) -> Self {
        Self { json, namespace }
    }
}

impl<S, N> FormatEvent<S, N> for EmfFormatter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut found = MetricFields::default();
        if self.namespace.is_some() {
            event.record(&mut found);
        }
        let Some(namespace) = self.namespace.as_deref().filter(|_| !found.is_empty()) else {
            return self.json.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.json
            .format_event(context, Writer::new(&mut line), event)?;
        let metadata = Metadata {
            timestamp: Clock::System.millis(),
            cloud_watch_metrics: found.directives(namespace),
        };
        let metadata = serde_json::to_string(&metadata).map_err(|_| fmt::Error)?;
        let open = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        writeln!(writer, "{open},\"_aws\":{metadata}}}")
    }
}

/// The metadata that tells CloudWatch which members of a line are metrics ("Specification: Embedded
/// metric format" in the CloudWatch user guide).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    /// Milliseconds since the epoch.
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    /// Sets of dimensions. CloudWatch stores a metric once for each set; the empty set gives the
    /// total.
    dimensions: Vec<Vec<&'static str>>,
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

/// The metrics of a line.
#[derive(Default)]
struct MetricFields([bool; METRICS.len()]);

impl MetricFields {
    fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    /// Returns one directive for all metrics with the same dimensions.
    fn directives<'a>(&self, namespace: &'a str) -> Vec<Directive<'a>> {
        let mut directives: Vec<Directive<'a>> = Vec::new();
        let metrics = METRICS.iter().zip(self.0);
        for (metric, _) in metrics.filter(|(_, found)| *found) {
            let mut dimensions = vec![Vec::new()];
            dimensions.extend(metric.dimension.map(|name| vec![name]));
            let definition = Definition {
                name: metric.name,
                unit: metric.unit,
            };
            let alike = directives
                .iter_mut()
                .find(|directive| directive.dimensions == dimensions);
            match alike {
                Some(directive) => directive.metrics.push(definition),
                None => directives.push(Directive {
                    namespace,
                    dimensions,
                    metrics: vec![definition],
                }),
            }
        }
        directives
    }

    fn find(&mut self, field: &Field) {
        let place = METRICS
            .iter()
            .position(|metric| metric.name == field.name());
        if let Some(found) = place.and_then(|place| self.0.get_mut(place)) {
            *found = true;
        }
    }
}

/// Only numbers are metrics.
impl Visit for MetricFields {
    fn record_u64(&mut self, field: &Field, _: u64) {
        self.find(field);
    }

    fn record_i64(&mut self, field: &Field, _: i64) {
        self.find(field);
    }

    fn record_f64(&mut self, field: &Field, _: f64) {
        self.find(field);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use crate::observe::logging::json_layer;
    use crate::observe::spanless::Spanless;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the one line that `log` writes.
    fn line(namespace: Option<&str>, log: impl FnOnce()) -> Value {
        let page = Page::default();
        let writer = page.clone();
        let layer = json_layer(namespace.map(str::to_owned)).with_writer(move || writer.clone());
        with_default(Spanless.with(layer), log);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn whoever_opens_a_span_gets_none_and_the_line_is_the_same() {
        let line = line(None, || {
            let span = tracing::error_span!("of a library", with = 1);
            assert!(span.is_disabled());
            span.in_scope(|| tracing::info!(logins = 1, "request"));
            span.record("with", 2);
        });
        assert_eq!(
            (&line["message"], &line["logins"]),
            (&json!("request"), &json!(1))
        );
        assert_eq!((line.get("span"), line.get("spans")), (None, None));
    }

    #[test]
    fn a_line_with_metrics_says_which_of_its_fields_they_are() {
        let refused =
            || tracing::info!(hash_ms = 1.5, reason = "}", logins_refused = 1, "a \"}}\"");
        let line = line(Some("Latchkey/stack"), refused);
        let directive = |dimensions: Value, name: &str, unit: &str| {
            json!({
                "Namespace": "Latchkey/stack",
                "Dimensions": dimensions,
                "Metrics": [{"Name": name, "Unit": unit}],
            })
        };
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"],
            json!([
                directive(json!([[], ["reason"]]), "logins_refused", "Count"),
                directive(json!([[]]), "hash_ms", "Milliseconds"),
            ])
        );
        assert_eq!(
            (&line["message"], &line["hash_ms"]),
            (&json!("a \"}\""), &json!(1.5))
        );
    }

    #[test]
    fn a_line_without_metrics_or_without_a_namespace_is_a_plain_one() {
        let plain = line(Some("Latchkey/stack"), || {
            tracing::info!(status = 200, "request")
        });
        assert_eq!(plain.get("_aws"), None, "{plain}");
        let named = || tracing::info!(logins = "one", "a text is no metric");
        let text = line(Some("Latchkey/stack"), named);
        assert_eq!(text.get("_aws"), None, "{text}");
        let off = line(None, || tracing::info!(logins = 1, "request"));
        assert_eq!((&off["logins"], off.get("_aws")), (&json!(1), None));
    }
}
