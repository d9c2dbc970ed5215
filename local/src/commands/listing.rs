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
    /// Write CSV (RFC 4180). What a spreadsheet would take for a formula, at the beginning of a cell or
    /// behind a semicolon in it, gets an apostrophe in front.
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

/// Returns JSON as [`shown`] returns a text, with escapes of JSON in place of those of Rust.
pub(super) fn json_shown(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match is_unprintable(c) && c != '\n' {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => shown.push(c),
        }
    }
    shown
}

/// The characters with which a formula begins, and those that spreadsheets take for them or leave out.
const FORMULA: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

/// Returns a cell of CSV (RFC 4180). One that a spreadsheet would take for a formula begins with an
/// apostrophe ("CSV Injection", OWASP). Where the comma is for decimals, spreadsheets divide lines at
/// semicolons, also within quotes that are not at the beginning: what is behind one may be a cell.
fn csv_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for (n, part) in text.split(';').enumerate() {
        let quoted = n > 0 && part.starts_with('"');
        cell.push_str(if n > 0 { ";" } else { "" });
        if part.starts_with(FORMULA) || quoted {
            cell.push('\'');
        }
        cell.push_str(part);
    }
    let text = cell;
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
                ["x;=1+1", "x;\"=1+1\";b; c"],
                ["\u{ff1d}1", "Mozilla/5.0 (X11; Linux)"],
            ],
        );
        let expected = "name,roles\r\n\
                        \"'=1+2\",\"a,b\"\r\n\
                        \"'-x\",\"'+x\"\r\n\
                        \"'@x\",\"say \"\"hi\"\"\"\r\n\
                        \\u{9}x,plain\r\n\
                        \"O'Brien\",a\\u{202e}b\r\n\
                        \"x;'=1+1\",\"x;'\"\"=1+1\"\";b; c\"\r\n\
                        \"'\u{ff1d}1\",Mozilla/5.0 (X11; Linux)\r\n";
        assert_eq!(text, expected);
        assert_eq!(written(CSV, &[]), "name,roles\r\n");
    }

    #[test]
    fn json_for_people_is_the_same_json_without_what_a_terminal_obeys() {
        let json = "{\n  \"a\": \"\u{9b}2J\u{202e}x\u{feff}\"\n}";
        let escaped = json_shown(json);
        assert_eq!(
            escaped,
            "{\n  \"a\": \"\\u009b2J\\u202ex\\ufeff\"\n}"
        );
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&escaped), value(json));
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
