//! CSV files (RFC 4180) of any length.

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use serde_json::Value;

use super::Flow;
use super::fields::Fields;
use super::input::{Bounded, ExportError};
use crate::Fault;

/// Hands over the rows of a file whose first row names the columns, with the line where each begins.
/// A row that has another number of columns, or is not UTF-8, is handed over as a fault.
///
/// # Errors
///
/// Returns an error if the file cannot be read, if a row is too long, or if one of the columns
/// `needed` is missing.
pub(super) fn rows(
    path: &Path,
    needed: &[&str],
    each: &mut dyn FnMut(u64, Result<Fields, Fault>) -> Flow,
) -> Result<(), ExportError> {
    let mut columns: Option<Vec<String>> = None;
    records(path, &mut |line, record| {
        let Some(columns) = &columns else {
            let names = texts(record).map_err(|fault| ExportError::Other(fault.detail))?;
            let names: Vec<_> = names.iter().map(|name| name.trim().to_owned()).collect();
            if let Some(missing) = needed.iter().find(|name| !names.iter().any(|n| n == *name)) {
                let detail = format!("its first row has no column {missing}");
                return Err(ExportError::Other(detail));
            }
            columns = Some(names);
            return Ok(std::ops::ControlFlow::Continue(()));
        };
        let row = texts(record).and_then(|texts| match texts.len() == columns.len() {
            true => {
                let texts = texts.into_iter().map(Value::String);
                Ok(Fields(columns.iter().cloned().zip(texts).collect()))
            }
            false => {
                let (has, wanted) = (texts.len(), columns.len());
                let detail = format!("has {has} columns, and the first row has {wanted}");
                Err(Fault::new("", "broken", detail))
            }
        });
        each(line, row)
    })
}

/// Hands over the rows of a file that does not name its columns.
pub(super) fn unnamed_rows(
    path: &Path,
    each: &mut dyn FnMut(u64, Result<Vec<String>, Fault>) -> Flow,
) -> Result<(), ExportError> {
    records(path, &mut |line, record| each(line, texts(record)))
}

fn records(path: &Path, each: &mut dyn FnMut(u64, &ByteRecord) -> Flow) -> Result<(), ExportError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(Bounded::open(path)?);
    let mut record = ByteRecord::new();
    // Only the reading can fail: rows of any number of columns, in octets, are allowed.
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => ExportError::Io(error),
            _ => ExportError::Other("a row cannot be read".to_owned()),
        })?
    {
        reader.get_mut().allow_more();
        let line = record.position().map_or(0, csv::Position::line);
        if each(line, &record)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn texts(record: &ByteRecord) -> Result<Vec<String>, Fault> {
    let texts = record
        .iter()
        .map(|octets| String::from_utf8(octets.to_vec()));
    let texts: Result<_, _> = texts.collect();
    texts.map_err(|_| Fault::new("", "not-utf8", "is not UTF-8"))
}
