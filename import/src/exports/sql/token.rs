//! The parts of statements of MySQL.

use std::fs::File;
use std::io::BufReader;

use serde_json::Value;

use super::super::input::{ExportError, MAX_LENGTH, Octets};
use crate::Fault;

/// The length of the longest word or name, in octets. What follows is dropped.
pub(super) const MAX_WORD: usize = 256;

/// A part of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
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
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(other) if other.eq_ignore_ascii_case(word))
    }

    pub(super) fn name(self) -> Option<String> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Text(Some(text)) => String::from_utf8(text).ok(),
            _ => None,
        }
    }
}

/// Returns the value of a literal.
pub(super) fn literal(tokens: Vec<Token>) -> Result<Value, Fault> {
    let broken = || Fault::new("", "broken", "has a value that is not a literal");
    let mut tokens = tokens.into_iter();
    let text = match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(null), None, None) if null.is("NULL") => return Ok(Value::Null),
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
    Ok(Value::String(text))
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

/// A dump as its tokens.
pub(super) struct Tokens(pub(super) Octets<BufReader<File>>);

impl Tokens {
    /// Takes a token. Comments are none.
    pub(super) fn take(&mut self) -> Result<Token, ExportError> {
        loop {
            self.0.skip_blanks()?;
            let Some(octet) = self.0.take()? else {
                return Ok(Token::End);
            };
            return Ok(match octet {
                b'#' => {
                    self.skip_line()?;
                    continue;
                }
                b'-' if self.0.peek()? == Some(b'-') => {
                    self.skip_line()?;
                    continue;
                }
                b'/' if self.0.peek()? == Some(b'*') => {
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

    /// Returns the line of the next octet, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.0.line
    }

    /// Skips the bodies of triggers: from `DELIMITER`, which was taken, to `DELIMITER ;`.
    pub(super) fn skip_bodies(&mut self) -> Result<(), ExportError> {
        let mut line = b"DELIMITER".to_vec();
        loop {
            let taken = self.0.take_line(&mut line)?;
            let delimiter = line.strip_prefix(b"DELIMITER").map(<[u8]>::trim_ascii);
            if taken.is_none() || delimiter == Some(b";") {
                return Ok(());
            }
            line.clear();
        }
    }

    fn word(&mut self, first: u8) -> Result<String, ExportError> {
        let mut word = vec![first];
        // A number may have a point; between names it is a token. A hexadecimal literal is as long
        // as what it stands for.
        let number = first.is_ascii_digit();
        let mut most = MAX_WORD;
        while let Some(octet) = self.0.peek()? {
            if !(is_of_word(octet) || number && octet == b'.') {
                break;
            }
            self.0.take()?;
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
        while !matches!(self.0.take()?, Some(b'\n') | None) {}
        Ok(())
    }

    fn skip_comment(&mut self) -> Result<(), ExportError> {
        self.0.take()?;
        let mut before = 0;
        while let Some(octet) = self.0.take()? {
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
        let begins = self.0.line;
        let mut text = Vec::new();
        let mut whole = true;
        let unended = || ExportError::Broken {
            line: begins,
            detail: "the file ends inside a text that begins here",
        };
        loop {
            let octet = self.0.take()?.ok_or_else(unended)?;
            let meant: &[u8] = match octet {
                octet if octet == quote => {
                    if self.0.peek()? != Some(quote) {
                        return Ok(whole.then_some(text));
                    }
                    self.0.take()?;
                    &[quote]
                }
                b'\\' if quote != b'`' => match self.0.take()?.ok_or_else(unended)? {
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
