//! `boxes.jsonl`: what is seen in every frame.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Fault, Recording, RecordingError, json_lines::JsonLines};

/// What a box shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Thing {
    /// The item at this place in the catalogue.
    Item(usize),
    Hand,
    /// Something real that is not in the catalogue.
    Unknown,
}

/// One box in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) track: u32,
    pub(crate) thing: Thing,
    /// Left, top, right and bottom of the visible part, pixels of the video; right and bottom exclusive.
    pub(crate) bounds: [f32; 4],
    /// Visible pixels over those that would be if nothing were in front and the picture went on beyond its edge.
    pub(crate) visibility: f32,
    pub(crate) held: bool,
}

impl Seen {
    pub(crate) fn width(&self) -> f32 {
        self.bounds[2] - self.bounds[0]
    }

    pub(crate) fn height(&self) -> f32 {
        self.bounds[3] - self.bounds[1]
    }
}

/// What one camera sees in one frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// Its place in the session's list.
    pub(crate) camera: usize,
    /// From 0.
    pub(crate) frame: u64,
    /// Seconds on the media time line.
    pub(crate) time: f64,
    pub(crate) boxes: Vec<Seen>,
}

#[derive(Debug, Deserialize)]
struct Line {
    camera: String,
    frame: u64,
    time: f64,
    boxes: Vec<SeenLine>,
}

#[derive(Debug, Deserialize)]
struct SeenLine {
    track: u32,
    role: Role,
    id: Option<String>,
    label: String,
    #[serde(rename = "box")]
    bounds: [f64; 4],
    visibility: f64,
    #[serde(default)]
    held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Item,
    Hand,
    Unknown,
}

/// The views in the order of the file, each sound or with all its faults; last, what the file lacks.
#[derive(Debug)]
pub(crate) struct Boxes<'a> {
    recording: &'a Recording,
    lines: JsonLines<Line>,
    /// `seen[camera][frame]`; `None` when all was told.
    seen: Option<Vec<Vec<bool>>>,
}

impl<'a> Boxes<'a> {
    pub(super) fn open(recording: &'a Recording, file: PathBuf) -> Result<Self, RecordingError> {
        // A frame count that no memory holds is a fault elsewhere: the videos would have to be as long.
        let frames = |frames: u64| usize::try_from(frames.min(MAX_FRAMES)).unwrap_or(usize::MAX);
        let seen = recording.session.cameras.iter().map(|camera| vec![false; frames(camera.frames)]);
        Ok(Self { recording, lines: JsonLines::open(file)?, seen: Some(seen.collect()) })
    }

    fn view(&mut self, number: usize, line: Line) -> Result<View, Vec<Fault>> {
        let session = &self.recording.session;
        let at = |what: String| Fault::at(self.lines.file(), number, what);
        let Line { camera: name, frame, time, boxes } = line;
        let Some(camera) = session.cameras.iter().position(|camera| camera.name.as_str() == name) else {
            return Err(vec![at(format!("session.json has no camera {name}"))]);
        };
        let mut wrong = Vec::new();
        let place = usize::try_from(frame).unwrap_or(usize::MAX);
        match self.seen.as_mut().and_then(|seen| seen[camera].get_mut(place)) {
            None => {
                let frames = session.cameras[camera].frames;
                wrong.push(format!("there is no frame {frame}: camera {name} has {frames}"));
            }
            Some(seen) if *seen => wrong.push(format!("frame {frame} of camera {name} is here twice")),
            Some(seen) => *seen = true,
        }
        // One frame of slack: recorders jitter.
        let expected = frame as f64 / session.fps;
        if !time.is_finite() || (time - expected).abs() > 1.0 / session.fps {
            wrong.push(format!("frame {frame} is not at {time} s but at {expected:.3} s"));
        }
        let mut view = View { camera, frame, time, boxes: Vec::with_capacity(boxes.len()) };
        for seen in boxes {
            if view.boxes.iter().any(|other| other.track == seen.track) {
                wrong.push(format!("track {} is here twice", seen.track));
            }
            match self.seen_of(&seen) {
                Ok(seen) => view.boxes.push(seen),
                Err(what) => wrong.push(format!("track {} ({}): {what}", seen.track, seen.label)),
            }
        }
        if wrong.is_empty() { Ok(view) } else { Err(wrong.into_iter().map(at).collect()) }
    }

    fn seen_of(&self, line: &SeenLine) -> Result<Seen, String> {
        let Recording { session, catalogue, .. } = self.recording;
        let SeenLine { track, role, id, bounds, visibility, held, .. } = line;
        let thing = match (role, id) {
            (Role::Item, Some(id)) => {
                Thing::Item(catalogue.index(id).ok_or_else(|| format!("the catalogue has no item {id}"))?)
            }
            (Role::Item, None) => return Err("an item has an id".to_owned()),
            (_, Some(id)) => return Err(format!("only items have an id, and this has {id}")),
            (Role::Hand, None) => Thing::Hand,
            (Role::Unknown, None) => Thing::Unknown,
        };
        if thing != Thing::Hand {
            match session.instances.iter().find(|instance| instance.track == *track) {
                None => return Err("session.json has no instance with this track".to_owned()),
                Some(instance) if instance.id != *id => {
                    let has = instance.id.as_deref().unwrap_or(super::truth::UNKNOWN);
                    return Err(format!("this track is {has} in session.json"));
                }
                Some(_) => {}
            }
        }
        let [x0, y0, x1, y1] = bounds;
        if bounds.iter().any(|side| !side.is_finite()) {
            return Err(format!("the box {bounds:?} holds something that is no number"));
        }
        if x0 >= x1 || y0 >= y1 {
            return Err(format!("the box {bounds:?} is empty or inverted"));
        }
        let (width, height) = (f64::from(session.width), f64::from(session.height));
        if *x0 < 0.0 || *y0 < 0.0 || *x1 > width || *y1 > height {
            return Err(format!("the box {bounds:?} is out of the frame of {width}x{height}"));
        }
        if !(0.0..=1.0).contains(visibility) {
            return Err(format!("a visibility of {visibility} is not between 0 and 1"));
        }
        let bounds = bounds.map(|side| side as f32);
        Ok(Seen { track: *track, thing, bounds, visibility: *visibility as f32, held: *held })
    }

    /// What the file lacks.
    fn missing(&mut self) -> Option<Vec<Fault>> {
        let seen = self.seen.take()?;
        let fault = |(camera, seen): (usize, Vec<bool>)| {
            let count = seen.iter().filter(|seen| !**seen).count();
            let first = seen.iter().position(|seen| !seen)?;
            let name = self.recording.session.cameras[camera].name.as_str();
            let what = format!("{count} frames of camera {name} have no line; the first is frame {first}");
            Some(Fault::of(self.lines.file(), what))
        };
        let faults: Vec<_> = seen.into_iter().enumerate().filter_map(fault).collect();
        if faults.is_empty() { None } else { Some(faults) }
    }
}

/// The longest session: a day at 60 frames a second.
const MAX_FRAMES: u64 = 60 * 86_400;

impl Iterator for Boxes<'_> {
    type Item = Result<View, Vec<Fault>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lines.next() {
            Some(Ok((number, line))) => Some(self.view(number, line)),
            Some(Err(fault)) => Some(Err(vec![fault])),
            None => self.missing().map(Err),
        }
    }
}
