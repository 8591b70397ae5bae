//! Recorded, labelled sessions, as `cartlab sim` writes them: read, and held against what they promise.
//!
//! ```text
//! SET/
//!   normal-000042/     one session; complete when it has a session.json, half made while its name begins with '.'
//!     session.json     what it is: cameras, seed, style, light, split, and which things appear
//!     catalogue.json   what could be sold
//!     truth.jsonl      changes and episodes, ordered by start
//!     boxes.jsonl      what is seen, one line for each frame of each camera
//!     zones.toml       the basket region of each camera
//!     rim-left.mp4 …   one video for each camera
//! ```
//! Unknown fields are ignored; what is missing or contradicts itself is an error that names file and line. Opening reads
//! everything but boxes and videos, which are streamed: memory is bounded by one session.

mod boxes;
mod catalogue;
mod fault;
mod json_lines;
mod session;
mod truth;
mod zones;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cartvision_core::Zone;

pub(crate) use boxes::{Boxes, Seen, Thing, View};
pub(crate) use catalogue::{Catalogue, Item};
pub(crate) use fault::{Fault, RecordingError};
pub(crate) use json_lines::JsonLines;
pub(crate) use session::{Camera, Difficulty, Session, Split};
pub(crate) use truth::{Change, ChangeKind, Episode, Truth};

const SESSION: &str = "session.json";
const CATALOGUE: &str = "catalogue.json";
const TRUTH: &str = "truth.jsonl";
const BOXES: &str = "boxes.jsonl";
const ZONES: &str = "zones.toml";

/// The sessions of a set: their directories, ordered by name.
#[derive(Debug)]
pub(crate) struct Set {
    directories: Vec<PathBuf>,
    /// Directories that are no sessions, though nothing says that they are half made.
    strangers: Vec<PathBuf>,
}

impl Set {
    /// The set in this directory. A directory that is itself a session is a set of one.
    pub(crate) fn open(directory: &Path) -> Result<Self, RecordingError> {
        let unreadable = |reason| RecordingError::Unreadable { path: directory.to_owned(), reason };
        if directory.join(SESSION).is_file() {
            return Ok(Self { directories: vec![directory.to_owned()], strangers: vec![] });
        }
        let mut set = Self { directories: vec![], strangers: vec![] };
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden || !path.is_dir() {
                continue;
            }
            let complete = path.join(SESSION).is_file();
            (if complete { &mut set.directories } else { &mut set.strangers }).push(path);
        }
        set.directories.sort();
        set.strangers.sort();
        if set.directories.is_empty() {
            return Err(RecordingError::EmptySet { directory: directory.to_owned() });
        }
        Ok(set)
    }

    /// The sessions' directories.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Directories without a session.json.
    pub(crate) fn strangers(&self) -> &[PathBuf] {
        &self.strangers
    }
}

/// One session, but for its boxes and videos.
#[derive(Debug)]
pub(crate) struct Recording {
    directory: PathBuf,
    pub(crate) session: Session,
    pub(crate) catalogue: Catalogue,
    pub(crate) truth: Truth,
    /// One for each camera, in the order of the session's; the whole picture where zones.toml names none.
    pub(crate) zones: Vec<Zone>,
}

impl Recording {
    /// Reads a session and refuses it when anything is wrong with it. (For all that is wrong: [`Recording::read`] and
    /// [`Recording::faults`].)
    pub(crate) fn open(directory: &Path) -> Result<Self, RecordingError> {
        let recording = Self::read(directory)?;
        match RecordingError::of(recording.faults()) {
            Some(error) => Err(error),
            None => Ok(recording),
        }
    }

    /// Reads a session; what cannot be read is an error, what contradicts itself is not.
    pub(crate) fn read(directory: &Path) -> Result<Self, RecordingError> {
        let session: Session = session::read(&directory.join(SESSION))?;
        let catalogue = catalogue::read(&directory.join(CATALOGUE))?;
        let truth = truth::read(&directory.join(TRUTH))?;
        let zones = zones::read(&directory.join(ZONES), &session.cameras)?;
        Ok(Self { directory: directory.to_owned(), session, catalogue, truth, zones })
    }

    /// Everything that is wrong with the session, but for its boxes (told by [`Recording::boxes`]) and what its videos
    /// hold.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = session::faults(&self.session, &self.directory.join(SESSION));
        faults.extend(catalogue::faults(&self.catalogue, &self.directory.join(CATALOGUE)));
        let instances = session::instance_faults(&self.session, &self.catalogue);
        faults.extend(instances.into_iter().map(|what| Fault::of(self.directory.join(SESSION), what)));
        faults.extend(truth::faults(
            &self.truth,
            &self.session,
            &self.catalogue,
            &self.directory.join(TRUTH),
        ));
        for camera in &self.session.cameras {
            let video = self.video(camera);
            match fs::metadata(&video) {
                Ok(about) if about.is_file() && about.len() > 0 => {}
                Ok(about) if about.is_file() => faults.push(Fault::of(video, "the video is empty")),
                Ok(_) => {
                    faults.push(Fault::of(video, "it is no file; camera videos lie beside session.json"))
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let what = format!("the video of camera {} is missing", camera.name.as_str());
                    faults.push(Fault::of(video, what));
                }
                Err(e) => faults.push(Fault::of(video, format!("cannot read the video: {e}"))),
            }
        }
        faults
    }

    /// The file with a camera's video.
    pub(crate) fn video(&self, camera: &Camera) -> PathBuf {
        self.directory.join(&camera.file)
    }

    /// The truth as a file, for those who read it by themselves.
    pub(crate) fn truth_file(&self) -> PathBuf {
        self.directory.join(TRUTH)
    }

    /// The zones as a file, for `cartvisiond replay --zones`.
    pub(crate) fn zones_file(&self) -> PathBuf {
        self.directory.join(ZONES)
    }

    /// What is seen, line by line.
    pub(crate) fn boxes(&self) -> Result<Boxes<'_>, RecordingError> {
        Boxes::open(self, self.directory.join(BOXES))
    }

    /// What is seen, for each camera frame by frame: `views[camera][frame]`. About 40 bytes for each box.
    pub(crate) fn views(&self) -> Result<Vec<Vec<View>>, RecordingError> {
        let mut views: Vec<Vec<View>> = self.session.cameras.iter().map(|_| vec![]).collect();
        for view in self.boxes()? {
            match view {
                Ok(view) => views[view.camera].push(view),
                Err(faults) => return RecordingError::of(faults).map_or(Ok(vec![]), Err),
            }
        }
        for camera in &mut views {
            camera.sort_unstable_by_key(|view| view.frame);
        }
        Ok(views)
    }
}

#[cfg(test)]
mod tests;
