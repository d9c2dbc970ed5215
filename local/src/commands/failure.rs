//! Why a command did not do what it was asked for, and the exit code that says so.

use std::io;

use shared::store::StoreError;

/// The code of a process that Ctrl-C ended, as shells show it.
const INTERRUPTED: u8 = 130;

/// The reason why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Something is broken, or cannot be reached.
    Fault(anyhow::Error),
    /// The arguments or the input cannot be used, or a question was not answered with yes.
    Refused(String),
    /// There is no such account.
    Missing(String),
    /// What is there conflicts with what was asked for.
    Conflict(String),
    /// A part of the input was refused; the rest is done.
    Partly(String),
    /// Ctrl-C ended it.
    Interrupted,
    /// Whoever read the output reads no more.
    Closed,
}

impl Failure {
    /// Returns the exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Fault(_) => 1,
            Self::Refused(_) => 2,
            Self::Missing(_) => 3,
            Self::Conflict(_) => 4,
            Self::Partly(_) => 5,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// Returns the sentence for people, if there is something to say.
    pub(super) fn sentence(&self) -> Option<String> {
        match self {
            Self::Closed | Self::Interrupted => None,
            // Some of the SDK's have several lines.
            Self::Fault(error) => {
                let text = format!("{error:#}");
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                Some(lines.collect::<Vec<_>>().join(" "))
            }
            Self::Refused(sentence)
            | Self::Missing(sentence)
            | Self::Conflict(sentence)
            | Self::Partly(sentence) => Some(sentence.clone()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Fault(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Fault(error.into()),
        }
    }
}

impl From<serde_json::Error> for Failure {
    /// What is written here always serializes, so the error is one of the output.
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}
