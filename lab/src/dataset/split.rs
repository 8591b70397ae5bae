//! `cartlab dataset split`.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use cartvision_wire::ExitCode;
use serde::{Deserialize, Serialize};

use super::{
    Error, Outcome, draft,
    leaks::{self, Leak},
    survey::{Summary, Survey},
    totals::BySplit,
};
use crate::halt::Halt;
use crate::recording::Split;

const EXAMPLE: &str = "\
Example:
  cartlab dataset split --sessions sets/a --out sets/a-split.json
  cartlab dataset split --sessions sets/a --check

Splits never share a scene seed, a product in one of its looks, or a shopper. Sessions that `cartlab sim --split` made
carry their split and keep it. Exit code 1: something leaks, or the set cannot be divided.";

/// As many leaks are printed.
const SHOWN: usize = 20;

/// Assign sessions to train, val and test so that nothing leaks, or prove that nothing does
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// The recorded sessions
    #[arg(long, value_name = "SET")]
    sessions: PathBuf,
    /// Where the assignment goes: a file that is not there yet. With --check: the file that is proved
    #[arg(long, value_name = "FILE.json", required_unless_present = "check")]
    out: Option<PathBuf>,
    /// Assign nothing and write nothing: only prove that the splits of --out, or the sessions' own, share nothing
    #[arg(long)]
    check: bool,
    /// Shares of train, val and test, of the sessions that have no split yet
    #[arg(long, value_name = "TRAIN,VAL,TEST", default_value = "0.7,0.15,0.15")]
    shares: Shares,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Shares([f64; 3]);

impl FromStr for Shares {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write three shares that sum to 1, like 0.7,0.15,0.15";
        let shares: Vec<f64> =
            text.split(',').map(|share| share.trim().parse().map_err(|_| wrong)).collect::<Result<_, _>>()?;
        let [train, val, test] = shares[..] else { return Err(wrong) };
        let shares = [train, val, test];
        let sound = shares.iter().all(|share| (0.0..=1.0).contains(share));
        if sound && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6 { Ok(Self(shares)) } else { Err(wrong) }
    }
}

/// The file that says which session belongs to which split.
#[derive(Debug, Deserialize, Serialize)]
struct AssignmentFile {
    format: u32,
    sessions: BTreeMap<String, Split>,
}

const FORMAT: u32 = 1;

/// A file with splits that was read.
pub(super) struct Assignment {
    file: PathBuf,
    sessions: BTreeMap<String, Split>,
}

impl Assignment {
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let wrong = |what: String| Error::Splits { file: file.to_owned(), what };
        let text = fs::read(file).map_err(|e| wrong(format!("cannot read the splits: {e}")))?;
        let read: AssignmentFile = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        if read.format != FORMAT {
            return Err(wrong(format!("format {} is not understood, only {FORMAT}", read.format)));
        }
        Ok(Self { file: file.to_owned(), sessions: read.sessions })
    }

    /// The split of a session; one that it carries itself must be the same.
    pub(super) fn of_session(&self, summary: &Summary) -> Result<Split, Error> {
        let wrong = |what: String| Error::Splits { file: self.file.clone(), what };
        let name = &summary.name;
        match (self.sessions.get(name), summary.split) {
            (None, _) => Err(wrong(format!("it does not have session {name}"))),
            (Some(here), Some(own)) if *here != own => {
                Err(wrong(format!("session {name} is {here} here and {own} in its session.json")))
            }
            (Some(split), _) => Ok(*split),
        }
    }
}

/// The splits, and what they share.
#[derive(Debug, Serialize)]
struct Report {
    sessions: BTreeMap<String, Split>,
    splits: BySplit,
    leaks: Vec<Leak>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<PathBuf>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.splits)?;
        if self.leaks.is_empty() {
            writeln!(f, "no seed, look or shopper is shared between splits")?;
        } else {
            writeln!(f, "{} leaks:", self.leaks.len())?;
            for leak in self.leaks.iter().take(SHOWN) {
                writeln!(f, "  {leak}")?;
            }
            if self.leaks.len() > SHOWN {
                writeln!(f, "  … and {} more", self.leaks.len() - SHOWN)?;
            }
        }
        match &self.written {
            Some(file) => writeln!(f, "written to {}", file.display()),
            None => Ok(()),
        }
    }
}

pub(super) fn run(arguments: &Arguments, halt: &Halt) -> Result<Outcome, Error> {
    let splits = arguments.out.as_deref().filter(|_| arguments.check);
    let survey = Survey::of(&arguments.sessions, splits, halt)?;
    let mut summaries = survey.summaries();
    if !arguments.check {
        leaks::assign(&mut summaries, arguments.shares.0)?;
    }
    let mut sessions = BTreeMap::new();
    for summary in &summaries {
        let split = summary.split.ok_or_else(|| Error::Unsplit { session: summary.name.clone() })?;
        sessions.insert(summary.name.clone(), split);
    }
    let leaks = leaks::find(&summaries);
    let mut report = Report { sessions, splits: BySplit::of(&summaries), leaks, written: None };
    if !report.leaks.is_empty() {
        return Outcome::of(&report, arguments.json, ExitCode::No);
    }
    if let Some(out) = arguments.out.as_ref().filter(|_| !arguments.check) {
        let file = AssignmentFile { format: FORMAT, sessions: report.sessions.clone() };
        let mut text =
            serde_json::to_vec_pretty(&file).map_err(|e| Error::Output { reason: e.to_string() })?;
        text.push(b'\n');
        draft::write_whole(out, &text)?;
        report.written = Some(out.clone());
    }
    Outcome::of(&report, arguments.json, ExitCode::Fine)
}
