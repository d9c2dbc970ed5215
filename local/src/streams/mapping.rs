//! The event source mappings of the template: which function is fed by which table's stream, and
//! how.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use shared::platform::json;

use super::pattern::Pattern;
use crate::template::{Source, Template};

/// What a mapping may say. The last four change nothing here: one shard is read, record by record,
/// without waiting, and there are no metrics.
const PROPERTIES: [&str; 13] = [
    "BatchSize",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "Enabled",
    "FilterCriteria",
    "FunctionResponseTypes",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "StartingPosition",
    "Stream",
    "MaximumBatchingWindowInSeconds",
    "MetricsConfig",
    "ParallelizationFactor",
];

/// One event source mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapping {
    pub(super) function: String,
    /// The name of the mapping: that of its function and that of its event.
    pub(super) name: String,
    /// The table, by its name in local runs.
    pub(super) table: String,
    /// A record is delivered if one of them matches, or if there is none.
    pub(super) filters: Vec<Pattern>,
    pub(super) batch_size: usize,
    /// Whether it begins with what was written before the first start.
    pub(super) from_the_start: bool,
    /// Whether the function says from which record on it failed.
    pub(super) reports_items: bool,
    /// Whether a batch that failed is halved.
    pub(super) bisects: bool,
    /// How often a batch is tried again; `None` if without end.
    pub(super) retries: Option<u32>,
    /// The age from which on a record is not delivered, in seconds.
    pub(super) max_age: Option<u64>,
    /// Where AWS sends what was not delivered.
    pub(super) destination: Option<String>,
    /// How long the function may take.
    pub(super) timeout: Duration,
}

impl Mapping {
    /// Reads the mappings of the template. Those of streams that are not the template's own, and
    /// those that are not enabled, are left out.
    ///
    /// # Errors
    ///
    /// Returns one sentence if a mapping is wrong or has something that is not supported here.
    pub(super) fn all(template: &Template) -> anyhow::Result<Vec<Self>> {
        let sources = template.sources().iter();
        let streams = sources.filter(|source| source.kind == "DynamoDB");
        let mappings = streams.map(|source| {
            Self::read(template, source).with_context(|| {
                let Source { function, name, .. } = source;
                format!("the event {name} of the function {function} in template.yaml is wrong")
            })
        });
        let mappings = mappings.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(mappings.into_iter().flatten().collect())
    }

    fn read(template: &Template, source: &Source) -> anyhow::Result<Option<Self>> {
        let properties = &source.properties;
        for name in properties.as_object().into_iter().flat_map(|it| it.keys()) {
            ensure!(
                PROPERTIES.contains(&name.as_str()),
                "the property {name} is not supported here"
            );
        }
        if is_true(&properties["Enabled"]) == Some(false) {
            return Ok(None);
        }
        let Some(table) = table_of(&properties["Stream"]).and_then(|id| template.table_named(id))
        else {
            tracing::warn!(
                function = source.function,
                event = source.name,
                "the stream is not one of the template's tables, so it feeds nothing here"
            );
            return Ok(None);
        };
        let number = |name: &str| number(name, &properties[name]);
        let batch_size = match number("BatchSize")? {
            None => 100,
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|size| *size > 0)
                .context("BatchSize must be 1 to 10000")?,
        };
        let from_the_start = match properties["StartingPosition"].as_str() {
            Some("TRIM_HORIZON") => true,
            Some("LATEST") => false,
            _ => bail!("StartingPosition must be TRIM_HORIZON or LATEST here"),
        };
        let response_types = properties["FunctionResponseTypes"].as_array();
        let response_types = response_types.into_iter().flatten();
        let reports_items = response_types.fold(Ok(false), |_, kind| match kind.as_str() {
            Some("ReportBatchItemFailures") => Ok(true),
            _ => bail!("FunctionResponseTypes may have ReportBatchItemFailures only"),
        })?;
        let destination = &properties["DestinationConfig"]["OnFailure"]["Destination"];
        Ok(Some(Self {
            function: source.function.clone(),
            name: format!("{}.{}", source.function, source.name),
            table: table.to_owned(),
            filters: filters(&properties["FilterCriteria"])?,
            batch_size,
            from_the_start,
            reports_items,
            bisects: is_true(&properties["BisectBatchOnFunctionError"]) == Some(true),
            // -1 is without end, as is nothing.
            retries: number("MaximumRetryAttempts")?.and_then(|most| most.try_into().ok()),
            max_age: number("MaximumRecordAgeInSeconds")?.and_then(|most| most.try_into().ok()),
            destination: match destination {
                Value::Null => None,
                other => Some(attribute_of(other).unwrap_or(other.to_string())),
            },
            timeout: source.timeout,
        }))
    }

    /// Returns whether a record is delivered.
    pub(super) fn takes(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(record))
    }
}

/// Returns the logical id in `!GetAtt Table.StreamArn`.
fn table_of(stream: &Value) -> Option<&str> {
    let attribute = &stream["Fn::GetAtt"];
    match attribute.as_array().map(Vec::as_slice) {
        Some([id, name]) if name == "StreamArn" => id.as_str(),
        Some(_) => None,
        None => attribute.as_str()?.strip_suffix(".StreamArn"),
    }
}

/// Returns what is behind `!GetAtt`.
fn attribute_of(value: &Value) -> Option<String> {
    value["Fn::GetAtt"].as_str().map(str::to_owned)
}

fn filters(criteria: &Value) -> anyhow::Result<Vec<Pattern>> {
    let filters = criteria["Filters"].as_array().into_iter().flatten();
    let read = filters.map(|filter| {
        let text = filter["Pattern"].as_str();
        let text = text.context("a filter has no Pattern that is a text")?;
        let pattern = json::parse(text.as_bytes());
        Pattern::read(&pattern.context("the Pattern of a filter is not JSON")?)
    });
    read.collect()
}

/// Returns a number, which a parameter gives as a text.
fn number(name: &str, value: &Value) -> anyhow::Result<Option<i64>> {
    let read = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    let read = read.with_context(|| format!("{name} is not a number"))?;
    Ok(Some(read))
}

fn is_true(value: &Value) -> Option<bool> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_bool(),
    }
}
