//! What a detector that never errs would come to: the truth's own boxes through the core. It tells how much of an error
//! is the decision's, and how much the detector's.
//!
//! The core is the cart's; what a daemon adds on the way (MQTT, identities) changes no decision and is left out.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use cartvision_core::{
    BBox, CameraId, Change, ClassId, Decision, Detection, Detections, Effect, Effects, Input, MediaTime,
    Outcome, Role, Session, Settings, analytic,
};
use cartvision_engines::{Bundle, Runtime, TemporalClassifier};
use serde_json::json;

use super::{Error, clip::Clip, report::Source};
use crate::halt::Halt;
use crate::questions;
use crate::recording::{Catalogue, Recording, Seen, Thing, View};

/// A detector of any kind sees nothing of what shows less than this share of itself.
const LEAST_VISIBLE: f32 = 0.1;

/// Decides every clip, with this bundle's temporal classifier where it has one, else the analytic one; the events of each
/// are `events/NAME.jsonl`, and what the core asked is `questions/NAME.jsonl`.
pub(super) fn run(
    clips: &[Clip],
    bundle: Option<&Bundle>,
    events: &Path,
    questions: &Path,
    halt: &Halt,
) -> Result<Source, Error> {
    let bundle = bundle.filter(|bundle| bundle.manifest().temporal.is_some());
    let load = |bundle| TemporalClassifier::load(&Runtime::open()?, bundle);
    let mut classifier = bundle.map(load).transpose()?;
    for clip in clips {
        halt.check()?;
        let recording = Recording::open(&clip.place)?;
        let decided = decide(&recording, clip.cameras.len(), classifier.as_mut())?;
        for (place, text) in [(events, decided.events), (questions, decided.questions)] {
            let path: PathBuf = place.join(format!("{}.jsonl", clip.name));
            fs::write(&path, text).map_err(|reason| Error::Unwritable { path, reason })?;
        }
    }
    Ok(Source::PerfectBoxes { classifier: bundle.map(Bundle::identity) })
}

/// Two files of JSON lines.
#[derive(Default)]
struct Decided {
    events: String,
    questions: String,
}

/// One recording's events and questions.
fn decide(
    recording: &Recording,
    cameras: usize,
    mut classifier: Option<&mut TemporalClassifier>,
) -> Result<Decided, Error> {
    let session = Session::new(Settings::default(), recording.zones[..cameras].iter().cloned());
    let mut core = Box::new(session.map_err(|e| Error::System(std::io::Error::other(e.to_string())))?);
    let mut effects = Effects::new();
    let mut decided = Decided::default();
    let header = serde_json::to_string(&questions::Header::own()).map_err(Error::Json)?;
    _ = writeln!(decided.questions, "{header}");
    let mut views: Vec<View> = recording.views()?.into_iter().take(cameras).flatten().collect();
    views.sort_by(|a, b| a.time.total_cmp(&b.time).then(a.camera.cmp(&b.camera)));
    let mut last = MediaTime::ZERO;
    let mut step = |core: &mut Session, at: MediaTime, input: Input<'_>| -> Result<_, Error> {
        core.step(at, input, &mut effects);
        let mut answers = vec![];
        for effect in &effects {
            match effect {
                Effect::Publish(decision) => event(&mut decided.events, decision, &recording.catalogue),
                Effect::Classify(question) => {
                    let baseline = analytic::classify(question);
                    let answer = match &mut classifier {
                        Some(classifier) => classifier.answer(core, question)?,
                        None => baseline,
                    };
                    let camera = &recording.session.cameras[question.camera.index()].name;
                    let item =
                        question.item.and_then(|class| recording.catalogue.items().get(usize::from(class.0)));
                    let named = (camera.as_str(), item.map(|item| item.id.clone()));
                    questions::write(&mut decided.questions, core, at, question, (&baseline, &answer), named)
                        .map_err(Error::Json)?;
                    answers.push((question.id, answer));
                }
                Effect::BasketOverflowed(_) => {}
            }
        }
        Ok(answers)
    };
    let mut take = |core: &mut Session, at: MediaTime, input: Input<'_>| -> Result<(), Error> {
        let mut open = step(core, at, input)?;
        while let Some((question, answer)) = open.pop() {
            open.extend(step(core, at, Input::Classified { question, answer })?);
        }
        Ok(())
    };
    take(&mut core, last, Input::SessionStarted)?;
    let (width, height) = (recording.session.width as f32, recording.session.height as f32);
    for view in &views {
        let Some(camera) = CameraId::new(view.camera) else { continue };
        last = MediaTime::from_ms((view.time * 1e3).round() as u64);
        let mut detections: Detections = view
            .boxes
            .iter()
            .filter(|seen| seen.visibility >= LEAST_VISIBLE)
            .map(|seen| detection(seen, width, height, &recording.catalogue))
            .collect();
        detections.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        take(&mut core, last, Input::Detected { camera, detections: &detections })?;
    }
    take(&mut core, last, Input::SessionEnded)?;
    Ok(decided)
}

/// Classes are the catalogue's items, then the hand, then what is not in the catalogue.
fn detection(seen: &Seen, width: f32, height: f32, catalogue: &Catalogue) -> Detection {
    let items = catalogue.items().len();
    let (class, role) = match seen.thing {
        Thing::Item(place) => (place, Role::Item),
        Thing::Hand => (items, Role::Hand),
        Thing::Unknown => (items + 1, Role::Unknown),
    };
    let [x0, y0, x1, y1] = seen.bounds;
    Detection {
        class: ClassId(class as u16),
        role,
        // What is half hidden is found with less certainty.
        score: 0.5 + 0.45 * seen.visibility,
        bbox: BBox { x0: x0 / width, y0: y0 / height, x1: x1 / width, y1: y1 / height },
    }
}

/// What the evaluation reads of an event.
fn event(lines: &mut String, decision: &Decision, catalogue: &Catalogue) {
    let name = |class: ClassId| catalogue.items().get(usize::from(class.0));
    let item = match name(decision.item) {
        Some(item) => json!({"kind": "catalogue", "id": item.id, "label": item.label}),
        None => json!({"kind": "unknown", "id": null, "label": "unknown"}),
    };
    let candidates: Vec<_> = decision
        .candidates
        .iter()
        .filter_map(|c| name(c.item).map(|item| json!({"id": item.id, "p": c.p})))
        .collect();
    let (kind, change) = match decision.outcome {
        Outcome::Added => ("added", None),
        Outcome::Removed { .. } => ("removed", None),
        Outcome::Unresolved { change: Change::Added } => ("unresolved", Some("added")),
        Outcome::Unresolved { change: Change::Removed } => ("unresolved", Some("removed")),
    };
    let id = lines.len();
    let mut line = json!({
        "id": id.to_string(), "type": format!("cartvision.item.{kind}.v1"),
        "data": {
            "item": item, "quantity": 1, "confidence": decision.confidence, "decided_by": "edge",
            "media_time_ms": decision.moment.as_ms(), "decided_media_time_ms": decision.decided.as_ms(),
            "candidates": candidates,
        },
    });
    if let Some(change) = change {
        line["data"]["change"] = change.into();
    }
    // A String takes every line.
    let _ = writeln!(lines, "{line}");
}
