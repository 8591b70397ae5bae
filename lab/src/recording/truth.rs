//! `truth.jsonl`: what happened, and when.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Catalogue, Fault, RecordingError, Session, json_lines::JsonLines};

/// The label of a real thing that is not in the catalogue.
pub(crate) const UNKNOWN: &str = "unknown";

/// Changes and episodes, each in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) changes: Vec<Change>,
    pub(crate) episodes: Vec<Episode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChangeKind {
    Added,
    Removed,
}

impl ChangeKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// Something entered or left the zone, to stay there or away.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    /// `None`: it is not in the catalogue, or the file was made by hand and has labels alone.
    pub(crate) id: Option<String>,
    pub(crate) label: String,
    /// It begins to move, seconds on the media time line.
    pub(crate) start: f64,
    /// It rests, or has left.
    pub(crate) end: f64,
    pub(crate) track: Option<u32>,
    pub(crate) episode: Option<u32>,
    line: usize,
}

/// From a hand's or an item's coming into the zone until all is quiet.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) episode: u32,
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// The kinds of act that it holds, such as `add` or `hand-in-out`. Open: a generator may know more of them.
    pub(crate) acts: Vec<String>,
    /// How many changes it holds; 0: it is a null episode.
    pub(crate) changes: usize,
    line: usize,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Added(ChangeLine),
    Removed(ChangeLine),
    Episode { episode: u32, start: f64, end: f64, acts: Vec<String>, changes: usize },
}

#[derive(Deserialize)]
struct ChangeLine {
    #[serde(default)]
    id: Option<String>,
    label: String,
    start: f64,
    end: f64,
    #[serde(default)]
    track: Option<u32>,
    #[serde(default)]
    episode: Option<u32>,
}

/// Reads the truth of a session, or one made by hand (which may lack ids, tracks and episodes).
pub(crate) fn read(file: &Path) -> Result<Truth, RecordingError> {
    let mut truth = Truth::default();
    for line in JsonLines::<Line>::open(file.to_owned())? {
        let (line, content) = line?;
        let change = |kind, ChangeLine { id, label, start, end, track, episode }| Change {
            kind,
            id,
            label,
            start,
            end,
            track,
            episode,
            line,
        };
        match content {
            Line::Added(added) => truth.changes.push(change(ChangeKind::Added, added)),
            Line::Removed(removed) => truth.changes.push(change(ChangeKind::Removed, removed)),
            Line::Episode { episode, start, end, acts, changes } => {
                truth.episodes.push(Episode { episode, start, end, acts, changes, line });
            }
        }
    }
    Ok(truth)
}

pub(super) fn faults(truth: &Truth, session: &Session, catalogue: &Catalogue, file: &Path) -> Vec<Fault> {
    let mut faults = Faults { file: file.to_owned(), session, found: vec![] };
    let mut held = BTreeMap::new();
    for Episode { episode, start, end, line, .. } in &truth.episodes {
        faults.span(*line, *start, *end);
        if held.insert(*episode, 0_usize).is_some() {
            faults.add(*line, format!("there are two episodes {episode}"));
        }
    }
    for change in &truth.changes {
        let Change { id, label, start, end, track, episode, line, .. } = change;
        faults.span(*line, *start, *end);
        match id {
            Some(id) if catalogue.index(id).is_none() => {
                faults.add(*line, format!("the catalogue has no item {id} ({label})"));
            }
            None if label != UNKNOWN => {
                faults.add(*line, format!("{label:?} has no id; without one the label is \"{UNKNOWN}\""));
            }
            _ => {}
        }
        if let Some(track) = track {
            match session.instances.iter().find(|instance| instance.track == *track) {
                None => faults.add(*line, format!("session.json has no instance with track {track}")),
                Some(instance) if instance.id != *id => {
                    let has = instance.id.as_deref().unwrap_or(UNKNOWN);
                    faults.add(*line, format!("track {track} is {has} in session.json"));
                }
                Some(_) => {}
            }
        }
        if let Some(episode) = episode {
            match held.get_mut(episode) {
                Some(held) => *held += 1,
                None => faults.add(*line, format!("there is no episode {episode}")),
            }
        }
    }
    for Episode { episode, changes, line, .. } in &truth.episodes {
        // Of a file made by hand, whose changes do not say where they belong, nothing can be counted.
        let counted = truth.changes.iter().any(|change| change.episode.is_some()) || truth.changes.is_empty();
        let held = held.get(episode).copied().unwrap_or(0);
        if counted && held != *changes {
            faults.add(*line, format!("episode {episode} is to hold {changes} changes and has {held}"));
        }
    }
    faults.found.sort_by_key(|fault| fault.line);
    faults.found
}

struct Faults<'a> {
    file: PathBuf,
    session: &'a Session,
    found: Vec<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, line: usize, what: String) {
        self.found.push(Fault::at(&self.file, line, what));
    }

    fn span(&mut self, line: usize, start: f64, end: f64) {
        if !start.is_finite() || !end.is_finite() || start < 0.0 || start > end {
            self.add(line, format!("from {start} s to {end} s is no span of time"));
        } else if end > self.session.duration + 1.0 / self.session.fps {
            self.add(line, format!("it ends at {end} s, but the videos end at {} s", self.session.duration));
        }
    }
}
