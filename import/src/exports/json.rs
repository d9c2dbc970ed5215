//! JSON files of any length: lists of objects, and objects a line.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Map, Value};
use shared::platform::json;

use super::Flow;
use super::fields::Fields;
use super::input::{self, Again, ExportError, Line, MAX_LENGTH, Octets};
use crate::Fault;

/// The length of the longest name of a list, in octets. Longer names are none.
const MAX_NAME: usize = 256;

/// An object of a file.
pub(super) struct Item {
    /// The line where it begins, counted from 1.
    pub(super) line: u64,
    /// The place where it begins, for [`object_at`].
    pub(super) offset: u64,
    /// The object, or why it is none.
    pub(super) object: Result<Fields, Fault>,
}

/// Hands over the objects of a file: of a list that is the whole file, of the members of an object
/// that have one of the names `lists`, or of the lines of the file.
///
/// An object that is broken in itself, or longer than [`MAX_LENGTH`], is handed over as a fault.
///
/// # Errors
///
/// Returns an error if the file cannot be read, if its structure is broken, or if it is an object
/// with none of the lists.
pub(super) fn objects(
    path: &Path,
    lists: &[&str],
    each: &mut dyn FnMut(Item) -> Flow,
) -> Result<(), ExportError> {
    match is_of_lines(path, lists)? {
        true => lines(path, each),
        false => Elements {
            octets: input::open(path)?,
            lists,
            found: false,
        }
        .walk(each),
    }
}

/// Hands over the rows of tables: of the members `lists` of an object that is the whole file.
///
/// # Errors
///
/// Returns the same errors as [`objects`].
pub(super) fn tables(
    path: &Path,
    lists: &[&str],
    each: &mut dyn FnMut(Item) -> Flow,
) -> Result<(), ExportError> {
    if input::first_octet(path)? == Some(b'[') {
        let detail = "it is a list, and not an object of tables";
        return Err(ExportError::Other(detail.to_owned()));
    }
    Elements {
        octets: input::open(path)?,
        lists,
        found: false,
    }
    .walk(each)
}

/// Hands over the objects of a file that has one a line.
pub(super) fn lines(path: &Path, each: &mut dyn FnMut(Item) -> Flow) -> Result<(), ExportError> {
    let mut octets = input::open(path)?;
    let mut text = Vec::new();
    loop {
        text.clear();
        let (line, offset) = (octets.line, octets.offset);
        let object = match octets.take_line(&mut text)? {
            None => return Ok(()),
            Some(Line::TooLong) => Err(too_long()),
            Some(Line::Whole) if text.trim_ascii().is_empty() => continue,
            Some(Line::Whole) => parse(&text),
        };
        let item = Item {
            line,
            offset,
            object,
        };
        if each(item)?.is_break() {
            return Ok(());
        }
    }
}

/// Returns the object that begins at a place of a file, if there is one.
pub(super) fn object_at(file: &mut Again, offset: u64) -> Result<Option<Fields>, ExportError> {
    let mut octets = file.at(offset)?;
    let mut text = Vec::new();
    Ok(match octets.take_value(&mut text)? {
        Line::Whole => parse(&text).ok(),
        Line::TooLong => None,
    })
}

/// Returns whether the file has an object in each line, which is so if its first line is an object
/// without one of the lists.
fn is_of_lines(path: &Path, lists: &[&str]) -> Result<bool, ExportError> {
    let mut octets = input::open(path)?;
    octets.skip_blanks()?;
    let mut line = Vec::new();
    Ok(match octets.take_line(&mut line)? {
        Some(Line::Whole) => parse(&line).is_ok_and(|first| {
            let mut members = lists.iter().filter_map(|list| first.raw(list));
            !members.any(Value::is_array)
        }),
        _ => false,
    })
}

fn too_long() -> Fault {
    Fault::new("", "too-long", "has more than 1 MiB")
}

/// Parses an object. The error tells nothing of what the text holds.
fn parse(text: &[u8]) -> Result<Fields, Fault> {
    match json::parse::<Value>(text) {
        Ok(Value::Object(members)) => Ok(Fields(members)),
        Ok(_) => Err(Fault::new("", "broken", "is not an object")),
        Err(error) => Err(Fault::new("", "broken", format!("is not JSON: {error}"))),
    }
}

/// The elements of the lists of a file.
struct Elements<'a, R> {
    octets: Octets<R>,
    lists: &'a [&'a str],
    found: bool,
}

impl<R: BufRead> Elements<'_, R> {
    fn walk(mut self, each: &mut dyn FnMut(Item) -> Flow) -> Result<(), ExportError> {
        loop {
            self.octets.skip_blanks()?;
            let flow = match self.octets.peek()? {
                None if self.found => return Ok(()),
                None if self.lists.is_empty() => {
                    return Err(ExportError::Other("it is empty".to_owned()));
                }
                None => {
                    let detail = format!("it has no list {}", self.lists.join(" or "));
                    return Err(ExportError::Other(detail));
                }
                Some(b'[') => {
                    self.found = true;
                    self.list(each)?
                }
                Some(b'{') if self.lists.is_empty() => {
                    self.found = true;
                    self.element(each)?
                }
                Some(b'{') => self.wrapper(each)?,
                Some(_) => return Err(self.broken("neither a list nor an object begins here")),
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }

    fn broken(&self, detail: &'static str) -> ExportError {
        let line = self.octets.line;
        ExportError::Broken { line, detail }
    }

    /// Takes an object, and hands over the elements of its lists.
    fn wrapper(&mut self, each: &mut dyn FnMut(Item) -> Flow) -> Flow {
        self.octets.take()?;
        let mut name = Vec::new();
        loop {
            self.octets.skip_blanks()?;
            match self.octets.take()? {
                Some(b'}') => return Ok(ControlFlow::Continue(())),
                Some(b',') => continue,
                Some(b'"') => {}
                _ => return Err(self.broken("a name, a comma or a brace is missing")),
            }
            name.clear();
            name.push(b'"');
            self.octets.take_text(&mut name, MAX_NAME)?;
            self.octets.skip_blanks()?;
            if self.octets.take()? != Some(b':') {
                return Err(self.broken("a colon is missing"));
            }
            self.octets.skip_blanks()?;
            let name = json::parse::<String>(&name).unwrap_or_default();
            let is_list = self.lists.iter().any(|list| *list == name);
            match (is_list, self.octets.peek()?) {
                (true, Some(b'[')) => {
                    self.found = true;
                    if self.list(each)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                _ => {
                    self.octets.take_value(&mut Vec::new())?;
                }
            }
        }
    }

    /// Takes a list, and hands over its elements.
    fn list(&mut self, each: &mut dyn FnMut(Item) -> Flow) -> Flow {
        self.octets.take()?;
        loop {
            self.octets.skip_blanks()?;
            match self.octets.peek()? {
                Some(b']') => {
                    self.octets.take()?;
                    return Ok(ControlFlow::Continue(()));
                }
                Some(b',') => {
                    self.octets.take()?;
                }
                None => return Err(self.broken("the file ends inside a list")),
                Some(_) => {
                    if self.element(each)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
    }

    fn element(&mut self, each: &mut dyn FnMut(Item) -> Flow) -> Flow {
        let (line, offset) = (self.octets.line, self.octets.offset);
        let mut text = Vec::new();
        let object = match self.octets.take_value(&mut text)? {
            Line::Whole => parse(&text),
            Line::TooLong => Err(too_long()),
        };
        each(Item {
            line,
            offset,
            object,
        })
    }
}

impl<R: BufRead> Octets<R> {
    /// Takes a value, and appends it to `text`. Only the balance of its brackets is looked at, and
    /// no more is kept than [`MAX_LENGTH`].
    fn take_value(&mut self, text: &mut Vec<u8>) -> Result<Line, ExportError> {
        let mut depth = 0_u64;
        let mut length = 0_usize;
        loop {
            let Some(octet) = self.peek()? else {
                let line = self.line;
                let detail = "the file ends inside a value";
                return match depth == 0 && length > 0 {
                    true => Ok(Line::Whole),
                    false => Err(ExportError::Broken { line, detail }),
                };
            };
            // A number or a word ends before one of these.
            let ends = matches!(octet, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
            if depth == 0 && ends {
                if length == 0 {
                    let (line, detail) = (self.line, "a value is missing");
                    return Err(ExportError::Broken { line, detail });
                }
                break;
            }
            self.take()?;
            length += 1;
            if text.len() < MAX_LENGTH {
                text.push(octet);
            }
            match octet {
                b'"' => length += self.take_text(text, MAX_LENGTH)?,
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 {
                break;
            }
        }
        Ok(match length > MAX_LENGTH {
            true => Line::TooLong,
            false => Line::Whole,
        })
    }

    /// Takes the rest of a text, behind its first quote, and appends it to `text`, of which no more
    /// than `most` octets are kept. Returns its length.
    fn take_text(&mut self, text: &mut Vec<u8>, most: usize) -> Result<usize, ExportError> {
        let begins = self.line;
        let mut length = 0;
        let mut escaped = false;
        loop {
            let Some(octet) = self.take()? else {
                let detail = "the file ends inside a text that begins here";
                let line = begins;
                return Err(ExportError::Broken { line, detail });
            };
            length += 1;
            if text.len() < most {
                text.push(octet);
            }
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Ok(length),
                _ => {}
            }
        }
    }
}

/// Parses an object inside a text, as some systems store them.
pub(super) fn inner(text: &str) -> Option<Map<String, Value>> {
    match json::parse(text.as_bytes()) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}
