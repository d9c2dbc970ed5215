//! Logging: one line per event, structured in Lambda, plain on a laptop.

use std::error::Error;
use std::fmt::Write as _;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::observe::emf::EmfFormatter;
use crate::observe::spanless::Spanless;
use crate::platform::config::Env;

/// The variable with the namespace of the metrics.
pub const NAMESPACE_VARIABLE: &str = "METRICS_NAMESPACE";

/// Starts logging to standard output, which CloudWatch collects. [`filter`] says which events of
/// `crates` and of this crate are logged.
///
/// Reads `AWS_LAMBDA_LOG_LEVEL` (default INFO; TRACE counts as DEBUG) and `AWS_LAMBDA_LOG_FORMAT`
/// (`JSON`; by default plain text), which Lambda sets from the function's logging configuration. In
/// JSON, metrics are in the namespace `METRICS_NAMESPACE`; without it, or in plain text, there are
/// none.
pub fn init(env: &Env<'_>, crates: &[&'static str]) {
    let level = env.optional("AWS_LAMBDA_LOG_LEVEL");
    let level = level.and_then(|level| level.parse().ok());
    let filter = filter(level.unwrap_or(LevelFilter::INFO), crates);
    let json = env
        .optional("AWS_LAMBDA_LOG_FORMAT")
        .is_some_and(|format| format.eq_ignore_ascii_case("JSON"));
    let subscriber = Spanless.with(filter);
    // A second call (in tests) has no effect.
    let _ = if json {
        let namespace = env.optional(NAMESPACE_VARIABLE);
        set_global_default(subscriber.with(json_layer(namespace)))
    } else {
        set_global_default(subscriber.with(fmt::layer().compact()))
    };
}

/// Starts logging of warnings to standard error, as plain text: the output of a command is its own.
pub fn init_for_a_command(crates: &[&'static str]) {
    let subscriber = Spanless.with(filter(LevelFilter::WARN, crates));
    let layer = fmt::layer().compact().with_writer(std::io::stderr);
    // A second call has no effect.
    let _ = set_global_default(subscriber.with(layer));
}

/// Returns a layer that writes structured lines, with metrics in `namespace` if there is one.
pub fn json_layer<S>(namespace: Option<String>) -> fmt::Layer<S, JsonFields, EmfFormatter>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .map_event_format(|json| EmfFormatter::new(json, namespace))
}

/// Returns the filter for logged events: those of `crates` and of this crate at `level`, and only
/// errors of all other crates. The runtime and the SDK print payloads at their lower levels.
pub fn filter(level: LevelFilter, crates: &[&'static str]) -> Targets {
    let level = level.min(LevelFilter::DEBUG);
    let shown = crates.iter().copied().chain([env!("CARGO_CRATE_NAME")]);
    Targets::new()
        .with_default(level.min(LevelFilter::ERROR))
        .with_targets(shown.map(|name| (name, level)))
}

/// Returns an error and all its sources on one line. Each layer adds only its own part.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(line, ": {cause}");
        source = cause.source();
    }
    line
}
