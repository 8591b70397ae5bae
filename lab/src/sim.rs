//! `cartlab sim`: labelled sessions from the dummy cart.
//!
//! ```text
//! for each seed: settle it ─► crew, a camera each: shoot ─► encode ─┐
//!                    └► truth, calibration, zones ──────────────────┴► .NAME.part ─► read back ─► NAME
//! ```

mod crew;
mod pictured;
mod session;
mod video;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use cartvision_sim::{Catalogue, CatalogueError, Difficulty, MAX_CAMERAS, Order, Split};
use cartvision_wire::ExitCode;
use serde_json::json;

use crate::bundle::Size;
use crate::progress::Progress;
use crate::recording::RecordingError;
use crew::Crew;

const EXAMPLE: &str = "\
Example:
  cartlab sim --out sessions --seed 1 --count 10 --difficulty normal
  cartlab sim --out test-set --split test --count 150 --difficulty hard
  cartlab sim --out mine --catalogue my-products     (a folder with catalogue.csv and pack shots)

A catalogue.csv has a header and the columns id, label and file (a JPEG or PNG: on white, or with alpha); it may have
shape (box, bottle, can, pouch, jar, produce) and size_mm (depth x width x height, like 55x160x225), which are otherwise
guessed from the picture's outline.

A seed belongs to one split: its last digit says which (9 test, 8 validation, others training), and splits share no
shopper and no print of a product. The same seed gives the same truth and the same pixels on any x86-64 machine.";

/// Make labelled sessions with the dummy cart
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Arguments {
    /// Where the sessions go: one directory each, named by difficulty and seed. Sessions that are there already,
    /// whole and made by the same order, are kept
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The first seed; with --split the number of the split's first seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many sessions, with consecutive seeds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// Only seeds of this split
    #[arg(long)]
    split: Option<SplitName>,
    /// How hard the sessions are to follow
    #[arg(long, default_value = "normal")]
    difficulty: DifficultyName,
    /// How many cameras
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=MAX_CAMERAS as i64))]
    cameras: u8,
    /// Length of a session, seconds
    #[arg(long, value_name = "S", default_value_t = 40, value_parser = clap::value_parser!(u32).range(8..=600))]
    seconds: u32,
    /// Frames a second
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: u32,
    /// Size of the pictures, even numbers
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x360")]
    size: Size,
    /// Anybody's products instead of the dummy cart's own: a folder with catalogue.csv and pack shots
    #[arg(long, value_name = "DIR")]
    catalogue: Option<PathBuf>,
    /// Threads that render and encode, no more than cameras [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SplitName {
    Train,
    Val,
    Test,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DifficultyName {
    Easy,
    Normal,
    Hard,
}

/// Why no session was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
    #[error("{}: {what}", path.display())]
    Picture { path: PathBuf, what: String },
    #[error("{}: {what}", file.display())]
    Table { file: PathBuf, what: String },
    #[error("{}: {reason}", place.display())]
    Catalogue { place: PathBuf, reason: CatalogueError },
    #[error("{}: a session is there already, and it was made otherwise: {differs}", directory.display())]
    Other { directory: PathBuf, differs: String },
    #[error("--size {width}x{height}: video needs even numbers from 64 to 4096")]
    Size { width: usize, height: usize },
    #[error("{}: the video cannot be written: {what}", file.display())]
    Video { file: PathBuf, what: String },
    #[error("GStreamer cannot be used: {0}")]
    GStreamer(String),
    #[error("threads cannot be started: {0}")]
    Threads(io::Error),
    #[error("a thread that renders panicked; this is a defect")]
    Panic,
    #[error("the session just written does not read back; this is a defect: {0}")]
    Unsound(#[from] RecordingError),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Picture { .. } | Self::Table { .. } | Self::Catalogue { .. } => ExitCode::Usage,
            Self::Other { .. } | Self::Size { .. } => ExitCode::Usage,
            Self::File { .. } | Self::Video { .. } | Self::GStreamer(_) | Self::Threads(_) => {
                ExitCode::Environment
            }
            Self::Panic | Self::Unsound(_) => ExitCode::Defect,
        }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::File { .. } => {
                "check that the place exists, can be written and has room (about 4 MB a session)"
            }
            Self::Picture { .. } => "give a JPEG or PNG of the product on white, or with alpha",
            Self::Table { .. } => "write the columns id, label and file, and if you like shape and size_mm",
            Self::Catalogue { .. } => "mend catalogue.csv",
            Self::Other { .. } => "give another --out, or remove that session",
            Self::Size { .. } => "give a size like 640x360",
            Self::Video { .. } => "make room on the disk, then run it again: whole sessions are kept",
            Self::GStreamer(_) => "make setup",
            Self::Threads(_) => "give fewer --threads",
            Self::Panic | Self::Unsound(_) => "please report it, with the command line",
        }
    }

    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |reason| Self::File { path: path.to_owned(), reason }
    }
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Made {
    out: PathBuf,
    made: u64,
    kept: u64,
    frames: u64,
    changes: usize,
    episodes: usize,
    nulls: usize,
    seconds: f64,
}

impl Made {
    pub(crate) fn text(&self) -> String {
        format!(
            "{}: {} sessions made, {} kept; {} changes, {} episodes, {} of them null; {} frames in {:.1} s",
            self.out.display(),
            self.made,
            self.kept,
            self.changes,
            self.episodes,
            self.nulls,
            self.frames,
            self.seconds
        )
    }

    pub(crate) fn json(&self) -> String {
        json!({
            "out": self.out, "made": self.made, "kept": self.kept, "frames": self.frames, "changes": self.changes,
            "episodes": self.episodes, "null_episodes": self.nulls, "seconds": self.seconds,
        })
        .to_string()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Made, Error> {
    let [width, height] = arguments.size.sides();
    let even = |side: usize| side.is_multiple_of(2) && (64..=4096).contains(&side);
    if !even(width) || !even(height) {
        return Err(Error::Size { width, height });
    }
    let catalogue = Arc::new(match &arguments.catalogue {
        None => Catalogue::own(),
        Some(place) => pictured::read(place)?,
    });
    gstreamer::init().map_err(|e| Error::GStreamer(e.to_string()))?;
    std::fs::create_dir_all(&arguments.out).map_err(Error::file(&arguments.out))?;
    let threads = arguments
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let crew = Crew::new(threads.min(arguments.cameras.into())).map_err(Error::Threads)?;
    let began = Instant::now();
    let mut made = Made {
        out: arguments.out.clone(),
        made: 0,
        kept: 0,
        frames: 0,
        changes: 0,
        episodes: 0,
        nulls: 0,
        seconds: 0.0,
    };
    let progress = Progress::new("session", usize::try_from(arguments.count).unwrap_or(usize::MAX));
    for n in 0..arguments.count {
        let number = arguments.seed.saturating_add(n);
        let seed = match arguments.split {
            None => number,
            Some(SplitName::Train) => Split::Train.seed(number),
            Some(SplitName::Val) => Split::Val.seed(number),
            Some(SplitName::Test) => Split::Test.seed(number),
        };
        let order = Order {
            seed,
            difficulty: match arguments.difficulty {
                DifficultyName::Easy => Difficulty::Easy,
                DifficultyName::Normal => Difficulty::Normal,
                DifficultyName::Hard => Difficulty::Hard,
            },
            cameras: arguments.cameras.into(),
            duration: arguments.seconds as f32,
            fps: arguments.fps,
            width,
            height,
        };
        let done = session::make(&order, &catalogue, &arguments.out, &crew)?;
        let truth = done.truth;
        made.changes += truth.changes.len();
        made.episodes += truth.episodes.len();
        made.nulls += truth.episodes.iter().filter(|e| e.changes == 0).count();
        made.frames += done.frames;
        if done.kept {
            made.kept += 1;
        } else {
            made.made += 1;
        }
        let each = began.elapsed().as_secs_f64() / (n + 1) as f64;
        let left = each * (arguments.count - n - 1) as f64;
        progress.step(&format!("{each:.1} s each, {left:.0} s left"));
    }
    made.seconds = began.elapsed().as_secs_f64();
    Ok(made)
}
