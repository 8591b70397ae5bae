//! `cartlab dataset check`: everything that is wrong, not only the first.

mod data;
mod sessions;

use std::{fmt, path::PathBuf};

use cartvision_wire::ExitCode;
use serde::Serialize;

use super::{Error, Outcome, classes::Class, classes::Role, made::Faults};
use crate::halt::Halt;
use crate::recording::Fault;

const EXAMPLE: &str = "\
Example:
  cartlab dataset check --sessions sets/a
  cartlab dataset check --data data/a-yolo --json

Exit code 1: something is wrong.";

/// Look for everything that is wrong with recorded sessions or with a data set
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Arguments {
    /// A data set that `cartlab dataset export` made
    #[arg(long, value_name = "DIR", group = "what")]
    data: Option<PathBuf>,
    /// Recorded sessions
    #[arg(long, value_name = "SET", group = "what")]
    sessions: Option<PathBuf>,
    /// The file of `cartlab dataset split`, for sessions that carry no split
    #[arg(long, value_name = "FILE.json", requires = "sessions")]
    splits: Option<PathBuf>,
    /// Print so many faults at most; all are counted
    #[arg(long, value_name = "N", default_value_t = 50)]
    show: usize,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// What was looked at, and what is wrong.
#[derive(Debug, Serialize)]
struct Report {
    checked: PathBuf,
    sessions: usize,
    /// Frames of videos, or pictures, or windows.
    looked_at: u64,
    faults: usize,
    first: Vec<Fault>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.first {
            writeln!(f, "{fault}")?;
        }
        if self.faults > self.first.len() {
            writeln!(f, "… and {} more; --show {} prints them", self.faults - self.first.len(), self.faults)?;
        }
        let of = format!("{} sessions, {} frames or rows", self.sessions, self.looked_at);
        match self.faults {
            0 => writeln!(f, "{}: nothing is wrong ({of})", self.checked.display()),
            faults => writeln!(f, "{}: {faults} faults ({of})", self.checked.display()),
        }
    }
}

/// How much was looked at.
#[derive(Debug, Default)]
struct Seen {
    sessions: usize,
    frames: u64,
    /// Boxes of each class.
    boxes: Vec<u64>,
}

impl Seen {
    /// Boxes of one more picture; those of classes that do not exist are told elsewhere.
    fn count(&mut self, class: usize) {
        if self.boxes.len() <= class.min(MAX_CLASSES) {
            self.boxes.resize(class.min(MAX_CLASSES) + 1, 0);
        }
        if let Some(count) = self.boxes.get_mut(class) {
            *count += 1;
        }
    }

    /// Classes that nothing can be learnt about, as a sentence. Things outside the catalogue need not occur.
    fn empty_classes(&self, classes: &[Class]) -> Option<String> {
        let empty = |(index, class): &(usize, &Class)| {
            class.role != Role::Unknown && self.boxes.get(*index).is_none_or(|count| *count == 0)
        };
        let empty: Vec<_> =
            classes.iter().enumerate().filter(empty).map(|(_, class)| class.label.as_str()).collect();
        match empty.as_slice() {
            [] => None,
            [named @ .., _] if empty.len() > 8 => {
                let named = named[..7].join(", ");
                Some(format!("no box is of {} of the classes: {named}, …", empty.len()))
            }
            all => Some(format!("no box is of the class {}", all.join(", "))),
        }
    }
}

/// No catalogue has more; a class beyond it is a damaged file.
const MAX_CLASSES: usize = 100_000;

pub(super) fn run(arguments: &Arguments, halt: &Halt) -> Result<Outcome, Error> {
    let mut faults = Faults::keeping(arguments.show);
    let (checked, seen) = match (&arguments.data, &arguments.sessions) {
        (Some(data), _) => (data, data::check(data, &mut faults, halt)?),
        (None, Some(set)) => (set, sessions::check(set, arguments.splits.as_deref(), &mut faults, halt)?),
        // Clap has asked for one of them.
        (None, None) => return Err(Error::System { reason: "neither --data nor --sessions".to_owned() }),
    };
    let report = Report {
        checked: checked.clone(),
        sessions: seen.sessions,
        looked_at: seen.frames,
        faults: faults.count,
        first: faults.first,
    };
    let code = if report.faults == 0 { ExitCode::Fine } else { ExitCode::No };
    Outcome::of(&report, arguments.json, code)
}
