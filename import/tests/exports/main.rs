//! Reads exports: samples that the systems wrote, and files that are broken or hostile.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends if something is not as it should be"
)]

mod document;
mod hostile;
mod passwords;
mod samples;
mod systems;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use import::exports::{self, Entry, ExportError, Options, System};
use serde_json::Value;

/// A file that is removed in the end.
struct File(PathBuf);

impl File {
    fn of(octets: impl AsRef<[u8]>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("export-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, octets).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn sample(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/exports").join(name)
}

fn read_file(system: System, path: &Path, options: &Options) -> Result<Vec<Entry>, ExportError> {
    let mut entries = Vec::new();
    exports::read(system, path, options, &mut |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

fn read(system: System, octets: impl AsRef<[u8]>) -> Result<Vec<Entry>, ExportError> {
    read_file(system, &File::of(octets).0, &Options::default())
}

fn only(system: System, octets: impl AsRef<[u8]>) -> Entry {
    let mut entries = read(system, octets).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

fn members(entry: &Entry) -> Value {
    serde_json::to_value(&entry.record).unwrap()
}

fn codes(entry: &Entry) -> Vec<&str> {
    entry.faults.iter().map(|fault| &*fault.code).collect()
}

fn omitted(entry: &Entry) -> Vec<&str> {
    entry.omitted.iter().copied().collect()
}

fn emails(entries: &[Entry]) -> Vec<&str> {
    let emails = entries.iter().map(|entry| entry.record.email.as_deref());
    emails.map(Option::unwrap_or_default).collect()
}
