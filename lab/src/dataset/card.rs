//! `cartlab dataset card`: what a set holds, for people (Markdown), for programs (JSON), and to be looked at (a contact
//! sheet).

mod boxes;
mod sheet;
mod tiles;

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use cartvision_wire::ExitCode;
use serde::Serialize;

use super::{
    Error, Outcome, classes,
    draft::Draft,
    leaks,
    made::{self, Faults},
    manifest::{Counts, Kind, Manifest},
    pictures::write_jpeg,
    survey::{Summary, Survey},
    totals::{BySplit, Totals},
};
use crate::halt::Halt;
use crate::progress::Progress;
use crate::recording::{Fault, Recording, RecordingError, Split};
use boxes::BoxFigures;

const EXAMPLE: &str = "\
Example:
  cartlab dataset card --sessions sets/a --out data/a-card
  cartlab dataset card --data data/a-yolo --out data/a-card

Writes card.md, card.json and contact-sheet.jpg (not for windows, which have no pictures).";

const QUALITY: u8 = 88;

/// Describe recorded sessions or a data set: a card and a contact sheet
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
    /// Where the card goes: a directory that is not there yet, or an empty one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Pictures on the contact sheet
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=64))]
    tiles: u64,
    /// Print the card as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Card {
    /// What is described.
    source: PathBuf,
    /// `None`: recorded sessions.
    kind: Option<Kind>,
    made_by: Vec<String>,
    totals: Totals,
    splits: BySplit,
    /// Things that splits share and must not.
    leaks: Vec<String>,
    /// What a data set holds, by split; empty for sessions.
    counts: std::collections::BTreeMap<Split, Counts>,
    /// `None`: it has no boxes.
    boxes: Option<BoxFigures>,
    contact_sheet: Option<&'static str>,
}

pub(super) fn run(arguments: &Arguments, halt: &Halt) -> Result<Outcome, Error> {
    let draft = Draft::begin(&arguments.out)?;
    let tiles = usize::try_from(arguments.tiles).unwrap_or(1);
    let (mut card, tiles) = match (&arguments.data, &arguments.sessions) {
        (Some(data), _) => of_data(data, tiles, halt)?,
        (None, Some(set)) => of_sessions(set, arguments.splits.as_deref(), tiles, halt)?,
        // Clap has asked for one of them.
        (None, None) => return Err(Error::System { reason: "neither --data nor --sessions".to_owned() }),
    };
    if let Some(sheet) = sheet::draw(&tiles) {
        const NAME: &str = "contact-sheet.jpg";
        write_jpeg(&draft.directory().join(NAME), &sheet, QUALITY)?;
        card.contact_sheet = Some(NAME);
    }
    let mut file = draft.file("card.json")?;
    file.json(&card)?;
    file.write(b"\n")?;
    file.close()?;
    let mut file = draft.file("card.md")?;
    file.write(card.to_string().as_bytes())?;
    file.close()?;
    draft.publish()?;
    Outcome::of(&card, arguments.json, ExitCode::Fine)
}

impl Card {
    fn of(source: &Path, kind: Option<Kind>, summaries: &[Summary]) -> Self {
        let mut made_by: Vec<_> = summaries.iter().map(|summary| summary.generator.clone()).collect();
        made_by.sort();
        made_by.dedup();
        Self {
            source: source.to_owned(),
            kind,
            made_by,
            totals: Totals::of(summaries),
            splits: BySplit::of(summaries),
            leaks: leaks::find(summaries).iter().map(ToString::to_string).collect(),
            counts: std::collections::BTreeMap::new(),
            boxes: None,
            contact_sheet: None,
        }
    }
}

fn of_sessions(
    set: &Path,
    splits: Option<&Path>,
    count: usize,
    halt: &Halt,
) -> Result<(Card, Vec<sheet::Tile>), Error> {
    let survey = Survey::of(set, splits, halt)?;
    let classes = classes::of(&survey.catalogue);
    let mut card = Card::of(set, None, &survey.summaries());
    let mut figures = BoxFigures::new(&classes);
    let mut found = Vec::new();
    let chosen = tiles::spread(survey.sessions.len(), count);
    let progress = Progress::new("session", survey.sessions.len());
    for (index, (directory, summary)) in survey.sessions.iter().enumerate() {
        halt.check()?;
        progress.step(&summary.name);
        let recording = Recording::open(directory)?;
        let views = recording.views()?;
        for seen in views.iter().flatten().flat_map(|view| &view.boxes) {
            let class = classes::index(seen.thing, survey.catalogue.items().len());
            let (width, height) = (f64::from(seen.width()), f64::from(seen.height()));
            figures.add(class, width, height, Some(f64::from(seen.visibility)), Some(seen.held));
        }
        let places = chosen.get(index).copied().unwrap_or(0);
        found.extend(tiles::of_session(&recording, &views, &classes, places, summary.split, halt)?);
    }
    card.boxes = Some(figures);
    Ok((card, found))
}

fn of_data(data: &Path, count: usize, halt: &Halt) -> Result<(Card, Vec<sheet::Tile>), Error> {
    let manifest = Manifest::read(data)?;
    let mut card = Card::of(data, Some(manifest.kind), &manifest.sessions);
    card.counts.clone_from(&manifest.counts);
    let mut images = Vec::new();
    let mut faults = Faults::keeping(1);
    match manifest.kind {
        Kind::Coco | Kind::Yolo => {
            let mut figures = BoxFigures::new(&manifest.classes);
            for split in manifest.counts.keys() {
                for entry in made::entries(&manifest, data, *split, &mut faults) {
                    halt.check()?;
                    for label in &entry.labels {
                        figures.add(label.class, label.width(), label.height(), label.visibility, None);
                    }
                    images.push((*split, entry.image, entry.labels));
                }
            }
            card.boxes = Some(figures);
        }
        Kind::Chat => {
            for split in manifest.counts.keys() {
                let folder = Path::new("images").join(split.name());
                let names = made::files(&data.join(&folder), &mut faults);
                images.extend(names.into_iter().map(|name| (*split, folder.join(name), vec![])));
            }
        }
        Kind::Windows => {}
    }
    if let Some(fault) = faults.first.pop() {
        return Err(broken(fault, faults.count));
    }
    let tiles = tiles::of_images(data, images, &manifest.classes, count)?;
    Ok((card, tiles))
}

fn broken(fault: Fault, count: usize) -> Error {
    Error::Recording(RecordingError::Faulty { fault, more: count - 1 })
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map_or("recorded sessions", Kind::name);
        let t = &self.totals;
        writeln!(f, "# {} ({kind})\n", self.source.display())?;
        writeln!(f, "Recorded or made by {}.\n", self.made_by.join(", "))?;
        let changes: usize = t.changes.values().sum();
        writeln!(f, "{} sessions, {:.2} hours, {} frames of all cameras.", t.sessions, t.hours, t.frames)?;
        let null = t.null_share.map_or("–".to_owned(), |share| format!("{:.1} %", share * 100.0));
        let kinds: Vec<_> = t.changes.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        writeln!(
            f,
            "{changes} changes{kinds} in {} episodes, of which {} are null episodes ({null}).\n",
            t.episodes, t.null_episodes
        )?;
        writeln!(f, "## Splits\n\n{}", self.splits)?;
        match self.leaks.as_slice() {
            [] => writeln!(f, "No seed, look or shopper is shared between splits.\n")?,
            leaks => {
                writeln!(f, "**{} leaks**, the first: {}\n", leaks.len(), leaks[0])?;
            }
        }
        if !self.counts.is_empty() {
            writeln!(f, "## Content\n")?;
            for (split, counts) in &self.counts {
                let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
                writeln!(f, "- {split}: {}", counts.join(", "))?;
            }
            writeln!(f)?;
        }
        for (title, counts) in [
            ("Acts (episodes that hold them)", &t.acts),
            ("Styles (sessions)", &t.styles),
            ("Lights (sessions)", &t.lights),
            ("Difficulty (sessions)", &t.difficulties),
        ] {
            writeln!(f, "## {title}\n")?;
            let mut table = String::new();
            for (name, count) in counts {
                writeln!(table, "| {name} | {count} |")?;
            }
            writeln!(f, "| | |\n|---|---:|\n{table}")?;
        }
        if let Some(boxes) = &self.boxes {
            write!(f, "{boxes}")?;
        }
        match self.contact_sheet {
            Some(name) => writeln!(f, "![pictures with their boxes]({name})"),
            None => writeln!(f, "It has no pictures."),
        }
    }
}
