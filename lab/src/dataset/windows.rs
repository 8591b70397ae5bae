//! Windows for a temporal classifier: rows of [`features`], and what the track did.
//!
//! One file of JSON lines for each split. The first line says what the columns are; each other one is a window of
//! one track of one camera, ending at `frame`. Rows before the track's first sighting are 0. Labelled by truth, from boxes
//! that are truth as well.

use std::collections::BTreeMap;

use cartvision_core::BBox;
use serde::{Deserialize, Serialize};

use super::{
    Error, classes,
    draft::Output,
    export::Job,
    features::{self, Features, Moment, Row},
    manifest::Counts,
};
use crate::recording::{ChangeKind, Recording, Split, Thing, View};

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Frames in a window.
    pub(super) window: usize,
    /// Frames from one window's end to the next one's.
    pub(super) stride: usize,
    /// A change that ends in so many last frames labels the window.
    pub(super) last: usize,
}

/// The file's name of itself.
pub(super) const FORMAT: &str = "cartlab-windows";

pub(super) const LABELS: [&str; 3] = ["none", "added", "removed"];

#[derive(Serialize)]
struct Header<'a> {
    format: &'static str,
    features_version: u32,
    features: &'a [features::Column],
    labels: [&'static str; 3],
    window: usize,
    stride: usize,
    last: usize,
    split: Split,
    /// Where the boxes come from.
    source: &'static str,
}

/// What of a header is looked at when it is read back.
#[derive(Deserialize)]
pub(super) struct HeaderRead {
    pub(super) format: String,
    pub(super) features_version: u32,
    pub(super) features: Vec<ColumnRead>,
    pub(super) window: usize,
}

#[derive(Deserialize)]
pub(super) struct ColumnRead {
    pub(super) name: String,
}

#[derive(Serialize)]
struct Window<'a> {
    session: &'a str,
    camera: &'a str,
    track: u32,
    class: usize,
    /// The last frame, and its time in seconds.
    frame: u64,
    time: f64,
    label: &'a str,
    values: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(super) struct WindowRead {
    pub(super) session: String,
    pub(super) class: usize,
    pub(super) label: String,
    pub(super) values: Vec<Vec<f64>>,
}

/// The file of a split, below the data set's directory.
pub(super) fn document(split: Split) -> String {
    format!("windows/{split}.jsonl")
}

pub(super) fn export(job: &Job<'_>, options: &Options) -> Result<BTreeMap<Split, Counts>, Error> {
    job.draft.folder("windows")?;
    let mut writers = BTreeMap::new();
    for split in job.splits() {
        let mut file = job.draft.file(&document(split))?;
        file.json(&Header {
            format: FORMAT,
            features_version: features::VERSION,
            features: &features::COLUMNS,
            labels: LABELS,
            window: options.window,
            stride: options.stride,
            last: options.last,
            split,
            source: "truth",
        })?;
        file.write(b"\n")?;
        writers.insert(split, Writer { file, left: job.limit, counts: Counts::new() });
    }
    job.sessions(|split, recording, views| {
        let Some(writer) = writers.get_mut(&split) else { return Ok(()) };
        for (camera, views) in views.iter().enumerate() {
            for track in tracks(recording, views) {
                job.halt.check()?;
                writer.track(job, options, recording, (camera, views), track)?;
            }
        }
        Ok(())
    })?;
    let mut counts = BTreeMap::new();
    for (split, writer) in writers {
        writer.file.close()?;
        counts.insert(split, writer.counts);
    }
    Ok(counts)
}

/// A track of one camera: where it is first and last seen.
#[derive(Clone, Copy)]
struct Track {
    id: u32,
    thing: Thing,
    first: usize,
    last: usize,
}

fn tracks(recording: &Recording, views: &[View]) -> Vec<Track> {
    let mut tracks: BTreeMap<u32, Track> = BTreeMap::new();
    for (frame, view) in views.iter().enumerate() {
        for seen in view.boxes.iter().filter(|seen| seen.thing != Thing::Hand) {
            let new = Track { id: seen.track, thing: seen.thing, first: frame, last: frame };
            tracks.entry(seen.track).or_insert(new).last = frame;
        }
    }
    // In the order of session.json, so that the same set gives the same file.
    let order = |id: u32| recording.session.instances.iter().position(|instance| instance.track == id);
    let mut tracks: Vec<_> = tracks.into_values().collect();
    tracks.sort_by_key(|track| order(track.id));
    tracks
}

struct Writer {
    file: Output,
    left: u64,
    counts: Counts,
}

impl Writer {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn track(
        &mut self,
        job: &Job<'_>,
        options: &Options,
        recording: &Recording,
        (camera, views): (usize, &[View]),
        track: Track,
    ) -> Result<(), Error> {
        let Options { window, stride, last } = *options;
        let session = &recording.session;
        let name = session.cameras[camera].name.as_str();
        let changes = changes(recording, views, track.id);
        // As long as a window holds a sighting: what was taken out is to be told after it was last seen.
        let end = (track.last + window - 1).min(views.len() - 1);
        let mut features = Features::default();
        let mut rows: Vec<Row> = Vec::with_capacity(end - track.first + 1);
        for (frame, view) in views.iter().enumerate().take(end + 1).skip(track.first) {
            rows.push(row(&mut features, recording, camera, view, track.id));
            let due = (frame - track.first + 1).is_multiple_of(stride) || frame == end;
            if !due || self.left == 0 {
                continue;
            }
            self.left -= 1;
            // Of two changes that end so close together, the later one.
            let change = changes.iter().rfind(|(at, _)| *at <= frame && *at + last > frame);
            let label = change.map_or("none", |(_, kind)| kind.name());
            let missing = window.saturating_sub(rows.len());
            let zeros = std::iter::repeat_n([0.0; features::COLUMNS.len()], missing);
            let shown = &rows[rows.len() - (window - missing)..];
            let values = zeros.chain(shown.iter().copied()).map(|row| row.map(rounded).to_vec()).collect();
            let line = Window {
                session: &session.name,
                camera: name,
                track: track.id,
                class: classes::index(track.thing, job.items()),
                frame: view.frame,
                time: view.time,
                label,
                values,
            };
            self.file.json(&line)?;
            self.file.write(b"\n")?;
            self.count(label);
        }
        // A change that this camera saw nothing of: its item came or went behind something.
        for _ in changes.iter().filter(|(at, _)| *at < track.first || *at > end) {
            self.count("changes out of sight");
        }
        Ok(())
    }
}

/// A track's changes by the first frame that shows their end, in that order.
fn changes(recording: &Recording, views: &[View], track: u32) -> Vec<(usize, ChangeKind)> {
    // Times are rounded to thousandths.
    let frame = |end: f64| views.partition_point(|view| view.time < end - 0.000_6).min(views.len() - 1);
    let of_track = recording.truth.changes.iter().filter(|change| change.track == Some(track));
    let mut changes: Vec<_> = of_track.map(|change| (frame(change.end), change.kind)).collect();
    changes.sort_by_key(|(frame, _)| *frame);
    changes
}

fn row(features: &mut Features, recording: &Recording, camera: usize, view: &View, track: u32) -> Row {
    let (width, height) = (recording.session.width as f32, recording.session.height as f32);
    let bounds = |[x0, y0, x1, y1]: [f32; 4]| BBox {
        x0: x0 / width,
        y0: y0 / height,
        x1: x1 / width,
        y1: y1 / height,
    };
    let hands: Vec<_> =
        view.boxes.iter().filter(|seen| seen.thing == Thing::Hand).map(|seen| bounds(seen.bounds)).collect();
    let seen = view.boxes.iter().find(|seen| seen.track == track);
    features.next(Moment {
        time_s: view.time,
        seen: seen.map(|seen| (bounds(seen.bounds), seen.visibility)),
        hands: &hands,
        zone: &recording.zones[camera],
    })
}

/// Four decimals: below a pixel of any picture, and half the file.
fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}
