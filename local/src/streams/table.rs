//! The stream of one table of the embedded DynamoDB.

use anyhow::{Context as _, anyhow};
use dynoxide::Database;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use serde_json::{Value, json};
use tokio::task;

/// A record: the JSON that Lambda passes, and what the reader needs of it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) json: Value,
    pub(super) sequence_number: String,
    /// When it was written, in seconds since the epoch.
    pub(super) written_at: u64,
}

/// A stream. It has one shard, so its records are in the order in which they were written.
#[derive(Clone)]
pub(super) struct TableStream {
    database: Database,
    arn: String,
    shard: String,
}

impl TableStream {
    /// Finds the stream of the table `table`.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the table has none.
    pub(super) fn of(database: &Database, table: &str) -> anyhow::Result<Self> {
        let streams = database.list_streams(ListStreamsRequest {
            table_name: Some(table.to_owned()),
            ..ListStreamsRequest::default()
        })?;
        let stream = streams.streams.into_iter().next().with_context(|| {
            format!(
                "the table {table} has no stream: give it a StreamSpecification in template.yaml, \
                 and delete the table if it was made without one"
            )
        })?;
        let mut stream = Self {
            database: database.clone(),
            arn: stream.stream_arn,
            shard: String::new(),
        };
        stream.shard = stream.describe()?.0;
        Ok(stream)
    }

    /// Returns what identifies the stream.
    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the sequence number of the last record that was written.
    pub(super) async fn last(&self) -> anyhow::Result<Option<String>> {
        let stream = self.clone();
        task::spawn_blocking(move || Ok(stream.describe()?.1)).await?
    }

    /// Returns at most `most` records after `position`, or the first ones.
    pub(super) async fn after(
        &self,
        position: Option<&str>,
        most: usize,
    ) -> anyhow::Result<Vec<Record>> {
        let (stream, position) = (self.clone(), position.map(str::to_owned));
        task::spawn_blocking(move || stream.read(position, most)).await?
    }

    /// Returns the id of the shard, and the sequence number of its last record.
    fn describe(&self) -> anyhow::Result<(String, Option<String>)> {
        let described = self.database.describe_stream(DescribeStreamRequest {
            stream_arn: self.arn.clone(),
            ..DescribeStreamRequest::default()
        })?;
        let shard = described.stream_description.shards.into_iter().next();
        let shard = shard.ok_or_else(|| anyhow!("the stream {} has no shard", self.arn))?;
        Ok((
            shard.shard_id,
            shard.sequence_number_range.ending_sequence_number,
        ))
    }

    fn read(&self, position: Option<String>, most: usize) -> anyhow::Result<Vec<Record>> {
        let kind = match position {
            Some(_) => "AFTER_SEQUENCE_NUMBER",
            None => "TRIM_HORIZON",
        };
        let iterator = self.database.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: self.arn.clone(),
            shard_id: self.shard.clone(),
            shard_iterator_type: kind.to_owned(),
            sequence_number: position,
        })?;
        let read = self.database.get_records(GetRecordsRequest {
            shard_iterator: iterator.shard_iterator.unwrap_or_default(),
            limit: Some(most),
        })?;
        let records = read.records.into_iter().map(|record| {
            let written_at = record.dynamodb.approximate_creation_date_time as u64;
            let mut json = serde_json::to_value(&record)?;
            json["eventSourceARN"] = json!(self.arn);
            // Lambda passes whole seconds.
            json["dynamodb"]["ApproximateCreationDateTime"] = json!(written_at);
            Ok(Record {
                sequence_number: record.dynamodb.sequence_number,
                written_at,
                json,
            })
        });
        records.collect()
    }
}
