//! The rows of `INSERT` statements, as `mysqldump` and MariaDB's `mariadb-dump` write them.
//!
//! Only this is read of a dump: which columns a table has (`CREATE TABLE`), and the literals of
//! `INSERT` and `REPLACE`. Everything else is skipped. Texts have MySQL's escapes.

mod token;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use self::token::{MAX_WORD, Token, Tokens, literal};
use super::Flow;
use super::fields::Fields;
use super::input::{self, ExportError, MAX_LENGTH};
use crate::Fault;

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
        tokens: Tokens(input::open(path)?),
        wanted,
        columns: HashMap::new(),
    }
    .walk(each)
}

struct Reader<'a> {
    tokens: Tokens,
    wanted: &'a dyn Fn(&str) -> Option<&'static [&'static str]>,
    /// The columns of the tables that are wanted.
    columns: HashMap<String, Vec<String>>,
}

impl Reader<'_> {
    fn walk(mut self, each: &mut dyn FnMut(Row<'_>) -> Flow) -> Result<(), ExportError> {
        loop {
            let first = self.tokens.take()?;
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
                    self.tokens.skip_bodies()?;
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
            last = self.tokens.take()?;
        }
        Ok(())
    }

    /// Takes the name of a table, perhaps behind that of its database. Returns the token after it,
    /// too.
    fn table(&mut self, first: Token) -> Result<(String, Token), ExportError> {
        let mut name = first.name().unwrap_or_default();
        let mut next = self.tokens.take()?;
        while next == Token::Mark(b'.') {
            name = self.tokens.take()?.name().unwrap_or_default();
            next = self.tokens.take()?;
        }
        Ok((name, next))
    }

    /// Reads the columns of `CREATE TABLE`. Returns the last token.
    fn create(&mut self) -> Result<Token, ExportError> {
        let mut token = self.tokens.take()?;
        if !token.is("TABLE") {
            return Ok(token);
        }
        token = self.tokens.take()?;
        while token.is("IF") || token.is("NOT") || token.is("EXISTS") {
            token = self.tokens.take()?;
        }
        let (table, mut token) = self.table(token)?;
        if token != Token::Mark(b'(') || (self.wanted)(&table).is_none() {
            return Ok(token);
        }
        let mut columns = Vec::new();
        let mut depth = 1_u32;
        let mut begins = true;
        while depth > 0 {
            token = self.tokens.take()?;
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
        let mut token = self.tokens.take()?;
        while !matches!(token, Token::Name(_) | Token::Mark(_) | Token::End) {
            let into = token.is("INTO");
            token = self.tokens.take()?;
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
                token = self.tokens.take()?;
                if named.len() < MAX_WORD {
                    named.extend(token.clone().name());
                }
            }
            columns = Some(named);
            token = self.tokens.take()?;
        }
        let usual = || usual.iter().map(|name| (*name).to_owned()).collect();
        let columns = columns.unwrap_or_else(usual);
        if !(token.is("VALUES") || token.is("VALUE")) {
            return Ok((goes_on, token));
        }
        loop {
            token = self.tokens.take()?;
            match token {
                Token::Mark(b'(') => {}
                Token::Mark(b',') => continue,
                _ => return Ok((goes_on, token)),
            }
            let row = Row {
                table: &table,
                line: self.tokens.line(),
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
            let token = self.tokens.take()?;
            match token {
                Token::End => {
                    let (line, detail) = (self.tokens.line(), "the file ends inside a row");
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
