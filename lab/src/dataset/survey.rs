//! What a set holds, session by session, before a frame is decoded.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Error, split::Assignment};
use crate::halt::Halt;
use crate::recording::{Catalogue, Difficulty, Recording, Set, Split};

/// One session in a few numbers. Data sets carry these of their sessions, so that what they hold and that nothing leaks
/// can be told without the recordings.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) generator: String,
    pub(super) split: Option<Split>,
    pub(super) seed: u64,
    pub(super) difficulty: Difficulty,
    pub(super) style: String,
    pub(super) shopper: String,
    pub(super) light: String,
    pub(super) duration_s: f64,
    pub(super) cameras: usize,
    /// Of all cameras together.
    pub(super) frames: u64,
    /// Changes by kind.
    pub(super) changes: BTreeMap<String, usize>,
    pub(super) episodes: usize,
    /// Episodes without a change.
    pub(super) null_episodes: usize,
    /// In how many episodes a kind of act occurs.
    pub(super) acts: BTreeMap<String, usize>,
    /// The things that appear: catalogue id (label for what is not in the catalogue) and variant.
    pub(super) instances: Vec<(String, u32)>,
    /// Digests of the cameras' frames.
    pub(super) content: Vec<String>,
}

impl Summary {
    pub(super) fn of(recording: &Recording) -> Self {
        let Recording { session, truth, .. } = recording;
        let mut changes = BTreeMap::new();
        for change in &truth.changes {
            *changes.entry(change.kind.name().to_owned()).or_default() += 1;
        }
        let mut acts = BTreeMap::new();
        for act in truth.episodes.iter().flat_map(|episode| &episode.acts) {
            *acts.entry(act.clone()).or_default() += 1;
        }
        let mut instances: Vec<_> = session
            .instances
            .iter()
            .map(|instance| {
                let name = instance.id.clone().unwrap_or_else(|| format!("not sold: {}", instance.label));
                (name, instance.variant)
            })
            .collect();
        instances.sort();
        instances.dedup();
        Self {
            name: session.name.clone(),
            generator: session.generator.clone(),
            split: session.split,
            seed: session.seed,
            difficulty: session.difficulty,
            style: session.style.clone(),
            shopper: session.shopper.clone(),
            light: session.light.clone(),
            duration_s: session.duration,
            cameras: session.cameras.len(),
            frames: session.cameras.iter().map(|camera| camera.frames).sum(),
            changes,
            episodes: truth.episodes.len(),
            null_episodes: truth.episodes.iter().filter(|episode| episode.changes == 0).count(),
            acts,
            instances,
            content: session.cameras.iter().map(|camera| camera.frames_sha256.to_string()).collect(),
        }
    }
}

/// A set that was looked through: every session is sound by itself, they fit together, and each is told its split.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) sessions: Vec<(PathBuf, Summary)>,
    pub(super) catalogue: Catalogue,
}

impl Survey {
    /// Looks a set through. The splits are the sessions' own, or those of the file.
    pub(super) fn of(directory: &Path, splits: Option<&Path>, halt: &Halt) -> Result<Self, Error> {
        let set = Set::open(directory)?;
        let assignment = splits.map(Assignment::read).transpose()?;
        let mut survey: Option<Self> = None;
        for directory in set.directories() {
            halt.check()?;
            let recording = Recording::open(directory)?;
            let mut summary = Summary::of(&recording);
            if let Some(assignment) = &assignment {
                summary.split = Some(assignment.of_session(&summary)?);
            }
            let Some(survey) = &mut survey else {
                let sessions = vec![(directory.clone(), summary)];
                survey = Some(Self { sessions, catalogue: recording.catalogue });
                continue;
            };
            let (first, _) = &survey.sessions[0];
            let unlike = |what: String| Error::Unlike { what };
            if let Some(difference) = difference(&survey.catalogue, &recording.catalogue) {
                let (a, b) = (first.display(), directory.display());
                return Err(unlike(format!("{a} and {b} have different catalogues: {difference}")));
            }
            if let Some((other, _)) = survey.sessions.iter().find(|(_, other)| other.name == summary.name) {
                let (a, b, name) = (other.display(), directory.display(), &summary.name);
                return Err(unlike(format!("{a} and {b} are both named {name}")));
            }
            survey.sessions.push((directory.clone(), summary));
        }
        survey.ok_or_else(|| Error::Unlike { what: "there are none".to_owned() })
    }

    /// All summaries.
    pub(super) fn summaries(&self) -> Vec<Summary> {
        self.sessions.iter().map(|(_, summary)| summary.clone()).collect()
    }

    /// Keeps the sessions of one split, or all. Every session must have one, and nothing may leak.
    pub(super) fn select(&mut self, split: Option<Split>) -> Result<(), Error> {
        if let Some((_, summary)) = self.sessions.iter().find(|(_, summary)| summary.split.is_none()) {
            return Err(Error::Unsplit { session: summary.name.clone() });
        }
        super::leaks::refuse(self.sessions.iter().map(|(_, summary)| summary))?;
        if let Some(split) = split {
            self.sessions.retain(|(_, summary)| summary.split == Some(split));
            if self.sessions.is_empty() {
                return Err(Error::EmptySplit { split });
            }
        }
        Ok(())
    }
}

/// Where two catalogues differ in what matters to classes.
pub(super) fn difference(a: &Catalogue, b: &Catalogue) -> Option<String> {
    let (a, b) = (a.items(), b.items());
    if a.len() != b.len() {
        return Some(format!("{} and {} items", a.len(), b.len()));
    }
    let place = a.iter().zip(b).position(|(a, b)| a != b)?;
    Some(format!(
        "item {} is {} ({}) and {} ({})",
        place + 1,
        a[place].id,
        a[place].label,
        b[place].id,
        b[place].label
    ))
}
