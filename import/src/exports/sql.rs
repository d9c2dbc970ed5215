//! The rows of `INSERT` statements, as `mysqldump` and MariaDB's `mariadb-dump` write them.
//!
//! Only this is read of a dump: which columns a table has (`CREATE TABLE`), and the literals of
//! `INSERT` and `REPLACE`. Everything else is skipped. Texts have MySQL's escapes.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;

use super::Flow;
use super::fields::Fields;
use super::input::{self, ExportError, MAX_LENGTH, Octets};
use crate::Fault;

/// The length of the longest word or name, in octets. What follows is dropped.
const MAX_WORD: usize = 256;

/// A row of a table.
pub(super) struct Row<'a> {
    /// The name of the table.
    pub(super) table: &'a str,
    /// The line where it begins, counted from 1.
    pub(super) line: u64,
    /// The columns, or why it cannot be read.
    pub(super) columns: Result<Fields, Fault>,
}

/// Hands over the rows of the tables that `wanted` returns columns for: those of a table whose
/// columns the dump does not tell.
pub(super) fn rows(
    path: &Path,
    wanted: &dyn Fn(&str) -> Option<&'static [&'static str]>,
    each: &mut dyn FnMut(Row<'_>) -> Flow,
) -> Result<(), ExportError> {
    Reader {
        octets: input::open(path)?,
        wanted,
        columns: HashMap::new(),
    }
    .walk(each)
}

struct Reader<'a> {
    octets: Octets<BufReader<File>>,
    wanted: &'a dyn Fn(&str) -> Option<&'static [&'static str]>,
    /// The columns of the tables that are wanted.
    columns: HashMap<String, Vec<String>>,
}

/// A part of a statement.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A keyword, a number, or a name without quotes.
    Word(String),
    /// A name in backquotes.
    Name(String),
    /// A text, or `None` if it is too long.
    Text(Option<Vec<u8>>),
    /// Any other octet.
    Mark(u8),
    /// The end of the file.
    End,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(other) if other.eq_ignore_ascii_case(word))
    }

    fn name(self) -> Option<String> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Text(Some(text)) => String::from_utf8(text).ok(),
            _ => None,
        }
    }
}

impl Reader<'_> {
    fn walk(mut self, each: &mut dyn FnMut(Row<'_>) -> Flow) -> Result<(), ExportError> {
        loop {
            let first = self.token()?;
            let last = match &first {
                Token::End => return Ok(()),
                Token::Mark(b';') => continue,
                word if word.is("INSERT") || word.is("REPLACE") => {
                    let (flow, last) = self.insert(each)?;
                    if flow.is_break() {
                        return Ok(());
                    }
                    last
                }
                word if word.is("CREATE") => self.create()?,
                // Between these lie the bodies of triggers, which have statements of their own.
                word if word.is("DELIMITER") => {
                    self.skip_bodies()?;
                    continue;
                }
                _ => first,
            };
            self.skip_statement(last)?;
        }
    }

    /// Skips the rest of a statement, of which `last` was taken.
    fn skip_statement(&mut self, mut last: Token) -> Result<(), ExportError> {
        while !matches!(last, Token::Mark(b';') | Token::End) {
            last = self.token()?;
        }
        Ok(())
    }

    fn skip_bodies(&mut self) -> Result<(), ExportError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let taken = self.octets.take_line(&mut line)?;
            // The first one is the rest of the line that tells the new delimiter.
            let text = line.trim_ascii();
            let text = text.strip_prefix(b"DELIMITER").unwrap_or(text);
            if taken.is_none() || text.trim_ascii() == b";" {
                return Ok(());
            }
        }
    }

    /// Takes the name of a table, perhaps behind that of its database. Returns the token after it,
    /// too.
    fn table(&mut self, first: Token) -> Result<(String, Token), ExportError> {
        let mut name = first.name().unwrap_or_default();
        let mut next = self.token()?;
        while next == Token::Mark(b'.') {
            name = self.token()?.name().unwrap_or_default();
            next = self.token()?;
        }
        Ok((name, next))
    }

    /// Reads the columns of `CREATE TABLE`. Returns the last token.
    fn create(&mut self) -> Result<Token, ExportError> {
        let mut token = self.token()?;
        if !token.is("TABLE") {
            return Ok(token);
        }
        token = self.token()?;
        while token.is("IF") || token.is("NOT") || token.is("EXISTS") {
            token = self.token()?;
        }
        let (table, mut token) = self.table(token)?;
        if token != Token::Mark(b'(') || (self.wanted)(&table).is_none() {
            return Ok(token);
        }
        let mut columns = Vec::new();
        let mut depth = 1_u32;
        let mut begins = true;
        while depth > 0 {
            token = self.token()?;
            match &token {
                Token::End => return Ok(token),
                Token::Mark(b'(') => depth = depth.saturating_add(1),
                Token::Mark(b')') => depth -= 1,
                Token::Mark(b',') if depth == 1 => {
                    begins = true;
                    continue;
                }
                // A key has a keyword first.
                Token::Name(name) if begins && columns.len() < MAX_WORD => {
                    columns.push(name.clone());
                }
                _ => {}
            }
            begins = false;
        }
        self.columns.insert(table, columns);
        Ok(token)
    }

    /// Hands over the rows of an `INSERT`. Returns the last token, too.
    fn insert(
        &mut self,
        each: &mut dyn FnMut(Row<'_>) -> Flow,
    ) -> Result<(ControlFlow<()>, Token), ExportError> {
        let goes_on = ControlFlow::Continue(());
        let mut token = self.token()?;
        while !matches!(token, Token::Name(_) | Token::Mark(_) | Token::End) {
            let into = token.is("INTO");
            token = self.token()?;
            if into {
                break;
            }
        }
        let (table, mut token) = self.table(token)?;
        let Some(usual) = (self.wanted)(&table) else {
            return Ok((goes_on, token));
        };
        let mut columns = self.columns.get(&table).cloned();
        if token == Token::Mark(b'(') {
            let mut named = Vec::new();
            while !matches!(token, Token::Mark(b')' | b';') | Token::End) {
                token = self.token()?;
                if named.len() < MAX_WORD {
                    named.extend(token.clone().name());
                }
            }
            columns = Some(named);
            token = self.token()?;
        }
        let usual = || usual.iter().map(|name| (*name).to_owned()).collect();
        let columns = columns.unwrap_or_else(usual);
        if !(token.is("VALUES") || token.is("VALUE")) {
            return Ok((goes_on, token));
        }
        loop {
            token = self.token()?;
            match token {
                Token::Mark(b'(') => {}
                Token::Mark(b',') => continue,
                _ => return Ok((goes_on, token)),
            }
            let row = Row {
                table: &table,
                line: self.octets.line,
                columns: self.row(&columns)?,
            };
            if each(row)?.is_break() {
                return Ok((ControlFlow::Break(()), Token::End));
            }
        }
    }

    /// Reads the values of a row, behind its parenthesis.
    fn row(&mut self, columns: &[String]) -> Result<Result<Fields, Fault>, ExportError> {
        let mut fields = Fields::default();
        let mut fault = None;
        let mut count = 0;
        let mut length = 0_usize;
        // What one value consists of: a literal, perhaps behind a name of its character set.
        let mut value: Vec<Token> = Vec::new();
        let mut depth = 0_u32;
        loop {
            let token = self.token()?;
            match token {
                Token::End => {
                    let (line, detail) = (self.octets.line, "the file ends inside a row");
                    return Err(ExportError::Broken { line, detail });
                }
                Token::Mark(b'(') => depth = depth.saturating_add(1),
                Token::Mark(b')') if depth > 0 => depth -= 1,
                Token::Mark(mark @ (b',' | b')')) if depth == 0 => {
                    match literal(std::mem::take(&mut value)) {
                        Ok(value) => {
                            if let Some(name) = columns.get(count) {
                                fields.0.insert(name.clone(), value);
                            }
                        }
                        Err(reason) => fault = Some(reason),
                    }
                    count += 1;
                    if mark == b')' {
                        break;
                    }
                    continue;
                }
                Token::Text(Some(ref text)) => length = length.saturating_add(text.len()),
                _ => {}
            }
            // More than three tokens are no literal.
            if value.len() < 4 && length <= MAX_LENGTH {
                value.push(token);
            }
        }
        if length > MAX_LENGTH {
            fault = Some(Fault::new("", "too-long", "has more than 1 MiB"));
        } else if count != columns.len() {
            let detail = format!("has {count} columns, and its table {}", columns.len());
            fault = Some(Fault::new("", "broken", detail));
        }
        Ok(fault.map_or(Ok(fields), Err))
    }
}

/// Returns the value of a literal.
fn literal(tokens: Vec<Token>) -> Result<serde_json::Value, Fault> {
    let broken = || Fault::new("", "broken", "has a value that is not a literal");
    let mut tokens = tokens.into_iter();
    let text = match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(null), None, None) if null.is("NULL") => return Ok(serde_json::Value::Null),
        (Some(Token::Word(word)), None, None) => match word.strip_prefix("0x") {
            Some(digits) => Some(octets(digits).ok_or_else(broken)?),
            None => Some(word.into_bytes()),
        },
        (Some(Token::Mark(b'-')), Some(Token::Word(number)), None) => {
            Some(format!("-{number}").into_bytes())
        }
        (Some(Token::Text(text)), None, None) => text,
        (Some(Token::Word(set)), Some(Token::Text(text)), None) => match &*set {
            "x" | "X" => {
                let digits = text.and_then(|text| String::from_utf8(text).ok());
                Some(
                    digits
                        .and_then(|digits| octets(&digits))
                        .ok_or_else(broken)?,
                )
            }
            set if set.starts_with('_') || matches!(set, "n" | "N" | "b" | "B") => text,
            _ => return Err(broken()),
        },
        (Some(Token::Word(set)), Some(Token::Word(digits)), None) if set.starts_with('_') => {
            let digits = digits.strip_prefix("0x").and_then(octets);
            Some(digits.ok_or_else(broken)?)
        }
        _ => return Err(broken()),
    };
    let text = text.ok_or_else(|| Fault::new("", "too-long", "has more than 1 MiB"))?;
    let text = String::from_utf8(text);
    let text = text.map_err(|_| Fault::new("", "not-utf8", "is not UTF-8"))?;
    Ok(serde_json::Value::String(text))
}

/// Returns the octets of hexadecimal digits.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let octets = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    octets.collect()
}

impl Reader<'_> {
    fn token(&mut self) -> Result<Token, ExportError> {
        loop {
            self.octets.skip_blanks()?;
            let Some(octet) = self.octets.take()? else {
                return Ok(Token::End);
            };
            return Ok(match octet {
                b'#' => {
                    self.skip_line()?;
                    continue;
                }
                b'-' if self.octets.peek()? == Some(b'-') => {
                    self.skip_line()?;
                    continue;
                }
                b'/' if self.octets.peek()? == Some(b'*') => {
                    self.skip_comment()?;
                    continue;
                }
                b'`' => {
                    let name = self.quoted(b'`', MAX_WORD)?.unwrap_or_default();
                    Token::Name(String::from_utf8_lossy(&name).into_owned())
                }
                b'\'' | b'"' => Token::Text(self.quoted(octet, MAX_LENGTH)?),
                octet if is_of_word(octet) => Token::Word(self.word(octet)?),
                octet => Token::Mark(octet),
            });
        }
    }

    fn word(&mut self, first: u8) -> Result<String, ExportError> {
        let mut word = vec![first];
        // A number may have a point; between names it is a token. A hexadecimal literal is as long
        // as what it stands for.
        let number = first.is_ascii_digit();
        let mut most = MAX_WORD;
        while let Some(octet) = self.octets.peek()? {
            if !(is_of_word(octet) || number && octet == b'.') {
                break;
            }
            self.octets.take()?;
            if word.len() < most {
                word.push(octet);
            }
            if word == b"0x" {
                most = MAX_LENGTH;
            }
        }
        Ok(String::from_utf8_lossy(&word).into_owned())
    }

    fn skip_line(&mut self) -> Result<(), ExportError> {
        while !matches!(self.octets.take()?, Some(b'\n') | None) {}
        Ok(())
    }

    fn skip_comment(&mut self) -> Result<(), ExportError> {
        self.octets.take()?;
        let mut before = 0;
        while let Some(octet) = self.octets.take()? {
            if (before, octet) == (b'*', b'/') {
                break;
            }
            before = octet;
        }
        Ok(())
    }

    /// Takes the rest of a quoted text (MySQL 8.4 manual, section "String Literals"). Returns `None`
    /// if it has more than `most` octets.
    fn quoted(&mut self, quote: u8, most: usize) -> Result<Option<Vec<u8>>, ExportError> {
        let begins = self.octets.line;
        let mut text = Vec::new();
        let mut whole = true;
        let unended = || ExportError::Broken {
            line: begins,
            detail: "the file ends inside a text that begins here",
        };
        loop {
            let octet = self.octets.take()?.ok_or_else(unended)?;
            let meant: &[u8] = match octet {
                octet if octet == quote => {
                    if self.octets.peek()? != Some(quote) {
                        return Ok(whole.then_some(text));
                    }
                    self.octets.take()?;
                    &[quote]
                }
                b'\\' if quote != b'`' => match self.octets.take()?.ok_or_else(unended)? {
                    b'0' => &[0],
                    b'b' => &[8],
                    b'n' => b"\n",
                    b'r' => b"\r",
                    b't' => b"\t",
                    b'Z' => &[26],
                    // These two are for patterns, and keep their backslash elsewhere.
                    b'%' => b"\\%",
                    b'_' => b"\\_",
                    other => &[other],
                },
                octet => &[octet],
            };
            match text.len() + meant.len() > most {
                true => whole = false,
                false => text.extend_from_slice(meant),
            }
        }
    }
}

fn is_of_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'$') || !octet.is_ascii()
}
