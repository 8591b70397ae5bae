//! The questions that the core asked in a replay, one JSON line each, as `cartvisiond replay --questions` writes them:
//! what a temporal classifier learns from.

use std::fmt::Write as _;

use cartvision_core::{ActProbabilities, Change, MediaTime, Question, Session, features};
use serde::{Deserialize, Serialize};

use crate::recording::ChangeKind;

pub(crate) const FORMAT: &str = "cartvision-questions";

/// The first line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: String,
    pub(crate) features_version: u32,
    pub(crate) rows: Vec<String>,
    pub(crate) asked: Vec<String>,
    pub(crate) window: usize,
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) camera: String,
    pub(crate) track: u32,
    pub(crate) change: ChangeKind,
    pub(crate) moment_ms: u64,
    pub(crate) asked_ms: u64,
    /// Of the catalogue; `None` for what is not in it.
    pub(crate) item: Option<String>,
    /// The change's probability by the analytic classifier, and as it was answered.
    pub(crate) analytic: f64,
    pub(crate) answer: f64,
    /// Sightings, oldest first: milliseconds, left, top, right, bottom (shares of the picture).
    pub(crate) seen: Vec<[f64; 5]>,
    pub(crate) window: Vec<Vec<f64>>,
    pub(crate) asked: Vec<f64>,
}

impl Header {
    /// What this program's core asks.
    pub(crate) fn own() -> Self {
        let names = |columns: &[features::Column]| columns.iter().map(|c| c.name.to_owned()).collect();
        Self {
            format: FORMAT.to_owned(),
            features_version: features::VERSION,
            rows: names(&features::ROW_COLUMNS),
            asked: names(&features::ASKED_COLUMNS),
            window: features::WINDOW,
        }
    }
}

/// Four decimals: below a pixel of any picture, and half the file.
fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

/// Writes a question that `core` has just asked, and how it was answered. `name` and `item` are the camera's and the
/// favourite's.
pub(crate) fn write(
    lines: &mut String,
    core: &Session,
    now: MediaTime,
    question: &Question,
    (analytic, answer): (&ActProbabilities, &ActProbabilities),
    (name, item): (&str, Option<String>),
) -> Result<(), serde_json::Error> {
    let mut window = [[0.0; features::ROW]; features::WINDOW];
    core.window(question.camera, question.track, &mut window);
    let seen = core
        .sightings(question.camera, question.track)
        .map(|(at, b)| [at.as_ms() as f64, rounded(b.x0), rounded(b.y0), rounded(b.x1), rounded(b.y1)]);
    let line = Asked {
        camera: name.to_owned(),
        track: question.track.0,
        change: match question.change {
            Change::Added => ChangeKind::Added,
            Change::Removed => ChangeKind::Removed,
        },
        moment_ms: question.moment.as_ms(),
        asked_ms: now.as_ms(),
        item,
        analytic: rounded(analytic.of(question.change)),
        answer: rounded(answer.of(question.change)),
        seen: seen.collect(),
        window: window.iter().map(|row| row.map(rounded).to_vec()).collect(),
        asked: features::asked(question).map(rounded).to_vec(),
    };
    let line = serde_json::to_string(&line)?;
    // A String takes every line.
    let _ = writeln!(lines, "{line}");
    Ok(())
}
