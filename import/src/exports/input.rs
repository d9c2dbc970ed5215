//! Files, as octets of which the place and the line are known.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The length of the longest entry of an export, in octets.
pub(super) const MAX_LENGTH: usize = 1 << 20;

/// An error of reading an export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is in UTF-16.
    #[error("is in UTF-16, as PowerShell writes what is sent to a file: it must be in UTF-8")]
    Utf16,
    /// The structure of the file is broken, so that the next entry cannot be found.
    #[error("is broken at line {line}: {detail}")]
    Broken {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong there.
        detail: &'static str,
    },
    /// The file is something else.
    #[error("is not such an export: {0}")]
    Other(String),
    /// The parameters of Firebase's hashes are not given.
    #[error("has passwords, and these need the password hash parameters of the project")]
    NoHashConfig,
}

/// The octets of a file, without a byte order mark.
pub(super) struct Octets<R> {
    inner: R,
    /// The number of octets before the next one.
    pub(super) offset: u64,
    /// The line of the next octet, counted from 1.
    pub(super) line: u64,
}

/// How a line ended.
pub(super) enum Line {
    /// As it should.
    Whole,
    /// Its end was skipped: it has more than [`MAX_LENGTH`] octets.
    TooLong,
}

/// Opens a file.
pub(super) fn open(path: &Path) -> Result<Octets<BufReader<File>>, ExportError> {
    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let start = file.fill_buf()?;
    let offset = match start {
        [0xef, 0xbb, 0xbf, ..] => 3,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(ExportError::Utf16),
        _ => 0,
    };
    file.consume(offset);
    Ok(Octets::new(file, offset as u64))
}

/// A second handle of a file, to read entries that were found before.
pub(super) struct Again(BufReader<File>);

impl Again {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, ExportError> {
        Ok(Self(BufReader::with_capacity(4096, File::open(path)?)))
    }

    /// Returns the octets from a place on.
    pub(super) fn at(&mut self, offset: u64) -> io::Result<Octets<&mut BufReader<File>>> {
        self.0.seek(SeekFrom::Start(offset))?;
        Ok(Octets::new(&mut self.0, offset))
    }
}

/// Returns the first octet that is not blank, if there is one.
pub(super) fn first_octet(path: &Path) -> Result<Option<u8>, ExportError> {
    let mut octets = open(path)?;
    octets.skip_blanks()?;
    Ok(octets.peek()?)
}

impl<R: BufRead> Octets<R> {
    fn new(inner: R, offset: u64) -> Self {
        Self {
            inner,
            offset,
            line: 1,
        }
    }

    /// Returns the next octet without taking it, or `None` at the end.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.inner.fill_buf()?.first().copied())
    }

    /// Takes the next octet.
    pub(super) fn take(&mut self) -> io::Result<Option<u8>> {
        let next = self.peek()?;
        if let Some(octet) = next {
            self.inner.consume(1);
            self.offset += 1;
            self.line += u64::from(octet == b'\n');
        }
        Ok(next)
    }

    /// Takes what is blank in JSON.
    pub(super) fn skip_blanks(&mut self) -> io::Result<()> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek()? {
            self.take()?;
        }
        Ok(())
    }

    /// Takes a line, and appends it to `line` without its end. Returns `None` at the end of the
    /// file.
    pub(super) fn take_line(&mut self, line: &mut Vec<u8>) -> io::Result<Option<Line>> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let mut ended = Line::Whole;
        loop {
            let chunk = self.inner.fill_buf()?;
            let end = chunk.iter().position(|octet| *octet == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            let content = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            match line.len() + content.len() > MAX_LENGTH {
                true => ended = Line::TooLong,
                false if matches!(ended, Line::Whole) => line.extend_from_slice(content),
                false => {}
            }
            self.inner.consume(taken);
            self.offset += taken as u64;
            if end.is_some() {
                self.line += 1;
            }
            if end.is_some() || taken == 0 {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(ended));
            }
        }
    }
}

impl Octets<BufReader<File>> {
    /// Returns the file, from the next octet on.
    pub(super) fn into_inner(self) -> BufReader<File> {
        self.inner
    }
}

/// A file of which only so much is read until [`Bounded::allow_more`] is called.
pub(super) struct Bounded {
    inner: io::Take<BufReader<File>>,
}

impl Bounded {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, ExportError> {
        let mut bounded = Self {
            inner: open(path)?.into_inner().take(0),
        };
        bounded.allow_more();
        Ok(bounded)
    }

    /// Allows to read another [`MAX_LENGTH`] octets.
    pub(super) fn allow_more(&mut self) {
        self.inner.set_limit(MAX_LENGTH as u64);
    }
}

impl io::Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.inner.limit() == 0 && !self.inner.get_mut().fill_buf()?.is_empty() {
            return Err(io::Error::other(
                "a row has more than 1 MiB; is a quote missing?",
            ));
        }
        self.inner.read(buffer)
    }
}
