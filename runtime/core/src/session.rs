//! The one who decides: takes facts, gives commands.

use crate::act::{Act, Acts, Change, Claim, Decision, MAX_ACTS, Outcome, Ready};
use crate::basket::Basket;
use crate::camera::CameraId;
use crate::doubt::{Doubt, Doubts, Verdict};
use crate::evidence::{ActProbabilities, Question, QuestionId};
use crate::eye::Eyes;
use crate::features::{self, Context, Window};
use crate::geometry::BBox;
use crate::phase::Suggestion;
use crate::settings::{Settings, SettingsError};
use crate::sighting::{ClassId, Detection, MAX_DETECTIONS};
use crate::time::{MediaTime, Span};
use crate::tracker::{MAX_TRACKS, Track, TrackId};
use crate::votes::Votes;
use crate::zone::Zone;

/// The most effects one step gives: every question is asked, and every act that waits is decided and finds the
/// basket full.
pub const MAX_EFFECTS: usize = MAX_QUESTIONS + 2 * MAX_ACTS;
/// The most questions that are open at once, and the most doubts that wait to be asked about again. When full, the
/// next one is not asked: its act keeps the last answer's probability, or counts as uncertain (halfway between
/// `reject` and `accept`), and is counted.
pub const MAX_QUESTIONS: usize = 16;

/// A fact.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// What a detector saw in one picture, captured at the step's `now`. Pictures of one camera come in order
    /// of capture; one that does not is dropped and counted.
    Detected {
        /// Whose picture.
        camera: CameraId,
        /// What was seen, highest score first. What is not sound ([`Detection::is_sound`]) is left out and
        /// counted, so that a broken detector cannot poison the tracks.
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
    /// Staff or a scanner put in or took out so many of one item.
    Adjusted {
        /// The item.
        item: ClassId,
        /// How many of it.
        count: u16,
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
    /// Detections left out because they are not sound.
    pub detections_refused: u64,
    /// Items not followed because [`MAX_TRACKS`] were.
    pub tracks_refused: u64,
    /// Questions not asked because too many were open.
    pub questions_refused: u64,
    /// Acts not decided because too many waited.
    pub acts_refused: u64,
    /// Answers to questions that are not open.
    pub stray_answers: u64,
}

/// A change that the evidence suggests, and of what.
struct Suggested {
    track: TrackId,
    votes: Votes,
    suggestion: Suggestion,
}

#[derive(Clone, Debug)]
struct OpenQuestion {
    id: QuestionId,
    doubt: Doubt,
}

/// A cart's state of mind. About 800 KiB: keep it boxed.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    eyes: Eyes,
    /// When the open session started.
    open: Option<MediaTime>,
    /// The latest `now` so far.
    latest: MediaTime,
    basket: Basket,
    acts: Acts,
    questions: heapless::Vec<OpenQuestion, MAX_QUESTIONS>,
    doubts: Doubts,
    next_question: u32,
    counters: Counters,
}

impl Session {
    /// A cart with one camera for each zone (of more than [`crate::MAX_CAMERAS`], the first ones), outside a session.
    pub fn new(settings: Settings, zones: impl IntoIterator<Item = Zone>) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            settings,
            eyes: Eyes::new(zones),
            open: None,
            latest: MediaTime::ZERO,
            basket: Basket::default(),
            acts: Acts::default(),
            questions: heapless::Vec::new(),
            doubts: Doubts::default(),
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
        self.open.is_some()
    }

    /// How many items the camera with the most of them follows.
    pub fn most_tracks(&self) -> usize {
        self.eyes.iter().map(|e| e.tracker.tracks().len()).max().unwrap_or(0)
    }

    /// Whether this camera is looked at too seldom to decide by ([`Settings::slowest`]).
    pub fn is_slow(&self, camera: CameraId) -> bool {
        self.eyes.get(camera).is_some_and(|eye| eye.pace.is_slow())
    }

    /// What went over a bound.
    pub fn counters(&self) -> Counters {
        Counters { tracks_refused: self.eyes.iter().map(|e| e.tracker.refused()).sum(), ..self.counters }
    }

    /// Takes in one fact that became known at `now`; `effects` is cleared and filled. `now` never goes back,
    /// but for pictures: they may come in a little after another camera's later ones.
    pub fn step(&mut self, now: MediaTime, input: Input<'_>, effects: &mut Effects) {
        effects.clear();
        self.latest = self.latest.max(now);
        match input {
            Input::Detected { camera, detections } => self.see(now, camera, detections, effects),
            Input::Classified { question, answer } => self.answered(question, answer),
            Input::CameraLost { camera } => {
                self.eyes.lose(camera);
                self.give_up(|doubts| doubts.of(camera));
            }
            Input::Tick => {}
            Input::SessionStarted => {
                self.decide_ready(true, effects);
                self.open = Some(now);
                self.basket.clear();
                for eye in self.eyes.iter_mut() {
                    eye.stock_until = Some(now + self.settings.stock);
                }
            }
            Input::SessionEnded => {
                self.decide_ready(true, effects);
                self.open = None;
            }
            Input::Adjusted { item, count, change } => match change {
                Change::Added => {
                    if self.basket.add(item, count).is_err() {
                        push(effects, Effect::BasketOverflowed(item));
                    }
                }
                Change::Removed => _ = self.basket.remove(item, count),
            },
        }
        self.give_up(|doubts| doubts.overdue(now));
        self.decide_ready(false, effects);
        self.acts.forget(self.latest, &self.settings);
    }

    fn see(&mut self, now: MediaTime, camera: CameraId, seen: &[Detection], effects: &mut Effects) {
        let elsewhere = self.eyes.elsewhere(now, camera);
        let Some(eye) = self.eyes.get_mut(camera) else { return };
        let sound: heapless::Vec<Detection, MAX_DETECTIONS> =
            seen.iter().filter(|d| d.is_sound()).take(MAX_DETECTIONS).copied().collect();
        self.counters.detections_refused += seen.iter().filter(|d| !d.is_sound()).count() as u64;
        if !eye.see(now, &sound, &self.settings) {
            self.counters.out_of_order += 1;
            return;
        }
        let (mut hands, mut items) = Default::default();
        let (scene, tracker) = eye.scene(now, (&mut hands, &mut items), &self.settings);
        let mut moved: heapless::Vec<TrackId, MAX_TRACKS> = heapless::Vec::new();
        let mut suggested: heapless::Vec<Suggested, MAX_TRACKS> = heapless::Vec::new();
        for track in tracker.tracks_mut() {
            let favourite = track.votes.top();
            scene.observe(track, favourite.map_or(0.0, |top| elsewhere.of(top.item)));
            let Some(suggestion) = scene.advance(track) else { continue };
            let lost = if suggestion.change == Change::Added { scene.continues(track) } else { None };
            match lost {
                Some(lost) => _ = moved.push(lost),
                None => {
                    _ = suggested.push(Suggested { track: track.id, votes: track.votes.clone(), suggestion })
                }
            }
        }
        tracker.forget(&moved);
        self.eyes.wake(camera);
        while let Some(doubt) = self.doubts.due(camera, now) {
            self.ask(doubt, effects);
        }
        for Suggested { track, votes, suggestion } in suggested {
            let Suggestion { change, moment, evidence } = suggestion;
            let act = Act { camera, change, moment, p: self.unsure(), votes };
            self.ask(Doubt::new(now, act, track, evidence, &self.settings), effects);
        }
    }

    /// Asks whether it was an act, with what is known by now.
    fn ask(&mut self, mut doubt: Doubt, effects: &mut Effects) {
        if self.questions.is_full() {
            self.counters.questions_refused += 1;
            return self.settle(doubt.over(&self.settings));
        }
        let camera = doubt.act.camera;
        let (mut unseen, mut known) = (Span::ZERO, Span::ZERO);
        if let Some(track) = self.track(camera, doubt.track) {
            (unseen, known) = (self.latest.since(track.last_seen), self.latest.since(track.born));
            doubt.evidence.hit_ratio = track.hit_ratio();
            doubt.evidence.mean_score = track.score;
            doubt.act.votes = track.votes.clone();
        }
        let id = QuestionId(self.next_question);
        self.next_question = self.next_question.wrapping_add(1);
        let question = Question {
            id,
            camera,
            track: doubt.track,
            change: doubt.act.change,
            moment: doubt.act.moment,
            item: doubt.act.votes.top().map(|top| top.item),
            evidence: doubt.evidence,
            context: Context { unseen, known, ..self.context(&doubt.act, doubt.track) },
        };
        _ = self.questions.push(OpenQuestion { id, doubt });
        push(effects, Effect::Classify(question));
    }

    /// What the whole cart knows about a possible act.
    fn context(&self, act: &Act, track: TrackId) -> Context {
        let Some(top) = act.votes.top() else { return Context::default() };
        let doubted = |change| self.doubts.acts(change).filter(|other| other.may_be_of(act));
        let near = |told: Option<Span>, doubted: &mut dyn Iterator<Item = &Act>| {
            let doubted = doubted.map(|other| other.moment.distance(act.moment)).min();
            told.into_iter().chain(doubted).min()
        };
        let (same, contrary) = (act.change, act.change.contrary());
        Context {
            favourite: top.p,
            waited: self.latest.since(act.moment),
            told: self.acts.told_by_another(act, &self.settings),
            doubted: doubted(same).any(|a| a.camera != act.camera),
            dismissed: self.doubts.dismissed_by_another(act, &self.settings),
            again: near(
                self.acts.nearest(act, same, Some(act.camera)),
                &mut doubted(same).filter(|a| a.camera == act.camera),
            ),
            contrary: near(self.acts.nearest(act, contrary, None), &mut doubted(contrary)),
            basket: self.basket.count(top.item),
            views: self.eyes.views(self.latest, (act.camera, track), top.item, act.moment),
            ..Context::default()
        }
    }

    /// The rows of a track for a temporal classifier; zeros where it is not followed any more. To be asked when its
    /// question comes, before the next step.
    pub fn window(&self, camera: CameraId, track: TrackId, out: &mut Window) {
        match self.track(camera, track) {
            Some(track) => track.glimpses.window(out),
            None => *out = [[0.0; features::ROW]; features::WINDOW],
        }
    }

    /// When and where a track was seen lately, oldest first: what tells which thing a question was about.
    pub fn sightings(
        &self,
        camera: CameraId,
        track: TrackId,
    ) -> impl Iterator<Item = (MediaTime, BBox)> + '_ {
        self.track(camera, track).into_iter().flat_map(|t| t.glimpses.sightings())
    }

    fn track(&self, camera: CameraId, track: TrackId) -> Option<&Track> {
        self.eyes.get(camera)?.tracker.tracks().iter().find(|t| t.id == track)
    }

    fn answered(&mut self, id: QuestionId, answer: ActProbabilities) {
        let Some(at) = self.questions.iter().position(|q| q.id == id) else {
            self.counters.stray_answers += 1;
            return;
        };
        let OpenQuestion { doubt, .. } = self.questions.remove(at);
        // What is no probability (a broken model) is no certainty either way.
        let p = answer.of(doubt.act.change);
        let p = if (0.0..=1.0).contains(&p) { p } else { self.unsure() };
        let held = doubt.act.change == Change::Removed && self.eyes.hand_in_zone(self.latest);
        let verdict = doubt.answered(self.latest, p, held, &self.settings);
        self.settle(verdict);
    }

    fn settle(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Act(act) => self.take_in(act),
            Verdict::Nothing(act) => self.doubts.dismiss(act),
            Verdict::Wait(doubt) => {
                if let Some(doubt) = self.doubts.keep(doubt) {
                    self.counters.questions_refused += 1;
                    self.settle(doubt.over(&self.settings));
                }
            }
        }
    }

    /// Decides these doubts by the answers that they have.
    fn give_up(&mut self, which: impl Fn(&mut Doubts) -> Option<Doubt>) {
        while let Some(doubt) = which(&mut self.doubts) {
            self.settle(doubt.over(&self.settings));
        }
    }

    /// The probability of an act of which nobody could tell.
    fn unsure(&self) -> f32 {
        (self.settings.reject + self.settings.accept) * 0.5
    }

    fn take_in(&mut self, act: Act) {
        let counted = act.votes.top().map_or(0, |top| self.eyes.counted(act.camera, top.item));
        if !self.acts.take_in(self.latest, act, counted, &self.settings) {
            self.counters.acts_refused += 1;
        }
    }

    fn decide_ready(&mut self, all: bool, effects: &mut Effects) {
        if all {
            self.give_up(Doubts::any);
        }
        loop {
            let (eyes, latest) = (&self.eyes, self.latest);
            let objects = |claim: &Claim<'_>| eyes.contest(latest, claim);
            let Some(ready) = self.acts.ready(latest, eyes.live(), all, objects) else { return };
            self.decide(ready, effects);
        }
    }

    fn decide(&mut self, ready: Ready, effects: &mut Effects) {
        let Some(top) = ready.votes.top() else { return };
        let mut confidence = ready.p * top.p;
        if self.eyes.too_slow(ready.cameras, ready.moment) {
            confidence = confidence.min(self.unsure());
        }
        if confidence < self.settings.reject {
            return;
        }
        let in_session = self.open.is_some_and(|start| ready.moment >= start);
        let mut overflowed = false;
        let outcome = match ready.change {
            change if confidence < self.settings.accept => Outcome::Unresolved { change },
            Change::Added => {
                overflowed = in_session && self.basket.add(top.item, 1).is_err();
                Outcome::Added
            }
            Change::Removed => {
                let was_in = in_session && self.basket.remove(top.item, 1);
                Outcome::Removed { not_in_basket: !was_in }
            }
        };
        let decision = Decision {
            outcome,
            item: top.item,
            confidence,
            moment: ready.moment,
            decided: self.latest,
            cameras: ready.cameras,
            candidates: ready.votes.candidates(),
            in_session,
        };
        push(effects, Effect::Publish(decision));
        if overflowed {
            push(effects, Effect::BasketOverflowed(top.item));
        }
    }
}

/// [`MAX_EFFECTS`] says why there is room.
fn push(effects: &mut Effects, effect: Effect) {
    let pushed = effects.push(effect);
    debug_assert!(pushed.is_ok(), "MAX_EFFECTS is too small");
}
