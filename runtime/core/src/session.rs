//! The one who decides: takes facts, gives commands.

use crate::act::{Act, Acts, Change, Claim, Decision, MAX_ACTS, Outcome, Ready};
use crate::basket::Basket;
use crate::camera::{CameraId, CameraSet, MAX_CAMERAS};
use crate::evidence::{ActProbabilities, Question, QuestionId};
use crate::features::{self, Context, Window};
use crate::geometry::BBox;
use crate::phase::{Item, Scene, Suggestion};
use crate::settings::{Settings, SettingsError};
use crate::sighting::{ClassId, Detection, MAX_DETECTIONS};
use crate::time::{MediaTime, Span};
use crate::tracker::{Hand, MAX_HANDS, MAX_TRACKS, Track, TrackId, Tracker};
use crate::votes::{Candidate, Votes};
use crate::zone::Zone;

/// The most effects one step gives: every question is asked, and every act that waits is decided and finds the
/// basket full.
pub const MAX_EFFECTS: usize = MAX_QUESTIONS + 2 * MAX_ACTS;
/// The most questions that are open at once. When full, the next one is not asked: its act counts as uncertain
/// (probability halfway between `reject` and `accept`) and is counted.
pub const MAX_QUESTIONS: usize = 16;

/// Where at least this many items rest and none is seen, the camera is dark or covered: they do not all vanish at
/// one moment.
const BLIND: usize = 3;

/// What was seen this recently is there now.
const SEEN_NOW: Span = Span::from_ms(400);
/// What was found this long before an addition is not what was added.
const ESTABLISHED: Span = Span::from_ms(1000);

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

#[derive(Debug)]
struct Eye {
    zone: Zone,
    tracker: Tracker,
    stock_until: Option<MediaTime>,
}

impl Eye {
    /// How many of an item this camera counts as in the zone.
    fn count(&self, item: ClassId, which: impl Fn(&Track) -> bool) -> usize {
        let is = |t: &&Track| t.is_in() && t.votes.top().is_some_and(|top| top.item == item) && which(t);
        self.tracker.tracks().iter().filter(is).count()
    }
}

/// A change that the evidence suggests, and of what.
struct Suggested {
    track: TrackId,
    votes: Votes,
    unseen: Span,
    suggestion: Suggestion,
}

/// In how many other cameras an item is seen in the zone, out of how many.
#[derive(Default)]
struct Elsewhere {
    cameras: usize,
    items: heapless::Vec<(ClassId, u8), MAX_TRACKS>,
}

impl Elsewhere {
    fn add(&mut self, items: &[ClassId]) {
        self.cameras += 1;
        for item in items {
            match self.items.iter_mut().find(|(i, _)| i == item) {
                Some((_, cameras)) => *cameras += 1,
                // Full: of more different items than one camera follows, the rest counts as not seen elsewhere.
                None => _ = self.items.push((*item, 1)),
            }
        }
    }

    /// Share of the other cameras that see it.
    fn of(&self, item: ClassId) -> f32 {
        let cameras = self.items.iter().find(|(i, _)| *i == item).map_or(0, |(_, cameras)| *cameras);
        f32::from(cameras) / self.cameras.max(1) as f32
    }
}

#[derive(Clone, Debug)]
struct OpenQuestion {
    id: QuestionId,
    /// The act if the answer says so; its probability is filled in then.
    act: Act,
}

/// A cart's state of mind. About 800 KiB: keep it boxed.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    eyes: heapless::Vec<Eye, MAX_CAMERAS>,
    live: CameraSet,
    /// When the open session started.
    open: Option<MediaTime>,
    /// The latest `now` so far.
    latest: MediaTime,
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
            open: None,
            latest: MediaTime::ZERO,
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
        self.open.is_some()
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
        self.latest = self.latest.max(now);
        match input {
            Input::Detected { camera, detections } => self.see(now, camera, detections, effects),
            Input::Classified { question, answer } => self.answered(question, answer),
            Input::CameraLost { camera } => self.live.remove(camera),
            Input::Tick => {}
            Input::SessionStarted => {
                self.decide_ready(true, effects);
                self.open = Some(now);
                self.basket.clear();
                for eye in &mut self.eyes {
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
        self.decide_ready(false, effects);
        self.acts.forget(self.latest, &self.settings);
    }

    fn see(&mut self, now: MediaTime, camera: CameraId, seen: &[Detection], effects: &mut Effects) {
        let elsewhere = self.elsewhere(now, camera);
        let Some(eye) = self.eyes.get_mut(camera.index()) else { return };
        let sound: heapless::Vec<Detection, MAX_DETECTIONS> =
            seen.iter().filter(|d| d.is_sound()).take(MAX_DETECTIONS).copied().collect();
        self.counters.detections_refused += seen.iter().filter(|d| !d.is_sound()).count() as u64;
        if !eye.tracker.update(now, &sound, &self.settings) {
            self.counters.out_of_order += 1;
            return;
        }
        self.live.insert(camera);
        let stock_until = *eye.stock_until.get_or_insert(now + self.settings.stock);
        let items: heapless::Vec<Item, MAX_TRACKS> = eye.tracker.tracks().iter().map(Item::of).collect();
        let hands: heapless::Vec<Hand, MAX_HANDS> = eye.tracker.hands().iter().copied().collect();
        let resting = eye.tracker.tracks().iter().filter(|t| t.rests()).count();
        let scene = Scene {
            at: now,
            blind: resting >= BLIND && eye.tracker.tracks().iter().all(|t| t.last_seen != now),
            zone: &eye.zone,
            hands: &hands,
            hand_in_zone: hands.iter().any(|h| eye.zone.contains(h.bbox.centre())),
            items: &items,
            knows_hands: eye.tracker.knows_hands(),
            stock_until,
            settings: &self.settings,
        };
        let mut moved: heapless::Vec<TrackId, MAX_TRACKS> = heapless::Vec::new();
        let mut suggested: heapless::Vec<Suggested, MAX_TRACKS> = heapless::Vec::new();
        for track in eye.tracker.tracks_mut() {
            let favourite = track.votes.top();
            scene.observe(track, favourite.map_or(0.0, |top| elsewhere.of(top.item)));
            let Some(suggestion) = scene.advance(track) else { continue };
            let lost = if suggestion.change == Change::Added { scene.continues(track) } else { None };
            match lost {
                Some(lost) => _ = moved.push(lost),
                None => {
                    let unseen = now.since(track.last_seen);
                    _ = suggested.push(Suggested {
                        track: track.id,
                        votes: track.votes.clone(),
                        unseen,
                        suggestion,
                    });
                }
            }
        }
        eye.tracker.forget(&moved);
        for suggested in suggested {
            self.ask(camera, suggested, effects);
        }
    }

    fn ask(&mut self, camera: CameraId, suggested: Suggested, effects: &mut Effects) {
        let Suggested { track, votes, unseen, suggestion } = suggested;
        let Suggestion { change, moment, evidence } = suggestion;
        let context = self.context(camera, change, moment, &votes, unseen);
        let mut act = Act { camera, change, moment, p: 0.0, votes };
        if self.questions.is_full() {
            self.counters.questions_refused += 1;
            act.p = self.unsure();
            self.take_in(act);
            return;
        }
        let question = Question {
            id: QuestionId(self.next_question),
            camera,
            track,
            change,
            moment,
            item: act.votes.top().map(|top| top.item),
            evidence,
            context,
        };
        self.next_question = self.next_question.wrapping_add(1);
        _ = self.questions.push(OpenQuestion { id: question.id, act });
        push(effects, Effect::Classify(question));
    }

    /// What the whole cart knows about a suggestion.
    fn context(
        &self,
        camera: CameraId,
        change: Change,
        moment: MediaTime,
        votes: &Votes,
        unseen: Span,
    ) -> Context {
        let Some(top) = votes.top() else { return Context::default() };
        let others = || self.live.iter().filter(|c| *c != camera).filter_map(|c| self.eyes.get(c.index()));
        let most = |which: &dyn Fn(&Track) -> bool| others().map(|e| e.count(top.item, which)).max();
        Context {
            favourite: top.p,
            unseen,
            own: self.eyes.get(camera.index()).map_or(0, |e| e.count(top.item, |_| true)),
            elsewhere_now: most(&|t| self.latest.since(t.last_seen) <= SEEN_NOW),
            elsewhere_before: most(&|t| t.born + ESTABLISHED <= moment),
            others: others().count(),
            agrees: self.acts.told_by_another(camera, change, moment, votes, &self.settings),
            basket: self.basket.count(top.item),
        }
    }

    /// What the other cameras see in the zone.
    fn elsewhere(&self, now: MediaTime, camera: CameraId) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        for eye in self.live.iter().filter(|c| *c != camera).filter_map(|c| self.eyes.get(c.index())) {
            let mut here: heapless::Vec<ClassId, MAX_TRACKS> = heapless::Vec::new();
            for track in eye.tracker.tracks() {
                let now_in = track.is_in() && now.since(track.last_seen) <= SEEN_NOW;
                if let Some(top) = track.votes.top()
                    && now_in
                    && !here.contains(&top.item)
                {
                    _ = here.push(top.item);
                }
            }
            elsewhere.add(&here);
        }
        elsewhere
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
        self.eyes.get(camera.index())?.tracker.tracks().iter().find(|t| t.id == track)
    }

    fn answered(&mut self, id: QuestionId, answer: ActProbabilities) {
        let Some(at) = self.questions.iter().position(|q| q.id == id) else {
            self.counters.stray_answers += 1;
            return;
        };
        let OpenQuestion { mut act, .. } = self.questions.remove(at);
        // What is no probability (a broken model) is no certainty either way.
        let p = answer.of(act.change);
        act.p = if (0.0..=1.0).contains(&p) { p } else { self.unsure() };
        if act.p >= self.settings.reject {
            self.take_in(act);
        }
    }

    /// The probability of an act of which nobody could tell.
    fn unsure(&self) -> f32 {
        (self.settings.reject + self.settings.accept) * 0.5
    }

    fn take_in(&mut self, act: Act) {
        if !self.acts.take_in(self.latest, act, &self.settings) {
            self.counters.acts_refused += 1;
        }
    }

    fn decide_ready(&mut self, all: bool, effects: &mut Effects) {
        loop {
            let (eyes, live, latest) = (&self.eyes, self.live, self.latest);
            let objects = |claim: &Claim<'_>| contested(eyes, live, latest, claim);
            let Some(ready) = self.acts.ready(latest, live, all, objects) else { return };
            self.decide(ready, effects);
        }
    }

    fn decide(&mut self, ready: Ready, effects: &mut Effects) {
        let Some(top) = ready.votes.top() else { return };
        let confidence = ready.p * top.p;
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

/// Whether as many cameras as claim an act see the contrary: more of the item still in the zone than the claimants
/// count after a removal; as many there before as they count after an addition. An item that one camera lost sight
/// of, or found again, is neither out nor new while another one looks at it.
fn contested(eyes: &[Eye], live: CameraSet, now: MediaTime, claim: &Claim<'_>) -> bool {
    let Some(Candidate { item, .. }) = claim.votes.top() else { return false };
    let eye = |camera: CameraId| eyes.get(camera.index());
    let counted = claim.cameras.iter().filter_map(eye).map(|e| e.count(item, |_| true)).max().unwrap_or(0);
    let sees_the_contrary = |e: &&Eye| match claim.change {
        Change::Removed => e.count(item, |t| now.since(t.last_seen) <= SEEN_NOW) > counted,
        Change::Added => {
            let before = e.count(item, |t| t.born + ESTABLISHED <= claim.moment);
            before > 0 && before >= counted
        }
    };
    let silent = live.iter().filter(|c| !claim.cameras.contains(*c));
    let objectors = silent.filter_map(eye).filter(sees_the_contrary).count();
    objectors > 0 && objectors >= claim.cameras.iter().count()
}

/// [`MAX_EFFECTS`] says why there is room.
fn push(effects: &mut Effects, effect: Effect) {
    let pushed = effects.push(effect);
    debug_assert!(pushed.is_ok(), "MAX_EFFECTS is too small");
}
