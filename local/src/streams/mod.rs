//! The streams of the tables, which feed functions as Lambda's event source mappings do; and the
//! events on EventBridge.
//!
//! - `mapping`: the mappings of the template.
//! - `pattern`: their filters.
//! - `table`: the stream of a table.
//! - `delivery`: retries, bisecting and partial answers.
//! - `position`: how far each mapping has come.
//! - `event_bridge`: the rules that pass events of EventBridge on.

mod delivery;
mod event_bridge;
mod mapping;
mod pattern;
mod position;
mod table;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use dynoxide::Database;
use serde_json::Value;
use shared::platform::clock::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::delivery::{AllLost, Delivery, Outcome};
use self::event_bridge::{Published, Rules};
use self::mapping::Mapping;
use self::position::Positions;
use self::table::{Record, TableStream};
use crate::functions::Functions;
use crate::template::Template;
use crate::{Phase, reached};

pub use self::delivery::Lost;
pub(crate) use self::event_bridge::Outbox;

/// How many records are read at once.
const READ_AT_ONCE: usize = 1000;
/// A sequence number before that of any record, and the least that the embedded DynamoDB takes.
const BEFORE_ALL: &str = "100000000000000000001";
/// How often a stream is read though no function was called here. Another process may have written
/// to the table.
const EVERY: Duration = Duration::from_millis(500);

/// The running readers of streams.
pub struct Streams {
    readers: Vec<Running>,
    lost: AllLost,
    rules: Outbox,
    /// How many events of EventBridge were passed on.
    passed: watch::Receiver<u64>,
}

struct Running {
    stream: TableStream,
    /// The sequence number up to which no record is left.
    read: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

/// Reads one stream for one mapping.
struct StreamReader {
    delivery: Delivery,
    stream: TableStream,
    functions: Arc<Functions>,
    positions: Arc<Positions>,
    read: watch::Sender<Option<String>>,
}

impl Streams {
    /// Starts a reader for each mapping of the template, and passes on the events of `rules`. The file
    /// `path` has the positions; without it, each start begins anew.
    ///
    /// # Errors
    ///
    /// Returns one sentence if a mapping or a rule of the template is wrong, a table has no stream,
    /// or the file cannot be read.
    pub(crate) async fn start(
        template: &Template,
        database: &Database,
        functions: &Arc<Functions>,
        path: Option<PathBuf>,
        phases: &watch::Receiver<Phase>,
        (outbox, events): (Outbox, mpsc::UnboundedReceiver<Published>),
    ) -> anyhow::Result<Self> {
        let shown = path.as_ref().map(|path| path.display().to_string());
        let positions = Positions::open(path).with_context(|| {
            let shown = shown.unwrap_or_default();
            format!("cannot read \"{shown}\": delete it to deliver all records again")
        })?;
        let (positions, lost) = (Arc::new(positions), AllLost::default());
        let mut readers = Vec::new();
        for mut mapping in Mapping::all(template)? {
            if !functions.has(&mapping.function) {
                continue;
            }
            if functions.is_remote(&mapping.function) {
                // `cargo lambda watch` may have to build it first.
                mapping.timeout = Duration::MAX;
            }
            let stream = TableStream::of(database, &mapping.table)?;
            let mut position = positions.of(&mapping.name);
            if position.is_none() && !mapping.from_the_start {
                // Noted at once: what is written from now on is delivered, also after a restart.
                let last = stream.last().await?;
                let last = last.unwrap_or_else(|| BEFORE_ALL.to_owned());
                positions.reach(&mapping.name, &last);
                position = Some(last);
            }
            let (read, seen) = watch::channel(position);
            let reader = StreamReader {
                delivery: Delivery {
                    mapping,
                    // The embedded DynamoDB dates its records by it.
                    clock: Clock::System,
                    lost: Arc::clone(&lost),
                    phases: phases.clone(),
                },
                stream: stream.clone(),
                functions: Arc::clone(functions),
                positions: Arc::clone(&positions),
                read,
            };
            readers.push(Running {
                stream,
                read: seen,
                task: tokio::spawn(reader.run(phases.clone())),
            });
        }
        let (passed, seen) = watch::channel(0);
        let rules = Rules::of(template)?;
        tokio::spawn(rules.pass(events, Arc::clone(functions), passed));
        Ok(Self {
            readers,
            lost,
            rules: outbox,
            passed: seen,
        })
    }

    /// Waits until all records that were written until now are delivered or given up, and all events
    /// of EventBridge are passed on.
    pub async fn settle(&self) {
        for reader in &self.readers {
            let last = reader.stream.last().await.unwrap_or_default();
            let mut read = reader.read.clone();
            // Its sender ends with the reader.
            let _ = read.wait_for(|read| *read >= last).await;
        }
        self.pass_all().await;
    }

    /// Waits until the events that were published are passed on.
    async fn pass_all(&self) {
        let published = self.rules.count();
        let mut passed = self.passed.clone();
        let _ = passed.wait_for(|passed| *passed >= published).await;
    }

    /// Returns all records that the streams still have, as Lambda passes them, also those that no
    /// mapping takes.
    ///
    /// # Errors
    ///
    /// Returns an error if a stream cannot be read.
    pub async fn records(&self) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        // Several mappings may read one stream.
        let mut read = BTreeSet::new();
        for reader in &self.readers {
            if !read.insert(reader.stream.arn()) {
                continue;
            }
            let mut position = None;
            loop {
                let records = reader
                    .stream
                    .after(position.as_deref(), READ_AT_ONCE)
                    .await?;
                let Some(last) = records.last() else { break };
                position = Some(last.sequence_number.clone());
                all.extend(records.into_iter().map(|record| record.json));
            }
        }
        Ok(all)
    }

    /// Returns the records that were given up, which AWS would tell the on-failure destinations.
    pub fn lost(&self) -> Vec<Lost> {
        let lost = self.lost.lock();
        lost.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the readers have ended, which they do in [`Phase::Delivering`] once they have
    /// delivered what they can, and until the events of SES are passed on. Returns whether that was
    /// within `patience`.
    pub(crate) async fn end(&mut self, patience: Duration) -> bool {
        let all = async {
            for reader in &mut self.readers {
                let _ = (&mut reader.task).await;
            }
            self.pass_all().await;
        };
        timeout(patience, all).await.is_ok()
    }
}

impl StreamReader {
    /// Reads until the end, and notes how far it came.
    async fn run(self, phases: watch::Receiver<Phase>) {
        self.read_all(phases).await;
        if let Some(position) = self.read.borrow().as_deref() {
            self.positions.reach(&self.delivery.mapping.name, position);
        }
    }

    async fn read_all(&self, phases: watch::Receiver<Phase>) {
        let mut calls = self.functions.ended();
        let is_ending = || *phases.borrow() >= Phase::Delivering || phases.has_changed().is_err();
        loop {
            // Before the read: what is written after it wakes the reader.
            calls.mark_unchanged();
            let records = self.records().await;
            if records.is_empty() {
                if is_ending() {
                    return;
                }
                tokio::select! {
                    _ = calls.changed() => {}
                    () = sleep(EVERY) => {}
                    () = reached(phases.clone(), Phase::Delivering) => {}
                }
            } else if self.deliver(records).await == Outcome::Interrupted {
                return;
            }
        }
    }

    async fn records(&self) -> Vec<Record> {
        let position = self.read.borrow().clone();
        match self.stream.after(position.as_deref(), READ_AT_ONCE).await {
            Ok(records) => records,
            Err(error) => {
                let table = &self.delivery.mapping.table;
                let error = format!("{error:#}");
                tracing::error!(table, error, "cannot read the stream");
                Vec::new()
            }
        }
    }

    /// Delivers the records that the mapping takes, in batches.
    async fn deliver(&self, records: Vec<Record>) -> Outcome {
        let mapping = &self.delivery.mapping;
        let last = records.last().map(|record| record.sequence_number.clone());
        let mut wanted = records
            .into_iter()
            .filter(|it| mapping.takes(&it.json))
            .peekable();
        while wanted.peek().is_some() {
            let batch: Vec<_> = wanted.by_ref().take(mapping.batch_size).collect();
            let call = |event| {
                let (functions, name) = (Arc::clone(&self.functions), mapping.function.clone());
                async move { functions.invoke(&name, event).await }
            };
            let progress = |position: &str| {
                self.positions.reach(&mapping.name, position);
                self.read.send_replace(Some(position.to_owned()));
            };
            if self.delivery.deliver(batch, call, progress).await == Outcome::Interrupted {
                return Outcome::Interrupted;
            }
        }
        // What the mapping does not take is not worth a write of the file.
        self.read.send_replace(last);
        Outcome::Done
    }
}
