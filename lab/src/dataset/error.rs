//! Why a command of `cartlab dataset` did not do what was asked.

use std::{
    io,
    path::{Path, PathBuf},
};

use cartvision_wire::ExitCode;

use crate::halt::Stopped;
use crate::recording::{Fault, RecordingError, Split};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Found before anything was made.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Found under way, in boxes.
    #[error("{0}")]
    UnderWay(RecordingError),
    #[error("{}: {reason}", file.display())]
    Video { file: PathBuf, reason: String },
    #[error("{}: cannot read it: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{}: cannot {doing}: {reason}", path.display())]
    Write { path: PathBuf, doing: &'static str, reason: io::Error },
    #[error("{}: {hint}", path.display())]
    Occupied { path: PathBuf, hint: &'static str },
    #[error("the splits are not apart: {leak}{}", and_more(*count))]
    Leaks { leak: String, count: usize },
    #[error("the sessions cannot be divided: {reason}")]
    Indivisible { reason: String },
    #[error("session {session} belongs to no split")]
    Unsplit { session: String },
    #[error("no session belongs to the split {split}")]
    EmptySplit { split: Split },
    #[error("{}: {what}", file.display())]
    Splits { file: PathBuf, what: String },
    #[error("the sessions do not fit together: {what}")]
    Unlike { what: String },
    #[error("{option} is not for --format {format}")]
    Option { option: &'static str, format: &'static str },
    #[error("{0}")]
    Questions(Fault),
    #[error("the sessions hold nothing for --format {format}")]
    Nothing { format: &'static str },
    #[error("{}: {what}", directory.display())]
    NotMade { directory: PathBuf, what: String },
    #[error("interrupted; what was half made is removed")]
    Interrupted,
    #[error("cannot start: {reason}")]
    System { reason: String },
    #[error("cannot print the result: {reason}")]
    Output { reason: String },
}

impl From<Stopped> for Error {
    fn from(Stopped: Stopped) -> Self {
        Self::Interrupted
    }
}

fn and_more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

impl Error {
    /// From an error of the file system while doing something to a path.
    pub(super) fn write(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |reason| Self::Write { path, doing, reason }
    }

    /// From an error of the file system while reading a path.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |reason| Self::Unreadable { path, reason: reason.to_string() }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Recording(e) => e.exit_code(),
            Self::Leaks { .. } | Self::Indivisible { .. } | Self::Nothing { .. } => ExitCode::No,
            Self::Occupied { .. }
            | Self::Unsplit { .. }
            | Self::EmptySplit { .. }
            | Self::Splits { .. }
            | Self::Unlike { .. }
            | Self::Option { .. }
            | Self::Questions(_)
            | Self::NotMade { .. }
            | Self::Unreadable { .. } => ExitCode::Usage,
            Self::UnderWay(_)
            | Self::Video { .. }
            | Self::Write { .. }
            | Self::Interrupted
            | Self::System { .. } => ExitCode::Environment,
            Self::Output { .. } => ExitCode::Defect,
        }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Recording(e) | Self::UnderWay(e) => e.advice(),
            Self::Video { .. } => {
                "record or make that session again, or take it out of the set; `cartlab dataset check --sessions SET` \
                 lists all that is wrong"
            }
            Self::Unreadable { .. } => "give files that can be read",
            Self::Write { reason, .. } => match reason.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    "free space there or give another place with --out, then run it again; what was half made is \
                     removed"
                }
                _ => "give a place that can be written with --out",
            },
            Self::Occupied { .. } => "give another place with --out, or remove what is there",
            Self::Leaks { .. } => {
                "make the sessions again with `cartlab sim --split`, or take those that share something out of the set"
            }
            Self::Indivisible { .. } => {
                "add sessions with other seeds, variants and shoppers, as `cartlab sim --split` makes them"
            }
            Self::Unsplit { .. } => {
                "divide the set with `cartlab dataset split --sessions SET --out FILE.json` and pass --splits FILE.json"
            }
            Self::EmptySplit { .. } => "choose another --split, or add sessions of that one",
            Self::Splits { .. } => "make that file again with `cartlab dataset split`",
            Self::Unlike { .. } => "give sessions that were made with one catalogue",
            Self::Option { .. } => {
                "leave it out, or choose another --format; --help tells which goes with which"
            }
            Self::Questions(_) => {
                "replay the same sessions with this version's programs (`cartlab eval --sessions … --bundle …`) and give \
                 the report's questions/ with --questions"
            }
            Self::Nothing { .. } => "give sessions with frames, tracks and episodes, or leave --limit out",
            Self::NotMade { .. } => "give a directory that `cartlab dataset export` has made with --data",
            Self::Interrupted => "run the same command again",
            Self::System { .. } => "mend that and run it again; `make setup` brings what is needed",
            Self::Output { .. } => "please report this",
        }
    }
}
