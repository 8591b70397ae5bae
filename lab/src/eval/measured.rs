//! Events held against the truth, session by session.

use std::{fs, path::Path};

use cartvision_metric::{EventLog, Rule, Session};

use super::Error;
use super::clip::{Clip, read};
use super::report::Source;

/// How far a truth may go on after the end of a recording that says nothing of its length: the quiet second that
/// ends an episode.
const AFTER_THE_END: f64 = 1.0;

/// Copies the events of every clip to where those of a replay would be, so that the report holds what it is about.
pub(super) fn gather(path: &Path, clips: &[Clip], events: &Path) -> Result<Source, Error> {
    let about = fs::metadata(path).map_err(|reason| Error::Unreadable { path: path.to_owned(), reason })?;
    for clip in clips {
        let from = if about.is_dir() { path.join(format!("{}.jsonl", clip.name)) } else { path.to_owned() };
        let to = events.join(format!("{}.jsonl", clip.name));
        // One file has the events of one session.
        if !from.is_file() || (about.is_file() && clips.len() > 1) {
            return Err(Error::NoEvents { path: path.to_owned(), session: clip.name.clone() });
        }
        let text = read(&from)?;
        // Errors name the file that was given, not our copy of it.
        EventLog::read(&from.display().to_string(), &text)?;
        fs::write(&to, text).map_err(|reason| Error::Unwritable { path: to.clone(), reason })?;
    }
    Ok(Source::Events { path: path.to_owned() })
}

/// Every clip with what became of it.
pub(super) fn sessions(clips: &[Clip], events: &Path) -> Result<Vec<Session>, Error> {
    clips.iter().map(|clip| session(clip, events)).collect()
}

fn session(clip: &Clip, events: &Path) -> Result<Session, Error> {
    let file = events.join(format!("{}.jsonl", clip.name));
    let log = EventLog::read(&file.display().to_string(), &read(&file)?)?;
    let truth_end = clip.truth.end();
    let recorded = match (clip.duration, log.ended()) {
        (Some(duration), _) => duration,
        (None, Some(ended)) => {
            if truth_end > ended + AFTER_THE_END {
                return Err(Error::Length { truth: clip.truth_file.clone(), truth_end, ended });
            }
            ended
        }
        // At least so long.
        (None, None) => truth_end,
    };
    let mut session = Session::new(clip.name.clone(), recorded, clip.truth.clone(), log, Rule::default());
    session.traits = clip.traits.clone();
    Ok(session)
}
