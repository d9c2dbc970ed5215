//! The work of an import: one thread reads, some tasks check, hash and write, and one counts. What is
//! between them is bounded, so memory does not grow with the export.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::anyhow;
use import::exports::Entry;
use import::{Fault, Record};
use shared::domain::Hasher;
use shared::store::Store;
use shared::store::imports::{Imported, NewImport};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinSet, spawn_blocking};

use super::super::super::Failure;
use super::super::progress::Progress;
use super::check::{Candidate, Rules, stored};
use super::report::{Report, Tally};
use super::source::Source;

/// The least number of parts that are under way at once. In AWS, most of them wait for an answer.
const AT_ONCE: usize = 8;

/// What an import needs.
pub(super) struct Work {
    pub(super) source: Source,
    pub(super) rules: Rules,
    pub(super) hasher: Hasher,
    pub(super) store: Store,
    /// Whether nothing is to be written.
    pub(super) is_dry: bool,
    /// Set if nothing new is to be begun.
    pub(super) stop: AtomicBool,
    /// Whether the last part had accounts that are there.
    pub(super) was_hindered: AtomicBool,
}

/// What became of a part of the records.
#[derive(Default)]
struct Part {
    tally: Tally,
    refused: Vec<Record>,
    /// The number of records, also of those that were left because of the end.
    records: u64,
    /// Whether some of the accounts are there.
    is_hindered: bool,
}

type Parts = Arc<Mutex<mpsc::Receiver<Vec<Entry>>>>;

/// Does the work, until it is done or `end` comes. What is under way is completed then. Returns what
/// became of the records, even if something failed.
pub(super) async fn run(
    work: Arc<Work>,
    report: &mut Option<Report>,
    progress: &mut Progress,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> (Tally, Result<(), Failure>) {
    let (give, parts) = mpsc::channel(2);
    let parts = Arc::new(Mutex::new(parts));
    let reader = Arc::clone(&work);
    let reader = spawn_blocking(move || reader.read(&give));
    let (tell, mut told) = mpsc::channel(2);
    let mut workers = JoinSet::new();
    // While some wait for the table, the others have to keep all processors busy.
    let processors = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..AT_ONCE.max(processors + 2) {
        workers.spawn(Arc::clone(&work).write(Arc::clone(&parts), tell.clone()));
    }
    drop((tell, parts));
    let (mut tally, mut done, mut has_ended) = (Tally::default(), Ok(()), false);
    loop {
        let part = tokio::select! {
            part = told.recv() => part,
            () = &mut end, if !has_ended => {
                has_ended = true;
                work.stop.store(true, Ordering::Relaxed);
                continue;
            }
        };
        let taken = match part {
            None => break,
            Some(Ok(part)) => take(part, &mut tally, report.as_mut(), progress),
            Some(Err(failure)) => Err(failure),
        };
        if let Err(failure) = taken {
            work.stop.store(true, Ordering::Relaxed);
            done = done.and(Err(failure));
        }
    }
    while let Some(ended) = workers.join_next().await {
        done = done.and(ended.map_err(broken));
    }
    let read = reader.await.map_err(broken).and_then(|read| read);
    done = done.and(read);
    if has_ended {
        done = done.and(Err(Failure::Interrupted));
    }
    (tally, done)
}

fn take(
    part: Part,
    tally: &mut Tally,
    report: Option<&mut Report>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    tally.add(part.tally);
    progress.add(part.records);
    if let Some(report) = report {
        part.refused.iter().try_for_each(|it| report.write(it))?;
    }
    Ok(())
}

fn broken(error: tokio::task::JoinError) -> Failure {
    Failure::Fault(anyhow!(error).context("a part of the import broke off"))
}

impl Work {
    fn is_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Reads the export and passes it on in parts.
    fn read(&self, give: &mpsc::Sender<Vec<Entry>>) -> Result<(), Failure> {
        let mut part = Vec::with_capacity(Store::IMPORTED_AT_ONCE);
        self.source.each(|entry| {
            part.push(entry);
            if part.len() == Store::IMPORTED_AT_ONCE {
                let next = Vec::with_capacity(Store::IMPORTED_AT_ONCE);
                let sent = give.blocking_send(std::mem::replace(&mut part, next));
                return sent.is_ok() && !self.is_to_stop();
            }
            true
        })?;
        // If nobody takes it, something else has failed.
        let _ = give.blocking_send(part);
        Ok(())
    }

    /// Takes parts until there are no more.
    async fn write(self: Arc<Self>, parts: Parts, tell: mpsc::Sender<Result<Part, Failure>>) {
        loop {
            let part = parts.lock().await.recv().await;
            let Some(part) = part else {
                return;
            };
            if self.is_to_stop() {
                // The reader may wait for a place.
                continue;
            }
            let done = self.import(part).await;
            if tell.send(done).await.is_err() {
                return;
            }
        }
    }

    /// Imports a part.
    async fn import(&self, entries: Vec<Entry>) -> Result<Part, Failure> {
        let mut part = Part {
            records: entries.len() as u64,
            ..Part::default()
        };
        let mut candidates = Vec::with_capacity(entries.len());
        for entry in entries {
            let omitted = entry.omitted.clone();
            match self.rules.check(entry) {
                Ok(candidate) => {
                    part.tally.omit(omitted);
                    candidates.push(candidate);
                }
                Err(record) => part.refuse(*record),
            }
        }
        // Before anything is hashed for nothing. The write decides, so nothing is looked up if there is
        // nothing to hash, unless a part before met accounts that are there.
        let is_hashed = candidates.iter().any(Candidate::is_hashed);
        let was_hindered = self.was_hindered.load(Ordering::Relaxed);
        let free = match is_hashed || was_hindered || self.is_dry {
            true => self.unhindered(candidates, &mut part).await?,
            false => candidates,
        };
        if self.is_dry {
            part.tally.imported += free.len() as u64;
            return Ok(part);
        }
        let (records, accounts) = self.hash(free).await?;
        let outcomes = self.store.import(&accounts).await?;
        for (record, outcome) in records.into_iter().zip(outcomes) {
            part.count(outcome, record);
        }
        self.was_hindered.store(part.is_hindered, Ordering::Relaxed);
        Ok(part)
    }

    /// Returns those that nothing hinders by now, and counts the others.
    async fn unhindered(
        &self,
        candidates: Vec<Candidate>,
        part: &mut Part,
    ) -> Result<Vec<Candidate>, Failure> {
        let accounts: Vec<_> = candidates.iter().map(|it| &it.account).collect();
        let hindrances = self.store.hindrances(&accounts).await?;
        let mut free = Vec::with_capacity(candidates.len());
        for (candidate, hindrance) in candidates.into_iter().zip(hindrances) {
            match hindrance {
                Some(outcome) => part.count(outcome, candidate.record),
                None => free.push(candidate),
            }
        }
        Ok(free)
    }

    /// Hashes the passwords. What has not begun when the end comes is left out.
    async fn hash(
        &self,
        candidates: Vec<Candidate>,
    ) -> Result<(Vec<Record>, Vec<NewImport>), Failure> {
        let mut hashed = (Vec::new(), Vec::new());
        // One after the other: there are more tasks than processors.
        for candidate in candidates {
            if self.is_to_stop() {
                break;
            }
            let Candidate {
                record,
                account,
                password,
            } = candidate;
            let password = stored(password, &self.hasher).await?;
            hashed.0.push(record);
            hashed.1.push(NewImport { account, password });
        }
        Ok(hashed)
    }
}

impl Part {
    fn refuse(&mut self, record: Record) {
        self.tally.refuse(&record.faults);
        self.refused.push(record);
    }

    fn count(&mut self, outcome: Imported, record: Record) {
        self.is_hindered |= outcome != Imported::Done;
        let reason = match outcome {
            Imported::Done => {
                self.tally.imported += 1;
                return;
            }
            Imported::There => {
                self.tally.there += 1;
                return;
            }
            Imported::EmailTaken => {
                Fault::new("email", "exists", "the address has an account already")
            }
            Imported::Deleting => Fault::new(
                "id",
                "deleting",
                "the account with this identifier is being deleted",
            ),
        };
        self.refuse(Record {
            faults: vec![reason],
            ..record
        });
    }
}
