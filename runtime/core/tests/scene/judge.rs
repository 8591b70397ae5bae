//! Plays a scene to the cart and compares what it decides with what happened.

use cartvision_core::{
    CameraId, Change, ClassId, Decision, Effect, Effects, Input, MediaTime, Outcome, Session, Settings,
    analytic,
};

use super::detector::{Rng, look};
use super::script::{Scene, Truth};

/// How late after its end a change may be dated, and decided (as in the metric).
const LATE_S: f32 = 1.0;
const DECIDED_S: f32 = 2.0;

/// What came of a scene.
#[derive(Debug)]
pub struct Verdict {
    /// Events that tell what did not happen, or not so; and a wrong basket where all else is right.
    pub wrong: Vec<String>,
    /// Changes that no event tells.
    pub missed: Vec<String>,
    /// `unresolved` events beyond those that the scene may give.
    pub doubts: Vec<String>,
    /// All decisions, in order.
    pub decisions: Vec<Decision>,
    /// What the basket holds in the end.
    pub basket: Vec<(ClassId, u16)>,
}

impl Verdict {
    /// Everything that was not told as it was.
    pub fn faults(&self) -> Vec<&str> {
        [&self.wrong, &self.missed, &self.doubts].into_iter().flatten().map(String::as_str).collect()
    }
}

enum Fact {
    Picture(usize),
    Tick,
    Started,
    Ended,
    Lost(usize),
}

fn moment(t: f32) -> MediaTime {
    MediaTime { ns: (t * 1e9) as u64 }
}

fn seconds(t: MediaTime) -> f32 {
    (t.ns as f64 / 1e9) as f32
}

/// Plays the scene with default settings and the analytic classifier.
pub fn judge(scene: &Scene, seed: u64) -> Verdict {
    let mut rng = Rng::new(seed);
    let mut facts: Vec<(f32, Fact)> = vec![];
    for (camera, lens) in scene.lenses.iter().enumerate() {
        facts.extend(lens.moments(scene.length, &mut rng).into_iter().map(|t| (t, Fact::Picture(camera))));
        if let Some((from, to)) = lens.gap
            && to >= scene.length
        {
            facts.push((from + 0.5, Fact::Lost(camera)));
        }
    }
    facts.extend((1..(scene.length * 10.0) as u32).map(|i| (i as f32 * 0.1, Fact::Tick)));
    if let Some((start, end)) = scene.session {
        facts.push((start, Fact::Started));
        facts.push((end.min(scene.length), Fact::Ended));
    }
    facts.sort_by(|a, b| a.0.total_cmp(&b.0));

    let zones = scene.lenses.iter().map(|l| l.zone.clone());
    let mut cart = Box::new(Session::new(Settings::default(), zones).expect("defaults are sound"));
    let mut decisions = vec![];
    let mut effects = Effects::new();
    for (t, fact) in facts {
        let camera = |index| CameraId::new(index).expect("few cameras");
        let detections;
        let input = match fact {
            Fact::Picture(index) => {
                detections = look(scene, &scene.lenses[index], t, &mut rng);
                Input::Detected { camera: camera(index), detections: &detections }
            }
            Fact::Tick => Input::Tick,
            Fact::Started => Input::SessionStarted,
            Fact::Ended => Input::SessionEnded,
            Fact::Lost(index) => Input::CameraLost { camera: camera(index) },
        };
        cart.step(moment(t), input, &mut effects);
        let mut todo: Vec<Effect> = effects.iter().cloned().collect();
        while let Some(effect) = todo.pop() {
            match effect {
                Effect::Publish(decision) => decisions.push(decision),
                Effect::Classify(question) => {
                    let answer = analytic::classify(&question);
                    cart.step(moment(t), Input::Classified { question: question.id, answer }, &mut effects);
                    todo.extend(effects.iter().cloned());
                }
                Effect::BasketOverflowed(_) => unreachable!("few items"),
            }
        }
    }
    let basket = cart.basket().lines().to_vec();
    let mut verdict = Verdict { wrong: vec![], missed: vec![], doubts: vec![], decisions, basket };
    compare(scene, &mut verdict);
    let held: u32 = verdict.basket.iter().map(|(_, n)| u32::from(*n)).sum();
    let count = |change| scene.truth.iter().filter(|t| t.change == change && !t.not_in_basket).count() as u32;
    let truly = count(Change::Added).saturating_sub(count(Change::Removed));
    if verdict.faults().is_empty() && scene.session == Some((0.0, f32::MAX)) && held != truly {
        verdict.wrong.push(format!("the basket holds {held} items, not {truly}"));
    }
    verdict
}

fn compare(scene: &Scene, verdict: &mut Verdict) {
    let mut missing: Vec<&Truth> = scene.truth.iter().collect();
    for d in &verdict.decisions {
        let told = format!(
            "{:?} {} at {:.2}, decided at {:.2} ({:.2})",
            d.outcome,
            d.item.0,
            seconds(d.moment),
            seconds(d.decided),
            d.confidence
        );
        let (change, not_in_basket) = match d.outcome {
            Outcome::Added => (Change::Added, false),
            Outcome::Removed { not_in_basket } => (Change::Removed, not_in_basket),
            Outcome::Unresolved { .. } => {
                verdict.doubts.push(told);
                continue;
            }
        };
        let fits = |t: &&Truth| {
            (t.change, ClassId(t.item), t.not_in_basket) == (change, d.item, not_in_basket)
                && (t.start..=t.end + LATE_S).contains(&seconds(d.moment))
                && seconds(d.decided) <= t.end + DECIDED_S
        };
        match missing.iter().position(fits) {
            Some(at) => _ = missing.remove(at),
            None => verdict.wrong.push(told),
        }
    }
    verdict.missed = missing.iter().map(|t| format!("missed: {t:?}")).collect();
    if scene.may_doubt {
        verdict.doubts.clear();
    }
}
