//! The worst episodes, with pictures: what happened, what the cart said, and what it saw.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cartvision_metric::{Claim, Session, Stretch, kind_name, worst};
use serde::Serialize;

use super::clip::Clip;
use super::frames::{Film, NoFrames};
use crate::progress::Progress;

/// Pictures of a stretch from each camera.
const PICTURES: usize = 5;
/// Shown before and after it, seconds.
const BEFORE: f64 = 0.3;
const AFTER: f64 = 0.7;

/// One of the worst stretches.
#[derive(Debug, Serialize)]
pub(super) struct Sheet {
    pub(super) session: String,
    /// Seconds.
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) acts: Vec<String>,
    pub(super) missed: usize,
    pub(super) extra: usize,
    /// The largest of its matches, seconds.
    pub(super) moment_error: f64,
    /// Truth and events by time.
    pub(super) lines: Vec<Line>,
    /// They are in the page alone.
    #[serde(skip)]
    pub(super) strips: Vec<Strip>,
}

/// A true change or an event.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// Seconds.
    pub(super) at: f64,
    pub(super) who: Who,
    pub(super) what: String,
    pub(super) verdict: &'static str,
    pub(super) good: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Who {
    Truth,
    Cart,
}

/// What one camera saw.
#[derive(Debug)]
pub(super) struct Strip {
    pub(super) camera: String,
    pub(super) pictures: Vec<Picture>,
}

#[derive(Debug)]
pub(super) struct Picture {
    /// Seconds.
    pub(super) at: f64,
    /// A JPEG in base64.
    pub(super) jpeg: String,
}

/// The worst stretches. What cannot be decoded is left out and noted: the figures do not depend on it.
pub(super) fn of(clips: &[Clip], sessions: &[Session], limit: usize, notes: &mut Vec<String>) -> Vec<Sheet> {
    let stretches = worst(sessions, limit);
    let progress = Progress::new("pictures", stretches.len());
    let mut unreadable: BTreeMap<String, String> = BTreeMap::new();
    let mut sheets = vec![];
    for stretch in &stretches {
        let (clip, session) = (&clips[stretch.session], &sessions[stretch.session]);
        let mut strips = vec![];
        for (camera, video) in &clip.cameras {
            match pictures(video, stretch, session.recorded) {
                Ok(pictures) => strips.push(Strip { camera: camera.to_string(), pictures }),
                Err(error) => _ = unreadable.insert(video.display().to_string(), error.to_string()),
            }
        }
        progress.step(&session.name);
        let acts = stretch.episode.map(|e| session.truth.episodes[e].acts.clone()).unwrap_or_default();
        sheets.push(Sheet {
            session: session.name.clone(),
            start: stretch.start,
            end: stretch.end,
            acts,
            missed: stretch.missed,
            extra: stretch.extra,
            moment_error: stretch.moment_error,
            lines: lines(session, stretch),
            strips,
        });
    }
    notes.extend(unreadable.into_iter().map(|(video, error)| format!("No pictures of {video}: {error}.")));
    sheets
}

fn pictures(video: &std::path::Path, stretch: &Stretch, recorded: f64) -> Result<Vec<Picture>, NoFrames> {
    let film = Film::open(video)?;
    let (from, to) = ((stretch.start - BEFORE).max(0.0), (stretch.end + AFTER).min(recorded));
    let step = (to - from).max(0.0) / (PICTURES - 1) as f64;
    let mut pictures = vec![];
    for i in 0..PICTURES {
        let at = from + i as f64 * step;
        pictures.extend(film.at(at)?.map(|jpeg| Picture { at, jpeg: STANDARD.encode(jpeg) }));
    }
    Ok(pictures)
}

fn lines(session: &Session, stretch: &Stretch) -> Vec<Line> {
    let changes = stretch.changes.iter().map(|c| {
        let (change, verdict) = (&session.truth.changes[*c], &session.scored.changes[*c]);
        let verdict_text = match verdict {
            v if v.matched.is_some() => "matched",
            v if v.action.is_some() => "wrong item",
            v if v.unresolved.is_some() => "unresolved",
            _ => "missed",
        };
        Line {
            at: change.end,
            who: Who::Truth,
            what: format!(
                "{} {}, {:.2} to {:.2} s",
                kind_name(change.kind),
                named(change.item.name(), &change.label),
                change.start,
                change.end
            ),
            verdict: verdict_text,
            good: verdict.matched.is_some(),
        }
    });
    let acts = stretch.acts.iter().map(|a| {
        let (act, verdict) = (&session.log.acts[*a], &session.scored.acts[*a]);
        let claim = match act.claim {
            Claim::Resolved(kind) => kind_name(kind).to_owned(),
            Claim::Unresolved(None) => "unresolved:".to_owned(),
            Claim::Unresolved(Some(kind)) => format!("unresolved: {}", kind_name(kind)),
        };
        let sure = act.confidence.map(|c| format!(", confidence {c:.2}")).unwrap_or_default();
        let verdict_text = match verdict {
            v if v.matched.is_some() => "match",
            v if v.answers.is_some() => "stands for a change",
            v if v.action.is_some() => "wrong item",
            _ => "no match",
        };
        Line {
            at: act.moment,
            who: Who::Cart,
            what: format!(
                "{claim} {}, at {:.2} s, decided {:.2} s{sure}",
                named(act.item.id.as_deref().unwrap_or("unknown"), &act.item.label),
                act.moment,
                act.decided
            ),
            verdict: verdict_text,
            good: !verdict.is_false(),
        }
    });
    let mut lines: Vec<Line> = changes.chain(acts).collect();
    lines.sort_by(|a, b| a.at.total_cmp(&b.at));
    lines
}

fn named(name: &str, label: &str) -> String {
    if name == label { name.to_owned() } else { format!("{label} ({name})") }
}
