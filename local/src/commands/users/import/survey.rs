//! The first pass over an export: how many records there are, what occurs more than once, and what
//! the passwords need. It writes nothing.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use shared::domain::password::legacy::{SecretName, Work};
use tokio::task::spawn_blocking;

use super::super::super::Failure;
use super::super::progress::Progress;
use super::check::{self, extra_work};
use super::repeats::{Repeats, Seen};
use super::source::Source;

/// What an export holds.
pub(super) struct Survey {
    /// The number of records.
    pub(super) records: u64,
    /// What occurs more than once.
    pub(super) repeats: Repeats,
    /// The work of the costliest password beyond that of an ordinary one.
    pub(super) costliest: Work,
    /// The secrets of the old site that the passwords were mixed with.
    pub(super) secrets: BTreeSet<SecretName>,
}

/// Reads an export, until it is at its end or `end` comes. An ordinary password takes `ordinary` to
/// verify.
///
/// # Errors
///
/// Returns an error if the export cannot be read, or if `end` has come.
pub(super) async fn survey(
    source: Source,
    ordinary: Work,
    end: Pin<&mut impl Future<Output = ()>>,
) -> Result<Survey, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let mut read = spawn_blocking(move || read(&source, ordinary, &stopped));
    let survey = tokio::select! {
        survey = &mut read => survey,
        () = end => {
            stop.store(true, Ordering::Relaxed);
            // A second Ctrl-C does not wait for it.
            let _ = read.await;
            return Err(Failure::Interrupted);
        }
    };
    survey.map_err(|error| Failure::Fault(anyhow!(error).context("the export is unreadable")))?
}

fn read(source: &Source, ordinary: Work, stop: &AtomicBool) -> Result<Survey, Failure> {
    let mut progress = Progress::new("Reading", None);
    let (mut records, mut seen) = (0, Seen::default());
    let (mut costliest, mut secrets) = (Work::NONE, BTreeSet::new());
    let read = source.each(|entry| {
        records += 1;
        progress.add(1);
        seen.add_address(&entry.record);
        if let Ok(user) = entry.parse() {
            seen.add_id(user.id);
            if let Some(password) = &user.password {
                let work = extra_work(password, ordinary);
                if work.nanos > costliest.nanos {
                    costliest = work;
                }
                secrets.extend(check::secrets(password));
            }
        }
        !stop.load(Ordering::Relaxed)
    });
    progress.finish();
    read?;
    Ok(Survey {
        records,
        repeats: seen.finish(),
        costliest,
        secrets,
    })
}
