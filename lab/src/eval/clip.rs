//! What is measured on: recordings with their truth, from sets or by hand.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cartvision_metric::Truth;
use cartvision_wire::{CameraName, SessionId};

use super::Error;
use crate::recording::{Recording, Set};

/// One recording with its truth.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) name: String,
    /// Where it lies.
    pub(super) place: PathBuf,
    pub(super) cameras: Vec<(CameraName, PathBuf)>,
    /// The session's further ones, which are not used.
    pub(super) unused: Vec<(CameraName, PathBuf)>,
    pub(super) zones: Zones,
    pub(super) truth_file: PathBuf,
    pub(super) truth: Truth,
    /// Seconds; of a clip made by hand the cart says when it ended.
    pub(super) duration: Option<f64>,
    /// What sessions are told apart by.
    pub(super) traits: BTreeMap<String, String>,
    pub(super) split: Option<String>,
    pub(super) generator: Option<String>,
    /// Labels of the catalogue's items.
    pub(super) labels: BTreeMap<String, String>,
    /// For each item with near-twins the name that it shares with them.
    pub(super) families: BTreeMap<String, String>,
}

/// The zones of a clip's cameras.
#[derive(Debug)]
pub(super) enum Zones {
    /// The whole picture.
    None,
    /// As they stand in a file.
    File(PathBuf),
    /// A file that names more cameras than are used: only theirs, as text.
    Part(String),
}

/// The sessions of the sets, in the order of their names.
pub(super) fn of_sets(
    sets: &[PathBuf],
    cameras: Option<u32>,
    limit: Option<u32>,
) -> Result<Vec<Clip>, Error> {
    let mut directories: Vec<PathBuf> = vec![];
    for set in sets {
        directories.extend(Set::open(set)?.directories().iter().cloned());
    }
    directories.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
    let mut clips: Vec<Clip> = vec![];
    for directory in directories {
        let clip = Clip::recorded(&directory, cameras)?;
        // It names files here, and those of the events.
        SessionId::new(&*clip.name).map_err(|reason| Error::Name { directory: directory.clone(), reason })?;
        if let Some(first) = clips.iter().find(|known| known.name == clip.name) {
            let (name, first) = (clip.name, first.place.clone());
            return Err(Error::Twice { name, first, second: directory });
        }
        clips.push(clip);
    }
    clips.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(clips)
}

impl Clip {
    /// A recorded session; of its cameras the first so many.
    fn recorded(directory: &Path, cameras: Option<u32>) -> Result<Self, Error> {
        let recording = Recording::open(directory)?;
        let session = &recording.session;
        let all = session.cameras.len();
        let used = cameras.map_or(all, |n| n as usize);
        if used > all {
            let (directory, session) = (directory.to_owned(), session.name.clone());
            return Err(Error::TooFewCameras { directory, session, has: all, asked: used as u32 });
        }
        let (chosen, unused) = session.cameras.split_at(used);
        let zones_file = recording.zones_file();
        let zones = if used == all {
            Zones::File(zones_file)
        } else {
            let text = read(&zones_file)?;
            Zones::Part(only(&text, &chosen.iter().map(|c| c.name.as_str()).collect::<Vec<_>>()))
        };
        let (truth_file, truth) = truth(&recording.truth_file())?;
        let difficulty = serde_json::to_value(session.difficulty).ok();
        let difficulty = difficulty.and_then(|d| d.as_str().map(str::to_owned)).unwrap_or_default();
        let traits = [
            ("difficulty", difficulty),
            ("style", session.style.clone()),
            ("light", session.light.clone()),
            ("cameras", used.to_string()),
            ("preset", preset(&session.name).to_owned()),
        ];
        let items = recording.catalogue.items();
        let family = |(place, item): (usize, &crate::recording::Item)| {
            let twins = recording.catalogue.twins(place);
            let first = twins.into_iter().min().map(|first| &items[first.min(place)].id);
            first.map(|name| (item.id.clone(), name.clone()))
        };
        Ok(Self {
            name: session.name.clone(),
            place: directory.to_owned(),
            cameras: chosen.iter().map(|c| (c.name.clone(), recording.video(c))).collect(),
            unused: unused.iter().map(|c| (c.name.clone(), recording.video(c))).collect(),
            zones,
            truth_file,
            truth,
            duration: Some(session.duration),
            traits: traits.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            split: session.split.map(|split| split.to_string()),
            generator: Some(session.generator.clone()),
            labels: items.iter().map(|item| (item.id.clone(), item.label.clone())).collect(),
            families: items.iter().enumerate().filter_map(family).collect(),
        })
    }

    /// A clip whose truth was made by hand.
    pub(super) fn single(
        truth_file: &Path,
        cameras: &[(CameraName, PathBuf)],
        zones: Option<&Path>,
    ) -> Result<Self, Error> {
        for (_, file) in cameras {
            fs::metadata(file).map_err(|reason| Error::Unreadable { path: file.clone(), reason })?;
        }
        let (truth_file, truth) = truth(truth_file)?;
        Ok(Self {
            name: "clip".to_owned(),
            place: truth_file.clone(),
            cameras: cameras.to_vec(),
            unused: vec![],
            zones: zones.map_or(Zones::None, |file| Zones::File(file.to_owned())),
            truth_file,
            truth,
            duration: None,
            traits: BTreeMap::new(),
            split: None,
            generator: None,
            labels: BTreeMap::new(),
            families: BTreeMap::new(),
        })
    }
}

fn truth(file: &Path) -> Result<(PathBuf, Truth), Error> {
    let truth = Truth::read(&file.display().to_string(), &read(file)?)?;
    Ok((file.to_owned(), truth))
}

pub(super) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|reason| Error::Unreadable { path: path.to_owned(), reason })
}

/// What a session was made from, by its name: `normal-000042` is one of `normal`.
fn preset(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-')
}

/// A zones file with the zones of these cameras alone: `cartvisiond replay` refuses one that names others.
// The recording was opened, so the file is known to be sound.
fn only(text: &str, cameras: &[&str]) -> String {
    let mut file: toml::Table = text.parse().unwrap_or_default();
    if let Some(zones) = file.get_mut("zones").and_then(toml::Value::as_table_mut) {
        zones.retain(|name, _| cameras.contains(&name));
    }
    file.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_names_without_numbers() {
        for (name, expected) in [("normal-000042", "normal"), ("hard-low-3", "hard-low"), ("clip", "clip")] {
            assert_eq!(preset(name), expected);
        }
    }

    #[test]
    fn only_the_cameras_that_are_used_keep_their_zones() {
        let text = "[zones]\nleft = [[0, 0], [1, 0], [1, 1]]\nright = [[0.5, 0], [1, 0], [1, 1]]\n";
        let file: toml::Table = only(text, &["right"]).parse().unwrap();
        let zones = file["zones"].as_table().unwrap();
        assert_eq!(zones.keys().collect::<Vec<_>>(), ["right"]);
        assert_eq!(zones["right"].as_array().unwrap().len(), 3);
    }
}
