//! Questions: what the core asked in a replay, with all that a temporal classifier is shown, on file, so that one
//! can be trained.
//!
//! JSON lines: first a header (the features' version and what their columns are called), then one line a question,
//! in the order in which they were asked. Values are rounded, so that the file is as long as what it tells.

use std::path::Path;

use cartvision_core::features::{self, ASKED, ASKED_COLUMNS, ROW, ROW_COLUMNS, WINDOW};
use cartvision_core::{Change, analytic};
use serde::Serialize;

use super::whole::{Content, WholeFile};
use crate::cart::Answered;
use crate::failure::Failure;

/// What such a file calls itself.
const FORMAT: &str = "cartvision-questions";
/// What it is called in messages.
const CONTENT: Content = Content { what: "the questions", option: "--questions" };

/// The first line.
#[derive(Serialize)]
struct Header {
    format: &'static str,
    features_version: u32,
    rows: [&'static str; ROW],
    asked: [&'static str; ASKED],
    window: usize,
}

/// Every other line.
#[derive(Serialize)]
struct Line<'a> {
    camera: &'a str,
    track: u32,
    change: &'static str,
    moment_ms: u64,
    asked_ms: u64,
    /// The catalogue's id.
    item: Option<&'a str>,
    /// The probability of the change by the analytic classifier.
    analytic: f64,
    /// The same as the question was answered.
    answer: f64,
    /// When and where the track was seen lately.
    seen: Vec<Seen>,
    window: [[f64; ROW]; WINDOW],
    asked: [f64; ASKED],
}

/// A moment in ms; left, top, right and bottom as shares of the picture.
#[derive(Serialize)]
struct Seen(u64, f64, f64, f64, f64);

/// Writes questions.
#[derive(Debug)]
pub(super) struct Questions(WholeFile);

impl Questions {
    /// Begins the file that will lie in `place`.
    pub(super) fn begin(place: &Path) -> Result<Self, Failure> {
        let mut file = WholeFile::begin(place, CONTENT)?;
        file.line(&Header {
            format: FORMAT,
            features_version: features::VERSION,
            rows: ROW_COLUMNS.map(|column| column.name),
            asked: ASKED_COLUMNS.map(|column| column.name),
            window: WINDOW,
        })?;
        Ok(Self(file))
    }

    /// A question was answered.
    pub(super) fn write(&mut self, answered: &Answered) -> Result<(), Failure> {
        let Answered { camera, item, question, asked_at, answer, seen, window } = answered;
        let change = question.change;
        self.0.line(&Line {
            camera: camera.as_str(),
            track: question.track.0,
            change: match change {
                Change::Added => "added",
                Change::Removed => "removed",
            },
            moment_ms: question.moment.as_ms(),
            asked_ms: asked_at.as_ms(),
            item: item.as_ref().map(|id| id.as_str()),
            analytic: rounded(analytic::classify(question).of(change), PROBABILITY_PLACES),
            answer: rounded(answer.of(change), PROBABILITY_PLACES),
            seen: seen
                .iter()
                .map(|(at, bbox)| {
                    let [x0, y0, x1, y1] = [bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(value);
                    Seen(at.as_ms(), x0, y0, x1, y1)
                })
                .collect(),
            window: window.map(|row| row.map(value)),
            asked: features::asked(question).map(value),
        })
    }

    /// The replay came to its end: moves the file to its place.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.0.publish()
    }
}

/// Decimals that are kept: of a value, and of a probability, whose logarithm is taken.
const PLACES: i32 = 4;
const PROBABILITY_PLACES: i32 = 6;

fn value(number: f32) -> f64 {
    rounded(number, PLACES)
}

/// The nearest decimal number, which JSON then holds in its shortest form; never −0.
fn rounded(number: f32, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (f64::from(number) * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_short_form() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (-0.000_01, "0.0"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.3333"),
            (-8.0, "-8.0"),
            (0.999_96, "1.0"),
            (23.999_98, "24.0"),
        ] {
            assert_eq!(serde_json::to_string(&value(number)).unwrap(), text, "{number}");
        }
        assert_eq!(serde_json::to_string(&rounded(2.0 / 3.0, PROBABILITY_PLACES)).unwrap(), "0.666667");
    }
}
