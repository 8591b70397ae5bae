//! What is wrong with a recorded session, and where.

use std::{fmt, io, path::PathBuf};

use cartvision_wire::ExitCode;
use serde::Serialize;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: Option<usize>,
    pub(crate) what: String,
}

impl Fault {
    /// A fault of a whole file.
    pub(crate) fn of(file: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, what: what.into() }
    }

    /// A fault of one line.
    pub(crate) fn at(file: impl Into<PathBuf>, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.into(), line: Some(line), what: what.into() }
    }

    /// What serde says of JSON, without the line number that it counts within the text it was given.
    pub(crate) fn json(error: &serde_json::Error) -> String {
        let text = error.to_string();
        match text.rfind(" at line ") {
            Some(end) => format!("{} (column {})", &text[..end], error.column()),
            None => text,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(f, "{}: {}", self.file.display(), self.what),
        }
    }
}

/// Why a session or a set cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error("{}: cannot read it: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("{}: it holds no complete session (a directory with a session.json)", directory.display())]
    EmptySet { directory: PathBuf },
    #[error("{fault}{}", and_more(*more))]
    Faulty { fault: Fault, more: usize },
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}

impl RecordingError {
    /// The error that these faults are; `None` without any.
    pub(crate) fn of(faults: Vec<Fault>) -> Option<Self> {
        let more = faults.len().saturating_sub(1);
        faults.into_iter().next().map(|fault| Self::Faulty { fault, more })
    }

    /// The error as one fault among others.
    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Faulty { fault, .. } => fault,
            Self::Unreadable { path, reason } => Fault::of(path, format!("cannot read it: {reason}")),
            Self::EmptySet { directory } => Fault::of(directory, "it holds no complete session"),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "give a set of recorded sessions that can be read with --sessions",
            Self::EmptySet { .. } => {
                "give the directory that holds the sessions with --sessions, or make some with `cartlab sim`"
            }
            Self::Faulty { .. } => {
                "mend that file or take the session out of the set; `cartlab dataset check --sessions SET` lists all \
                 that is wrong"
            }
        }
    }
}

impl From<Fault> for RecordingError {
    fn from(fault: Fault) -> Self {
        Self::Faulty { fault, more: 0 }
    }
}
