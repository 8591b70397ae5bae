//! Windows for a temporal classifier: what the core asked about a track, and what the truth says.
//!
//! One file of JSON lines for each split. The first line says what the columns are; each other one is a question of one
//! camera about one track, with the rows that a classifier is shown. The questions come from a replay
//! (`cartlab eval` keeps them): the project's own tracker over a detector's real output, not over perfect boxes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cartvision_core::{BBox, features};
use serde::{Deserialize, Serialize};

use super::{Error, draft::Output, export::Job, manifest::Counts};
use crate::questions::{self, Asked, Header};
use crate::recording::{Fault, JsonLines, Recording, Split, Thing, View};

/// The file's name of itself.
pub(super) const FORMAT: &str = "cartlab-windows";

pub(super) const LABELS: [&str; 3] = ["none", "added", "removed"];

/// With at least this overlap (IoU) a track's box is a thing's box.
const SAME_THING: f32 = 0.4;
/// As in the metric: an event's moment may be so much later than the change's end, and be decided so much later.
const LATE_S: f64 = 1.0;
const DECIDED_LATE_S: f64 = 2.0;
/// A moment is an estimate; so much earlier than the movement's start it still means it.
const EARLY_S: f64 = 0.2;

#[derive(Serialize)]
struct FileHeader<'a> {
    format: &'static str,
    features_version: u32,
    rows: Vec<&'a str>,
    asked: Vec<&'a str>,
    window: usize,
    labels: [&'static str; 3],
    split: Split,
}

/// What of a header is looked at when it is read back.
#[derive(Deserialize)]
pub(super) struct HeaderRead {
    pub(super) format: String,
    pub(super) features_version: u32,
    pub(super) rows: Vec<String>,
    pub(super) asked: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) session: String,
    pub(super) camera: String,
    pub(super) track: u32,
    /// Seconds on the media time line.
    pub(super) moment: f64,
    pub(super) change: String,
    pub(super) label: String,
    /// The change's probability by the analytic classifier.
    pub(super) analytic: f64,
    pub(super) window: Vec<Vec<f64>>,
    pub(super) asked: Vec<f64>,
}

/// The file of a split, below the data set's directory.
pub(super) fn document(split: Split) -> String {
    format!("windows/{split}.jsonl")
}

/// `questions` holds SESSION.jsonl for every session.
pub(super) fn export(job: &Job<'_>, questions: &Path) -> Result<BTreeMap<Split, Counts>, Error> {
    job.draft.folder("windows")?;
    let mut writers = BTreeMap::new();
    for split in job.splits() {
        let mut file = job.draft.file(&document(split))?;
        file.json(&FileHeader {
            format: FORMAT,
            features_version: features::VERSION,
            rows: features::ROW_COLUMNS.iter().map(|c| c.name).collect(),
            asked: features::ASKED_COLUMNS.iter().map(|c| c.name).collect(),
            window: features::WINDOW,
            labels: LABELS,
            split,
        })?;
        file.write(b"\n")?;
        writers.insert(split, Writer { file, left: job.limit, counts: Counts::new() });
    }
    job.sessions(|split, recording, views| {
        let Some(writer) = writers.get_mut(&split) else { return Ok(()) };
        let file = questions.join(format!("{}.jsonl", recording.session.name));
        writer.session(job, recording, views, &file)
    })?;
    let mut counts = BTreeMap::new();
    for (split, writer) in writers {
        writer.file.close()?;
        counts.insert(split, writer.counts);
    }
    Ok(counts)
}

struct Writer {
    file: Output,
    left: u64,
    counts: Counts,
}

impl Writer {
    fn session(
        &mut self,
        job: &Job<'_>,
        recording: &Recording,
        views: &[Vec<View>],
        file: &Path,
    ) -> Result<(), Error> {
        let mut told = BTreeMap::new();
        for asked in read(file)? {
            job.halt.check()?;
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let label = label(recording, views, &asked, &mut told);
            *self.counts.entry(label.to_owned()).or_default() += 1;
            self.file.json(&Window {
                session: recording.session.name.clone(),
                camera: asked.camera,
                track: asked.track,
                moment: asked.moment_ms as f64 / 1e3,
                change: asked.change.name().to_owned(),
                label: label.to_owned(),
                analytic: asked.analytic,
                window: asked.window,
                asked: asked.asked,
            })?;
            self.file.write(b"\n")?;
        }
        Ok(())
    }
}

/// The questions in a file.
fn read(file: &Path) -> Result<Vec<Asked>, Error> {
    let fault = |number, what: String| Error::Questions(Fault::at(file, number, what));
    let mut lines = JsonLines::<serde_json::Value>::open(PathBuf::from(file))
        .map_err(|e| Error::Questions(e.into_fault()))?;
    let header = match lines.next() {
        Some(line) => serde_json::from_value::<Header>(line.map_err(Error::Questions)?.1)
            .map_err(|e| fault(1, e.to_string()))?,
        None => return Err(fault(1, "the file is empty".to_owned())),
    };
    let own = Header::own();
    if header.format != questions::FORMAT || header.features_version != own.features_version || header != own
    {
        let what = format!(
            "it holds {} with features of version {}, not {} of version {}: make it again with this version's programs",
            header.format, header.features_version, own.format, own.features_version
        );
        return Err(fault(1, what));
    }
    lines
        .map(|line| {
            let (number, line) = line.map_err(Error::Questions)?;
            serde_json::from_value(line).map_err(|e| fault(number, e.to_string()))
        })
        .collect()
}

/// A change that a camera told of: camera and number. And what it told of it: track and moment.
type Told = BTreeMap<(usize, usize), (u32, u64)>;

/// What the truth says to a question. Each camera tells of a change once, however often that is asked about: a second
/// time it is told of nothing.
fn label(recording: &Recording, views: &[Vec<View>], asked: &Asked, told: &mut Told) -> &'static str {
    let camera = recording.session.cameras.iter().position(|camera| camera.name.as_str() == asked.camera);
    let Some((camera, track)) = camera.and_then(|c| Some((c, thing(recording, &views[c], asked)?))) else {
        return LABELS[0];
    };
    let this = (asked.track, asked.moment_ms);
    let (moment, now) = (asked.moment_ms as f64 / 1e3, asked.asked_ms as f64 / 1e3);
    let meant = recording.truth.changes.iter().enumerate().find(|(number, change)| {
        change.track == Some(track)
            && change.kind == asked.change
            && (change.start - EARLY_S..=change.end + LATE_S).contains(&moment)
            && now <= change.end + DECIDED_LATE_S
            && told.get(&(camera, *number)).is_none_or(|first| *first == this)
    });
    match meant {
        Some((number, change)) => {
            told.insert((camera, number), this);
            change.kind.name()
        }
        None => LABELS[0],
    }
}

/// Which thing a track is: the one whose boxes most of its sightings are.
fn thing(recording: &Recording, views: &[View], asked: &Asked) -> Option<u32> {
    let (width, height) = (recording.session.width as f32, recording.session.height as f32);
    let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
    for [at, x0, y0, x1, y1] in &asked.seen {
        let time = at / 1e3;
        let next = views.partition_point(|view| view.time < time);
        let near = |view: &&View| (view.time - time).abs();
        let around = &views[next.saturating_sub(1)..(next + 1).min(views.len())];
        let Some(view) = around.iter().min_by(|a, b| near(a).total_cmp(&near(b))) else { continue };
        let [x0, y0, x1, y1] = [*x0 as f32, *y0 as f32, *x1 as f32, *y1 as f32];
        let bounds = BBox { x0: x0 * width, y0: y0 * height, x1: x1 * width, y1: y1 * height };
        let overlap = |[x0, y0, x1, y1]: [f32; 4]| bounds.iou(&BBox { x0, y0, x1, y1 });
        let best = view
            .boxes
            .iter()
            .filter(|seen| seen.thing != Thing::Hand)
            .map(|seen| (overlap(seen.bounds), seen.track))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((overlap, track)) = best
            && overlap >= SAME_THING
        {
            *votes.entry(track).or_default() += 1;
        }
    }
    let (track, most) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    (most * 2 >= asked.seen.len()).then_some(track)
}
