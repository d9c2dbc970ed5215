//! Lists: as a table for people, as lines of JSON, or as CSV.

use std::io::{self, Write};

use serde::Serialize;
use shared::domain::name::is_unprintable;
use unicode_width::UnicodeWidthStr as _;

use super::Failure;

/// How a list is written.
#[derive(clap::Args, Clone, Copy)]
pub(super) struct Format {
    /// Write one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Write CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an
    /// apostrophe.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The number of rows from which the widths of a table's columns are taken.
const MEASURED: usize = 100;

/// A list that is being written. It holds no more than some rows at a time.
pub(super) struct Listing<W: Write> {
    out: W,
    format: Format,
    columns: &'static [&'static str],
    pending: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl<W: Write> Listing<W> {
    /// Returns an empty list with these columns.
    pub(super) fn new(out: W, format: Format, columns: &'static [&'static str]) -> Self {
        Self {
            out,
            format,
            columns,
            pending: Vec::new(),
            widths: None,
        }
    }

    /// Adds a row: its cells in the order of the columns, and what it is in JSON.
    pub(super) fn row(&mut self, cells: Vec<String>, json: &impl Serialize) -> Result<(), Failure> {
        if self.format.json {
            serde_json::to_writer(&mut self.out, json)?;
            writeln!(self.out)?;
            return Ok(());
        }
        let cells: Vec<_> = cells.iter().map(|cell| shown(cell)).collect();
        if self.format.csv {
            self.csv_header()?;
            return Ok(self.csv(&cells)?);
        }
        self.pending.push(cells);
        match self.pending.len() < MEASURED && self.widths.is_none() {
            true => Ok(()),
            false => self.table(),
        }
    }

    /// Writes what is pending, and a header if there were no rows.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        if self.format.csv {
            self.csv_header()?;
        } else if !self.format.json {
            self.table()?;
        }
        Ok(self.out.flush()?)
    }

    fn csv_header(&mut self) -> io::Result<()> {
        if self.widths.is_none() {
            self.widths = Some(Vec::new());
            let columns: Vec<_> = self.columns.iter().map(|name| (*name).to_owned()).collect();
            self.csv(&columns)?;
        }
        Ok(())
    }

    fn csv(&mut self, cells: &[String]) -> io::Result<()> {
        let cells: Vec<_> = cells.iter().map(|cell| csv_cell(cell)).collect();
        write!(self.out, "{}\r\n", cells.join(","))
    }

    fn table(&mut self) -> Result<(), Failure> {
        let rows = std::mem::take(&mut self.pending);
        if self.widths.is_none() {
            let mut widths: Vec<_> = self.columns.iter().map(|name| name.width()).collect();
            for row in &rows {
                for (width, cell) in widths.iter_mut().zip(row) {
                    *width = (*width).max(cell.width());
                }
            }
            self.widths = Some(widths);
            let header = self.columns.iter().map(|name| name.to_uppercase());
            self.line(&header.collect::<Vec<_>>())?;
        }
        for row in rows {
            self.line(&row)?;
        }
        Ok(())
    }

    fn line(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = String::new();
        let widths = self.widths.as_deref().unwrap_or_default();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(cell);
            let missing = width.saturating_sub(cell.width());
            line.extend(std::iter::repeat_n(' ', missing + 2));
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

/// Returns a text with each character escaped that a terminal would obey, or that would show the
/// text in another order.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unprintable(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// Returns a cell of CSV (RFC 4180). One that a spreadsheet would take for a formula begins with an
/// apostrophe ("CSV Injection", OWASP).
fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = match is_formula {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains([',', '"', '\r', '\n', '\'']) || text.starts_with(' ') {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, rows: &[[&str; 2]]) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::new(&mut out, format, &["name", "roles"]);
        for row in rows {
            let cells = row.iter().map(|cell| (*cell).to_owned()).collect();
            listing.row(cells, row).unwrap();
        }
        listing.flush().unwrap();
        String::from_utf8(out).unwrap()
    }

    const TABLE: Format = Format {
        json: false,
        csv: false,
    };
    const CSV: Format = Format { csv: true, ..TABLE };

    #[test]
    fn a_table_is_aligned_by_what_a_terminal_shows() {
        let text = written(
            TABLE,
            &[["Ada", "admin"], ["天才", ""], ["a\u{1b}[2J", "x"]],
        );
        let expected = "\
NAME        ROLES
Ada         admin
天才
a\\u{1b}[2J  x
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_long_table_goes_on_with_the_widths_of_its_first_rows() {
        let rows: Vec<_> = (0..MEASURED + 2)
            .map(|n| match n {
                100 => ["much longer than those before", "r"],
                _ => ["n", "r"],
            })
            .collect();
        let text = written(TABLE, &rows);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), MEASURED + 3);
        assert_eq!(lines[1], "n     r");
        assert_eq!(lines[101], "much longer than those before  r");
        assert_eq!(lines[102], "n     r");
    }

    #[test]
    fn a_cell_of_csv_is_no_formula() {
        let text = written(
            CSV,
            &[
                ["=1+2", "a,b"],
                ["-x", "+x"],
                ["@x", "say \"hi\""],
                ["\tx", "plain"],
                ["O'Brien", "a\u{202e}b"],
            ],
        );
        let expected = "name,roles\r\n\
                        \"'=1+2\",\"a,b\"\r\n\
                        \"'-x\",\"'+x\"\r\n\
                        \"'@x\",\"say \"\"hi\"\"\"\r\n\
                        \\u{9}x,plain\r\n\
                        \"O'Brien\",a\\u{202e}b\r\n";
        assert_eq!(text, expected);
        assert_eq!(written(CSV, &[]), "name,roles\r\n");
    }

    #[test]
    fn lines_of_json_are_as_they_are() {
        let json = Format {
            json: true,
            ..TABLE
        };
        assert_eq!(
            written(json, &[["=1", "a\u{1b}"]]),
            "[\"=1\",\"a\\u001b\"]\n"
        );
        assert_eq!(written(json, &[]), "");
    }
}
