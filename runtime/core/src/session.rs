//! The one who decides: takes facts, gives commands.

use crate::act::{Act, Acts, Change, Decision, Outcome, Ready};
use crate::basket::Basket;
use crate::camera::{CameraId, CameraSet, MAX_CAMERAS};
use crate::evidence::{ActProbabilities, Question, QuestionId};
use crate::geometry::BBox;
use crate::phase::Scene;
use crate::settings::{Settings, SettingsError};
use crate::sighting::{ClassId, Detection};
use crate::time::MediaTime;
use crate::tracker::{MAX_TRACKS, TrackId, Tracker};
use crate::zone::Zone;

/// The most effects one step gives. A picture asks at most [`MAX_QUESTIONS`] questions; acts that would not
/// fit stay waiting for the next step.
pub const MAX_EFFECTS: usize = 48;
/// The most questions that are open at once. When full, the next one is not asked: its act counts as uncertain
/// (probability halfway between `reject` and `accept`) and is counted.
pub const MAX_QUESTIONS: usize = 16;

/// A fact.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// What a detector saw in one picture, captured at the step's `now`. Pictures of one camera come in order
    /// of capture; one that does not is dropped and counted.
    Detected {
        /// Whose picture.
        camera: CameraId,
        /// What was seen, highest score first.
        detections: &'a [Detection],
    },
    /// A temporal classifier's answer.
    Classified {
        /// What was asked.
        question: QuestionId,
        /// The answer.
        answer: ActProbabilities,
    },
    /// This camera gives no pictures any more; acts do not wait for it until it is back.
    CameraLost {
        /// Which one.
        camera: CameraId,
    },
    /// Time has passed.
    Tick,
    /// A session starts: the basket is empty, what rests in the zone is stock.
    SessionStarted,
    /// The session is over.
    SessionEnded,
    /// Staff or a scanner put in or took out one item.
    Adjusted {
        /// The item.
        item: ClassId,
        /// What was done.
        change: Change,
    },
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer this question with [`Input::Classified`].
    Classify(Question),
    /// Publish this decision. The basket has taken it in already.
    Publish(Decision),
    /// The basket could not take in the decision just published: it is full.
    BasketOverflowed(ClassId),
}

/// Effects, in the order in which they are to be carried out.
pub type Effects = heapless::Vec<Effect, MAX_EFFECTS>;

/// What went over a bound, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pictures dropped because a later one of that camera had come first.
    pub out_of_order: u64,
    /// Items not followed because [`MAX_TRACKS`] were.
    pub tracks_refused: u64,
    /// Questions not asked because too many were open.
    pub questions_refused: u64,
    /// Answers to questions that are not open.
    pub stray_answers: u64,
}

#[derive(Debug)]
struct Eye {
    zone: Zone,
    tracker: Tracker,
    stock_until: Option<MediaTime>,
}

#[derive(Clone, Debug)]
struct OpenQuestion {
    id: QuestionId,
    /// The act if the answer says so; its probability is filled in then.
    act: Act,
}

/// A cart's state of mind. About 300 KiB: keep it boxed.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    eyes: heapless::Vec<Eye, MAX_CAMERAS>,
    live: CameraSet,
    open: bool,
    basket: Basket,
    acts: Acts,
    questions: heapless::Vec<OpenQuestion, MAX_QUESTIONS>,
    next_question: u32,
    counters: Counters,
}

impl Session {
    /// A cart with one camera for each zone (of more than [`MAX_CAMERAS`], the first ones), outside a session.
    pub fn new(settings: Settings, zones: impl IntoIterator<Item = Zone>) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            settings,
            eyes: zones
                .into_iter()
                .take(MAX_CAMERAS)
                .map(|zone| Eye { zone, tracker: Tracker::default(), stock_until: None })
                .collect(),
            live: CameraSet::default(),
            open: false,
            basket: Basket::default(),
            acts: Acts::default(),
            questions: heapless::Vec::new(),
            next_question: 0,
            counters: Counters::default(),
        })
    }

    /// The open session's basket, or the last one's.
    pub fn basket(&self) -> &Basket {
        &self.basket
    }

    /// Whether a session is open.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// How many items the camera with the most of them follows.
    pub fn most_tracks(&self) -> usize {
        self.eyes.iter().map(|e| e.tracker.tracks().len()).max().unwrap_or(0)
    }

    /// What went over a bound.
    pub fn counters(&self) -> Counters {
        Counters { tracks_refused: self.eyes.iter().map(|e| e.tracker.refused()).sum(), ..self.counters }
    }

    /// Takes in one fact that became known at `now`; `effects` is cleared and filled. `now` never goes back,
    /// but for pictures: they may come in a little after another camera's later ones.
    pub fn step(&mut self, now: MediaTime, input: Input<'_>, effects: &mut Effects) {
        effects.clear();
        match input {
            Input::Detected { camera, detections } => self.see(now, camera, detections, effects),
            Input::Classified { question, answer } => self.answered(now, question, answer, effects),
            Input::CameraLost { camera } => self.live.remove(camera),
            Input::Tick => {}
            Input::SessionStarted => {
                self.decide_ready(now, true, effects);
                self.open = true;
                self.basket.clear();
                for eye in &mut self.eyes {
                    eye.stock_until = Some(now + self.settings.stock);
                }
            }
            Input::SessionEnded => {
                self.decide_ready(now, true, effects);
                self.open = false;
            }
            Input::Adjusted { item, change } => match change {
                Change::Added => {
                    if self.basket.add(item).is_err() {
                        push(effects, Effect::BasketOverflowed(item));
                    }
                }
                Change::Removed => _ = self.basket.remove(item),
            },
        }
        self.decide_ready(now, false, effects);
        self.acts.forget(now, self.settings.fuse.times(2));
    }

    fn see(&mut self, now: MediaTime, camera: CameraId, seen: &[Detection], effects: &mut Effects) {
        let Some(eye) = self.eyes.get_mut(camera.index()) else { return };
        if !eye.tracker.update(now, seen, &self.settings) {
            self.counters.out_of_order += 1;
            return;
        }
        self.live.insert(camera);
        let stock_until = *eye.stock_until.get_or_insert(now + self.settings.stock);
        let items: heapless::Vec<(TrackId, BBox), MAX_TRACKS> =
            eye.tracker.tracks().iter().filter(|t| t.last_seen == now).map(|t| (t.id, t.bbox)).collect();
        let hands: heapless::Vec<BBox, 8> = eye.tracker.hands().iter().copied().collect();
        let scene = Scene {
            at: now,
            zone: &eye.zone,
            hands: &hands,
            items: &items,
            knows_hands: eye.tracker.knows_hands(),
            stock_until,
            settings: &self.settings,
        };
        let mut unasked: heapless::Vec<Act, MAX_TRACKS> = heapless::Vec::new();
        for track in eye.tracker.tracks_mut() {
            let Some(suggestion) = scene.advance(track) else { continue };
            let mut act = Act {
                camera,
                change: suggestion.change,
                moment: suggestion.moment,
                p: 0.0,
                votes: track.votes.clone(),
            };
            if self.questions.is_full() {
                self.counters.questions_refused += 1;
                act.p = (self.settings.reject + self.settings.accept) * 0.5;
                _ = unasked.push(act);
                continue;
            }
            let question = Question {
                id: QuestionId(self.next_question),
                camera,
                track: track.id,
                change: suggestion.change,
                evidence: suggestion.evidence,
            };
            self.next_question = self.next_question.wrapping_add(1);
            _ = self.questions.push(OpenQuestion { id: question.id, act });
            push(effects, Effect::Classify(question));
        }
        for act in unasked {
            self.take_in(now, act, effects);
        }
    }

    fn answered(&mut self, now: MediaTime, id: QuestionId, answer: ActProbabilities, effects: &mut Effects) {
        let Some(at) = self.questions.iter().position(|q| q.id == id) else {
            self.counters.stray_answers += 1;
            return;
        };
        let OpenQuestion { mut act, .. } = self.questions.remove(at);
        // NaN (a broken model) is no certainty either way.
        let p = answer.of(act.change);
        act.p = if p.is_nan() { (self.settings.reject + self.settings.accept) * 0.5 } else { p };
        if act.p >= self.settings.reject {
            self.take_in(now, act, effects);
        }
    }

    fn take_in(&mut self, now: MediaTime, act: Act, effects: &mut Effects) {
        if let Some(alone) = self.acts.take_in(now, act, &self.settings) {
            self.decide(now, alone, effects);
        }
    }

    fn decide_ready(&mut self, now: MediaTime, all: bool, effects: &mut Effects) {
        // Two effects at most for each decision.
        while effects.len() + 2 <= MAX_EFFECTS
            && let Some(ready) = self.acts.ready(now, self.live, all)
        {
            self.decide(now, ready, effects);
        }
    }

    fn decide(&mut self, now: MediaTime, ready: Ready, effects: &mut Effects) {
        let Some(top) = ready.votes.top() else { return };
        let confidence = ready.p * top.p;
        if confidence < self.settings.reject {
            return;
        }
        let mut overflowed = false;
        let outcome = match ready.change {
            change if confidence < self.settings.accept => Outcome::Unresolved { change },
            Change::Added => {
                overflowed = self.open && self.basket.add(top.item).is_err();
                Outcome::Added
            }
            Change::Removed => {
                let was_in = self.open && self.basket.remove(top.item);
                Outcome::Removed { not_in_basket: !was_in }
            }
        };
        let decision = Decision {
            outcome,
            item: top.item,
            confidence,
            moment: ready.moment,
            decided: now,
            cameras: ready.cameras,
            candidates: ready.votes.candidates(),
            in_session: self.open,
        };
        push(effects, Effect::Publish(decision));
        if overflowed {
            push(effects, Effect::BasketOverflowed(top.item));
        }
    }
}

/// The callers above keep the count below the bound: 16 questions, then at most 2 for each decision.
fn push(effects: &mut Effects, effect: Effect) {
    let pushed = effects.push(effect);
    debug_assert!(pushed.is_ok(), "MAX_EFFECTS is too small");
}
