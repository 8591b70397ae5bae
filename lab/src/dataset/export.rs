//! `cartlab dataset export`.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use cartvision_wire::ExitCode;
use serde::Serialize;
use serde_json::Value;

use super::{
    Error, Outcome, chat, classes,
    classes::Class,
    coco,
    draft::Draft,
    labels::Least,
    manifest::{Counts, Kind, Manifest},
    pictures,
    survey::{Summary, Survey},
    windows, yolo,
};
use crate::halt::Halt;
use crate::progress::Progress;
use crate::recording::{Recording, RecordingError, Split, View};

const EXAMPLE: &str = "\
Examples:
  cartlab dataset export --sessions sets/a --format yolo --every 5 --size 320x192 --out data/a-yolo
  cartlab dataset export --sessions sets/a --format windows --questions reports/a/questions --out data/a-windows
  cartlab dataset export --sessions sets/a --format chat --pictures 8 --out data/a-chat

Classes: the catalogue's items in its order, then `hand`, then `unknown`. The result appears when it is whole; while it is
made it lies beside its place with `.part` behind its name.";

/// Write a data set that trainers read: pictures with boxes, what a temporal classifier is shown, or conversations
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// The recorded sessions
    #[arg(long, value_name = "SET")]
    sessions: PathBuf,
    /// The file of `cartlab dataset split`, for sessions that carry no split
    #[arg(long, value_name = "FILE.json")]
    splits: Option<PathBuf>,
    /// Where the data set goes: a directory that is not there yet, or an empty one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[arg(long)]
    format: Kind,
    /// Only this split [default: all, each apart]
    #[arg(long)]
    split: Option<Split>,
    /// At most so many pictures, windows or conversations of each split
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Of each camera every N-th frame (coco, yolo) [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// Size of the pictures (coco, yolo, chat) [default: the video's]
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    size: Option<Size>,
    /// JPEG quality (coco, yolo, chat) [default: 90]
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Leave out boxes of things of which less is visible, as a share (coco, yolo; hands stay, as their arms go
    /// on beyond the picture) [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    least_visibility: Option<f64>,
    /// Leave out boxes that are narrower or lower, pixels of the kept picture (coco, yolo) [default: 4]
    #[arg(long, value_name = "PIXELS", value_parser = length)]
    least_side: Option<f64>,
    /// What the core asked in each session, as `cartlab eval` keeps it: DIR/SESSION.jsonl (windows)
    #[arg(long, value_name = "DIR", required_if_eq("format", "windows"))]
    questions: Option<PathBuf>,
    /// Pictures in a conversation (chat) [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    pictures: Option<u64>,
    /// Items to choose from, besides `unknown` (chat) [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    candidates: Option<u64>,
    /// Seconds shown before and after an episode (chat) [default: 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = length)]
    padding: Option<f64>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Width and height, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u32, pub(super) u32);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it like 320x192, each from 8 to 8192";
        let (width, height) = text.split_once(['x', '×']).ok_or(wrong)?;
        let side = |text: &str| text.parse().ok().filter(|side| (8..=8192).contains(side)).ok_or(wrong);
        Ok(Self(side(width)?, side(height)?))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.0, self.1)
    }
}

fn share(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("write a share from 0 to 1")
}

fn length(text: &str) -> Result<f64, &'static str> {
    text.parse()
        .ok()
        .filter(|length| (0.0..=1e4).contains(length))
        .ok_or("write a number that is not negative")
}

/// What every export works on.
pub(super) struct Job<'a> {
    pub(super) survey: &'a Survey,
    pub(super) classes: &'a [Class],
    pub(super) draft: &'a Draft,
    /// Of each split.
    pub(super) limit: u64,
    pub(super) halt: &'a Halt,
}

impl Job<'_> {
    /// Calls `each` with one session after the other, and with what its cameras see.
    pub(super) fn sessions(
        &self,
        mut each: impl FnMut(Split, &Recording, &[Vec<View>]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let progress = Progress::new("session", self.survey.sessions.len());
        for (directory, Summary { name, split, .. }) in &self.survey.sessions {
            self.halt.check()?;
            progress.step(name);
            let split = split.ok_or_else(|| Error::Unsplit { session: name.clone() })?;
            let recording = Recording::open(directory).map_err(Error::UnderWay)?;
            let views = recording.views().map_err(|e| match e {
                // Boxes are looked at only now: what is wrong with them was not found before the run.
                RecordingError::Unreadable { .. } => Error::Recording(e),
                faulty => Error::UnderWay(faulty),
            })?;
            each(split, &recording, &views)?;
        }
        Ok(())
    }

    /// How many items there are.
    pub(super) fn items(&self) -> usize {
        self.survey.catalogue.items().len()
    }

    /// The splits that have sessions.
    pub(super) fn splits(&self) -> Vec<Split> {
        let has =
            |split: &Split| self.survey.sessions.iter().any(|(_, summary)| summary.split == Some(*split));
        Split::ALL.into_iter().filter(has).collect()
    }
}

impl Arguments {
    /// Refuses what does not go with the format.
    fn refuse_strangers(&self) -> Result<(), Error> {
        use Kind::{Chat, Coco, Windows, Yolo};
        let boxes = [Coco, Yolo].as_slice();
        let table: [(&'static str, bool, &[Kind]); 9] = [
            ("--every", self.every.is_some(), boxes),
            ("--size", self.size.is_some(), &[Coco, Yolo, Chat]),
            ("--quality", self.quality.is_some(), &[Coco, Yolo, Chat]),
            ("--least-visibility", self.least_visibility.is_some(), boxes),
            ("--least-side", self.least_side.is_some(), boxes),
            ("--questions", self.questions.is_some(), &[Windows]),
            ("--pictures", self.pictures.is_some(), &[Chat]),
            ("--candidates", self.candidates.is_some(), &[Chat]),
            ("--padding", self.padding.is_some(), &[Chat]),
        ];
        match table.iter().find(|(_, given, kinds)| *given && !kinds.contains(&self.format)) {
            Some((option, ..)) => Err(Error::Option { option, format: self.format.name() }),
            None => Ok(()),
        }
    }

    fn pictures(&self) -> pictures::Options {
        pictures::Options {
            every: self.every.unwrap_or(5),
            size: self.size,
            quality: self.quality.unwrap_or(90),
            least: Least {
                visibility: self.least_visibility.unwrap_or(0.1),
                side: self.least_side.unwrap_or(4.0),
            },
        }
    }

    fn chat(&self) -> chat::Options {
        let count = |given: Option<u64>| usize::try_from(given.unwrap_or(8)).unwrap_or(1);
        chat::Options {
            pictures: count(self.pictures),
            candidates: count(self.candidates),
            padding_s: self.padding.unwrap_or(0.5),
            size: self.size,
            quality: self.quality.unwrap_or(90),
        }
    }

    /// What counts for the format, for the manifest.
    fn options(&self) -> BTreeMap<String, Value> {
        let size = |size: Option<Size>| size.map_or(Value::Null, |size| size.to_string().into());
        let named: Vec<(&str, Value)> = match self.format {
            Kind::Coco | Kind::Yolo => {
                let pictures::Options { every, size: kept, quality, least } = self.pictures();
                vec![
                    ("every", every.into()),
                    ("size", size(kept)),
                    ("quality", quality.into()),
                    ("least-visibility", least.visibility.into()),
                    ("least-side", least.side.into()),
                ]
            }
            // Where the questions lie says nothing; what they are the header of each file says.
            Kind::Windows => vec![],
            Kind::Chat => {
                let chat::Options { pictures, candidates, padding_s, size: kept, quality } = self.chat();
                vec![
                    ("pictures", pictures.into()),
                    ("candidates", candidates.into()),
                    ("padding", padding_s.into()),
                    ("size", size(kept)),
                    ("quality", quality.into()),
                ]
            }
        };
        let limit = ("limit", self.limit.map_or(Value::Null, Value::from));
        named.into_iter().chain([limit]).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A data set that was made.
#[derive(Debug, Serialize)]
struct Made<'a> {
    out: &'a Path,
    format: Kind,
    classes: usize,
    splits: BTreeMap<Split, Counts>,
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "made {} ({}, {} classes)", self.out.display(), self.format.name(), self.classes)?;
        for (split, counts) in &self.splits {
            let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
            writeln!(f, "  {split:<5}  {}", counts.join(", "))?;
        }
        Ok(())
    }
}

pub(super) fn run(arguments: &Arguments, halt: &Halt) -> Result<Outcome, Error> {
    arguments.refuse_strangers()?;
    let options = arguments.options();
    // Before the set is looked through, so that a place that is taken is told at once.
    let draft = Draft::begin(&arguments.out)?;
    let mut survey = Survey::of(&arguments.sessions, arguments.splits.as_deref(), halt)?;
    survey.select(arguments.split)?;
    let classes = classes::of(&survey.catalogue);
    let limit = arguments.limit.unwrap_or(u64::MAX);
    let job = Job { survey: &survey, classes: &classes, draft: &draft, limit, halt };
    let counts = match arguments.format {
        Kind::Coco => coco::export(&job, &arguments.pictures()),
        Kind::Yolo => yolo::export(&job, &arguments.pictures()),
        Kind::Windows => windows::export(&job, arguments.questions.as_deref().unwrap_or(Path::new(""))),
        Kind::Chat => chat::export(&job, &arguments.chat()),
    }?;
    let made = Made {
        out: &arguments.out,
        format: arguments.format,
        classes: classes.len(),
        splits: counts.clone(),
    };
    if counts.values().flat_map(BTreeMap::values).all(|count| *count == 0) {
        return Err(Error::Nothing { format: arguments.format.name() });
    }
    Manifest::new(arguments.format, classes.clone(), options, counts, survey.summaries()).write(&draft)?;
    draft.publish()?;
    Outcome::of(&made, arguments.json, ExitCode::Fine)
}
