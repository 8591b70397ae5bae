//! Everything that is wrong with recorded sessions.

use std::path::{Path, PathBuf};

use super::Seen;
use crate::halt::Halt;
use crate::progress::Progress;
use crate::{
    dataset::{
        Error, classes, leaks,
        made::Faults,
        split::Assignment,
        survey::{self, Summary},
        video::Video,
    },
    recording::{Catalogue, Recording, Set},
};

pub(super) fn check(
    directory: &Path,
    splits: Option<&Path>,
    faults: &mut Faults,
    halt: &Halt,
) -> Result<Seen, Error> {
    let set = Set::open(directory)?;
    let assignment = splits.map(Assignment::read).transpose()?;
    for stranger in set.strangers() {
        faults.of(stranger, "it has no session.json: no session, or one that was not finished".to_owned());
    }
    let progress = Progress::new("session", set.directories().len());
    let mut seen = Seen { sessions: set.directories().len(), ..Seen::default() };
    let mut first: Option<(PathBuf, Catalogue)> = None;
    let mut summaries: Vec<Summary> = Vec::new();
    for directory in set.directories() {
        progress.step(&directory.display().to_string());
        let recording = match Recording::read(directory) {
            Ok(recording) => recording,
            Err(e) => {
                faults.add(e.into_fault());
                continue;
            }
        };
        recording.faults().into_iter().for_each(|fault| faults.add(fault));
        let mut summary = Summary::of(&recording);
        match assignment.as_ref().map(|assignment| assignment.of_session(&summary)) {
            Some(Ok(split)) => summary.split = Some(split),
            Some(Err(e)) => faults.of(directory, e.to_string()),
            None => {}
        }
        if summaries.iter().any(|other| other.name == summary.name) {
            faults.of(directory, format!("another session is named {} too", summary.name));
        }
        summaries.push(summary);
        let items = recording.catalogue.items().len();
        match recording.boxes() {
            Ok(boxes) => {
                for view in boxes {
                    halt.check()?;
                    match view {
                        Ok(view) => {
                            view.boxes.iter().for_each(|b| seen.count(classes::index(b.thing, items)));
                        }
                        Err(wrong) => wrong.into_iter().for_each(|fault| faults.add(fault)),
                    }
                }
            }
            Err(e) => faults.add(e.into_fault()),
        }
        videos(&recording, &mut seen, faults, halt)?;
        match &first {
            None => first = Some((directory.clone(), recording.catalogue)),
            Some((other, catalogue)) => {
                if let Some(difference) = survey::difference(catalogue, &recording.catalogue) {
                    let what = format!("its catalogue is not that of {}: {difference}", other.display());
                    faults.of(directory, what);
                }
            }
        }
    }
    for leak in leaks::find(&summaries) {
        faults.of(directory, leak.to_string());
    }
    if let Some((_, catalogue)) = &first
        && let Some(what) = seen.empty_classes(&classes::of(catalogue))
    {
        faults.of(directory, what);
    }
    Ok(seen)
}

/// Decodes the videos, and holds them against session.json.
fn videos(recording: &Recording, seen: &mut Seen, faults: &mut Faults, halt: &Halt) -> Result<(), Error> {
    let session = &recording.session;
    for camera in &session.cameras {
        let file = recording.video(camera);
        // That it is missing or empty was told already.
        if std::fs::metadata(&file).map_or(0, |about| about.len()) == 0 {
            continue;
        }
        // Nothing is looked at: only counted.
        let size = (session.width.clamp(1, 8192), session.height.clamp(1, 8192));
        let counted = Video::open(&file, session.fps, size, |_| false, halt)
            .and_then(|mut video| video.next().map(|_| (video.decoded(), video.size(), video.jitter())));
        let (frames, size, jitter) = match counted {
            Ok(counted) => counted,
            Err(Error::Video { file, reason }) => {
                faults.of(&file, reason);
                continue;
            }
            Err(other) => return Err(other),
        };
        seen.frames += frames;
        if frames != camera.frames {
            faults.of(&file, format!("it has {frames} frames, but session.json says {}", camera.frames));
        }
        if let Some((width, height)) = size
            && (width, height) != (session.width, session.height)
        {
            let what =
                format!("it is {width}x{height}, but session.json says {}x{}", session.width, session.height);
            faults.of(&file, what);
        }
        if jitter > 1.0 / session.fps {
            faults.of(
                &file,
                format!("a frame is {jitter:.3} s off its time at {} frames a second", session.fps),
            );
        }
    }
    Ok(())
}
