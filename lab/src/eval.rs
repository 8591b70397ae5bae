//! `cartlab eval`: how good is it? Recorded sessions through the product's own replay, held against their truth.
//!
//! ```text
//! set ─► clips ─► cartvisiond replay (one child for each) ─► events ─┐
//!          └──────────────────── truth ──────────────────────────────┴► cartvision-metric ─► report
//! ```
//! The figures are `cartvision-metric`'s; here are only the ways to their input, and the report. Deliberately absent:
//! event latency, which no file tells (see `cartvision-metric`).

mod clip;
mod comparison;
mod frames;
mod gates;
mod html;
mod measured;
mod perfect;
mod plot;
mod program;
mod replays;
mod report;
mod sheets;
mod table;
mod terminal;

use std::{fs, io, path::PathBuf};

use cartvision_engines::{Bundle, BundleError, EngineError};
use cartvision_metric::{EventsError, PairingError, TruthError};
use cartvision_wire::{CameraName, ExitCode, NameError};

use crate::halt::{Halt, Stopped};
use crate::recording::RecordingError;
use clip::Clip;
use gates::Gates;
use report::Report;

const EXAMPLE: &str = "\
Examples:
  cartlab eval --sessions sets/test --bundle bundles/grocery-24 --out reports/24 --min-event-f1 0.95
  cartlab eval --sessions sets/test --events reports/24/events --out reports/again
  cartlab eval --sessions sets/test --bundle bundles/grocery-25 --out reports/25 --compare reports/24/report.json
  cartlab eval --truth truth.jsonl --camera rim=clip.mp4 --bundle bundles/drinks --out reports/clip

The report directory gets index.html (one file, nothing to load from elsewhere), report.json (everything), events/, and
questions/: what the core asked, for `cartlab dataset export --format windows`.
A gate compares the bound of the 95 % interval that is harder to meet, not the figure itself.";

/// Measure a bundle, or events that exist already, on recorded sessions
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Arguments {
    /// A set of recorded sessions, or one of them; may be given several times
    #[arg(long, value_name = "SET", required_unless_present = "truth")]
    sessions: Vec<PathBuf>,
    /// Instead of sessions: the truth of a single clip
    #[arg(long, value_name = "FILE", conflicts_with = "sessions")]
    truth: Option<PathBuf>,
    /// A camera of the single clip and its recording; once for each camera
    #[arg(long = "camera", value_name = "NAME=FILE", requires = "truth", value_parser = camera)]
    recordings: Vec<(CameraName, PathBuf)>,
    /// The zones of the single clip's cameras [default: the whole picture]
    #[arg(long, value_name = "FILE", requires = "recordings")]
    zones: Option<PathBuf>,
    /// The bundle to measure: each session goes through `cartvisiond replay`, which is looked for beside this program
    /// and then in PATH
    #[arg(long, value_name = "DIR", required_unless_present_any = ["events", "perfect_boxes"])]
    bundle: Option<PathBuf>,
    /// Instead of a bundle: events that exist already, as DIR/SESSION.jsonl; a file for a single clip
    #[arg(long, value_name = "DIR|FILE", conflicts_with = "bundle")]
    events: Option<PathBuf>,
    /// Instead of a detector: the truth's own boxes, as one that never errs would give them. What is wrong then is the
    /// decision's fault: that of the bundle's temporal classifier, or of the analytic one without a bundle
    #[arg(long, requires = "sessions", conflicts_with_all = ["events", "cache", "classifier", "jobs"])]
    perfect_boxes: bool,
    /// Where the report goes: a directory that is not there yet, or an empty one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Use only the first N cameras of each session
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cameras: Option<u32>,
    /// Use only the first N sessions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Another report's report.json on the same sessions, to compare with: is this one better?
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Where detections are kept, so that a bundle looks at a recording once
    /// [default: $XDG_CACHE_HOME/cartvision/inputs, or ~/.cache/…]
    #[arg(long, value_name = "DIR", requires = "bundle")]
    cache: Option<PathBuf>,
    /// Which temporal classifier answers: `learned` or `analytic` [default: the bundle's, where it has one]
    #[arg(long, value_name = "WHICH", requires = "bundle", value_parser = ["learned", "analytic"])]
    classifier: Option<String>,
    /// Replays at the same time [default: 2 where there are as many cores]
    #[arg(long, value_name = "N", requires = "bundle", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// How many of the worst episodes get pictures
    #[arg(long, value_name = "N", default_value_t = 12)]
    worst: usize,
    #[command(flatten)]
    gates: Gates,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn camera(text: &str) -> Result<(CameraName, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("give NAME=FILE, for example rim-left=clip.mp4")?;
    if file.is_empty() {
        return Err(format!("no file after {name}="));
    }
    Ok((CameraName::new(name).map_err(|e| e.to_string())?, file.into()))
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("session {name} is in {} and in {}", first.display(), second.display())]
    Twice { name: String, first: PathBuf, second: PathBuf },
    #[error("{}: {reason}", directory.display())]
    Name { directory: PathBuf, reason: NameError },
    #[error("{}: session {session} has {has} camera(s), not {asked}", directory.display())]
    TooFewCameras { directory: PathBuf, session: String, has: usize, asked: u32 },
    #[error(transparent)]
    Truth(#[from] TruthError),
    #[error("{}: the truth goes on until {truth_end} s, but the session ended at {ended} s", truth.display())]
    Length { truth: PathBuf, truth_end: f64, ended: f64 },
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error("{}: there are no events of session {session}", path.display())]
    NoEvents { path: PathBuf, session: String },
    #[error("a replay of the truth in {} needs its recordings", truth.display())]
    NoRecordings { truth: PathBuf },
    #[error("{}: cannot read it: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cartvisiond is neither beside this program nor in PATH")]
    NoProgram,
    #[error("{}: cannot be started: {reason}", program.display())]
    NotStarted { program: PathBuf, reason: io::Error },
    #[error("session {session}: cartvisiond replay failed ({status}); it said:\n{said}")]
    Replay { session: String, status: String, usage: bool, said: String },
    #[error("{}: exists and is not empty", out.display())]
    Occupied { out: PathBuf },
    #[error("{}: cannot write it: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: io::Error },
    #[error("no place for the cache: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    #[error("{}: it is no report.json of this version: {reason}", path.display())]
    NoReport { path: PathBuf, reason: String },
    #[error("{}: {reason}", path.display())]
    Pairing { path: PathBuf, reason: PairingError },
    #[error("interrupted; what was half made is removed")]
    Interrupted,
    #[error("cannot start: {0}")]
    System(io::Error),
    #[error("the report cannot be written as JSON: {0}")]
    Json(serde_json::Error),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Recording(e) => e.exit_code(),
            Self::Bundle(e) if e.is_environment() => ExitCode::Environment,
            Self::Engine(e) if e.is_environment() => ExitCode::Environment,
            Self::Twice { .. }
            | Self::Name { .. }
            | Self::TooFewCameras { .. }
            | Self::Truth(_)
            | Self::Length { .. }
            | Self::Events(_)
            | Self::NoEvents { .. }
            | Self::NoRecordings { .. }
            | Self::Unreadable { .. }
            | Self::Bundle(_)
            | Self::Engine(_)
            | Self::Replay { usage: true, .. }
            | Self::Occupied { .. }
            | Self::NoReport { .. }
            | Self::Pairing { .. } => ExitCode::Usage,
            Self::NoProgram
            | Self::NotStarted { .. }
            | Self::Replay { .. }
            | Self::Unwritable { .. }
            | Self::NoCache
            | Self::Interrupted
            | Self::System(_) => ExitCode::Environment,
            Self::Json(_) => ExitCode::Defect,
        }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Recording(e) => e.advice(),
            Self::Twice { .. } => {
                "give each session once, or rename one of them (its name is in session.json)"
            }
            Self::Name { .. } => "rename the session in its session.json",
            Self::TooFewCameras { .. } => "ask for fewer with --cameras, or leave the session out of the set",
            Self::Truth(_) => "mend that line; the format is one JSON object a line, times in seconds",
            Self::Length { .. } => "give the truth that was made for this recording",
            Self::Events(_) => "mend that line, or make the events again with --bundle",
            Self::NoEvents { .. } => "give a directory with SESSION.jsonl for every session with --events",
            Self::NoRecordings { .. } => {
                "name them with --camera NAME=FILE, or give their events with --events"
            }
            Self::Unreadable { .. } => "give a file that exists and can be read",
            Self::Bundle(_) => "give a bundle's directory with --bundle; `cartlab bundle` makes one",
            Self::Engine(_) => "give a bundle that runs in this version's cartvisiond",
            Self::NoProgram => "build it (make build), or put its directory into PATH",
            Self::NotStarted { .. } => "check that it may be executed on this machine",
            Self::Replay { .. } => {
                "mend that and run the same command again; what was replayed before it comes from the cache"
            }
            Self::Occupied { .. } => "give another directory with --out, or remove this one",
            Self::Unwritable { .. } => "make room, or give a place that can be written with --out or --cache",
            Self::NoCache => "name a directory with --cache",
            Self::NoReport { .. } => "give the report.json of another `cartlab eval` with --compare",
            Self::Pairing { .. } => "measure both on the same sessions, then compare",
            Self::Interrupted => "run the same command again; what was replayed comes from the cache",
            Self::System(_) => "free resources on this machine and run it again",
            Self::Json(_) => "please report it",
        }
    }
}

/// A report that was made, and what it comes to.
#[derive(Debug)]
pub(crate) struct Done {
    report: Report,
    out: PathBuf,
}

/// Measures, and writes the report. It appears in its place only when it is whole.
pub(crate) fn run(arguments: &Arguments) -> Result<Done, Error> {
    let out = &arguments.out;
    // What can be told at once is told before hours of work.
    refuse_occupied(out)?;
    let halt = Halt::on_signals().map_err(Error::System)?;
    let other = arguments.compare.as_deref().map(comparison::read_report).transpose()?;
    let clips = clips(arguments)?;
    let bundle = arguments.bundle.as_deref().map(Bundle::open).transpose()?;

    let unwritable = |reason| Error::Unwritable { path: out.clone(), reason };
    let out = std::path::absolute(out).map_err(unwritable)?;
    let parent = out.parent().unwrap_or(&out);
    fs::create_dir_all(parent).map_err(unwritable)?;
    let draft = tempfile::Builder::new()
        .prefix(".report-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(parent)
        .map_err(unwritable)?;

    let events = draft.path().join("events");
    let questions = draft.path().join("questions");
    for place in [&events, &questions] {
        fs::create_dir(place).map_err(unwritable)?;
    }
    let made_by = match (&arguments.events, &bundle) {
        (Some(path), _) => measured::gather(path, &clips, &events)?,
        (None, Some(bundle)) if !arguments.perfect_boxes => {
            let replays = replays::Replays::prepare(arguments, bundle, &halt)?;
            replays.run(&clips, &events, &questions)?;
            replays.source()
        }
        (None, bundle) => perfect::run(&clips, bundle.as_ref(), &events, &questions, &halt)?,
    };
    let sessions = measured::sessions(&clips, &events)?;
    halt.check()?;
    let report = Report::new(arguments, &clips, &sessions, made_by, other)?;
    report.write(draft.path())?;
    halt.check()?;
    // An empty directory may stand there.
    let place = draft.keep();
    fs::rename(&place, &out).map_err(|reason| {
        _ = fs::remove_dir_all(&place);
        Error::Unwritable { path: out.clone(), reason }
    })?;
    Ok(Done { report, out })
}

impl From<Stopped> for Error {
    fn from(Stopped: Stopped) -> Self {
        Self::Interrupted
    }
}

fn refuse_occupied(out: &std::path::Path) -> Result<(), Error> {
    match fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::Occupied { out: out.to_owned() }),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Err(Error::Occupied { out: out.to_owned() }),
        Err(reason) => Err(Error::Unreadable { path: out.to_owned(), reason }),
    }
}

fn clips(arguments: &Arguments) -> Result<Vec<Clip>, Error> {
    match &arguments.truth {
        Some(truth) => {
            if arguments.bundle.is_some() && arguments.recordings.is_empty() {
                return Err(Error::NoRecordings { truth: truth.clone() });
            }
            Ok(vec![Clip::single(truth, &arguments.recordings, arguments.zones.as_deref())?])
        }
        None => clip::of_sets(&arguments.sessions, arguments.cameras, arguments.limit),
    }
}

impl Done {
    /// The answer: "no" when a gate was missed.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.report.missed().next().is_none() { ExitCode::Fine } else { ExitCode::No }
    }

    /// The result for people.
    pub(crate) fn text(&self) -> String {
        terminal::text(&self.report, &self.out)
    }

    /// The result for programs.
    pub(crate) fn json(&self) -> String {
        terminal::json(&self.report, &self.out)
    }
}
