//! Whatever comes in: no panic, no bound passed, no impossible decision, and the same again the next time.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{HashMap, HashSet};

use cartvision_core::{
    ActProbabilities, BBox, CameraId, Change, ClassId, Decision, Detection, Effect, Effects, Input,
    MAX_LINES, MediaTime, Outcome, QuestionId, Role, Session, Settings, TrackId, Zone, analytic,
};
use proptest::{prelude::*, test_runner::RngSeed};

/// An input that owns what it holds.
#[derive(Clone, Debug)]
enum Fact {
    Detected(CameraId, Vec<Detection>),
    Classified(QuestionId, ActProbabilities),
    Lost(CameraId),
    Tick,
    Started,
    Ended,
    Adjusted(ClassId, Change),
}

impl Fact {
    fn input(&self) -> Input<'_> {
        match self {
            Self::Detected(camera, detections) => Input::Detected { camera: *camera, detections },
            Self::Classified(question, answer) => Input::Classified { question: *question, answer: *answer },
            Self::Lost(camera) => Input::CameraLost { camera: *camera },
            Self::Tick => Input::Tick,
            Self::Started => Input::SessionStarted,
            Self::Ended => Input::SessionEnded,
            Self::Adjusted(item, change) => Input::Adjusted { item: *item, count: 1, change: *change },
        }
    }
}

/// Who answers the questions.
#[derive(Clone, Copy, Debug)]
enum Answers {
    Analytic,
    /// The same answer to all; it may be no probability at all.
    Always(f32),
    Nobody,
}

fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => 0.0_f32..1.0,
        1 => -1.0_f32..2.0,
        1 => any::<f32>(),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 1.0, -0.0, f32::MAX]),
    ]
}

/// Mostly boxes at a few places, so that tracks form; sometimes anything.
fn detection() -> impl Strategy<Value = Detection> {
    let place = (0..6_u8, 0.0_f32..0.02).prop_map(|(i, off)| {
        let x = f32::from(i) * 0.16 + off;
        BBox { x0: x, y0: 0.4, x1: x + 0.1, y1: 0.6 }
    });
    let anything = (any_number(), any_number(), any_number(), any_number())
        .prop_map(|(x0, y0, x1, y1)| BBox { x0, y0, x1, y1 });
    let role = prop_oneof![8 => Just(Role::Item), 2 => Just(Role::Hand), 1 => Just(Role::Ignore)];
    let score = prop_oneof![6 => 0.5_f32..1.0, 1 => any_number()];
    (0..4_u16, role, score, prop_oneof![8 => place, 2 => anything])
        .prop_map(|(class, role, score, bbox)| Detection { class: ClassId(class), role, score, bbox })
}

fn camera() -> impl Strategy<Value = CameraId> {
    // Two cameras exist.
    prop_oneof![5 => Just(0), 3 => Just(1), 1 => Just(7)].prop_map(|i| CameraId::new(i).unwrap())
}

fn fact() -> impl Strategy<Value = Fact> {
    let answer = (any_number(), any_number(), any_number())
        .prop_map(|(none, added, removed)| ActProbabilities { none, added, removed });
    let change = prop_oneof![Just(Change::Added), Just(Change::Removed)];
    prop_oneof![
        40 => (camera(), prop::collection::vec(detection(), 0..12)).prop_map(|(c, d)| Fact::Detected(c, d)),
        1 => (camera(), prop::collection::vec(detection(), 60..200)).prop_map(|(c, d)| Fact::Detected(c, d)),
        4 => (0..40_u32, answer).prop_map(|(q, a)| Fact::Classified(QuestionId(q), a)),
        1 => camera().prop_map(Fact::Lost),
        3 => Just(Fact::Tick),
        2 => Just(Fact::Started),
        1 => Just(Fact::Ended),
        2 => (0..4_u16, change).prop_map(|(i, c)| Fact::Adjusted(ClassId(i), c)),
    ]
}

/// Steps of time in milliseconds: mostly a picture's, sometimes back, sometimes far.
fn history() -> impl Strategy<Value = Vec<(i64, Fact)>> {
    let step = prop_oneof![20 => 20..400_i64, 2 => -300..0_i64, 1 => 1_000..200_000_i64, 1 => Just(i64::MAX / 2_000_000)];
    prop::collection::vec((step, fact()), 1..150)
}

fn cart() -> Box<Session> {
    let half = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)];
    let half: Vec<_> = half.iter().map(|(x, y)| cartvision_core::Point { x: *x, y: *y }).collect();
    Box::new(Session::new(Settings::default(), [Zone::whole(), Zone::new(&half).unwrap()]).unwrap())
}

/// What must hold of every step, and a book kept beside the cart.
#[derive(Default)]
struct Book {
    latest: u64,
    /// The basket as the published decisions tell it.
    basket: HashMap<ClassId, u32>,
    asked: u64,
    published: u64,
    /// Changes asked about, in order, of each track.
    tracks: HashMap<(CameraId, TrackId), Vec<(Change, MediaTime)>>,
    ids: HashSet<QuestionId>,
    open: Option<u64>,
}

impl Book {
    fn step(&mut self, cart: &mut Session, now: MediaTime, fact: &Fact, effects: &mut Effects) {
        self.latest = self.latest.max(now.ns);
        // What waits is decided before a session starts or ends.
        cart.step(now, fact.input(), effects);
        if let Fact::Adjusted(item, change) = fact {
            let held = self.basket.entry(*item).or_default();
            match change {
                Change::Added => *held += 1,
                Change::Removed => *held = held.saturating_sub(1),
            }
        }
        for effect in effects.iter() {
            match effect {
                Effect::Classify(q) => {
                    self.asked += 1;
                    assert!(self.ids.insert(q.id), "{q:?} is asked twice");
                    let e = q.evidence;
                    for share in [e.travel, e.hit_ratio, e.mean_score, e.hand.unwrap_or(0.0)] {
                        assert!((-1e-5..=1.00001).contains(&share), "{e:?}");
                    }
                    // A track that was asked about one change must turn round before it is asked about another one
                    // like it; about the same one it is asked as long as that is in doubt.
                    let changes = self.tracks.entry((q.camera, q.track)).or_default();
                    let this = (q.change, q.moment);
                    if !changes.contains(&this) {
                        assert_ne!(changes.last().map(|(change, _)| *change), Some(q.change), "{q:?}");
                        changes.push(this);
                    }
                }
                Effect::Publish(d) => self.publish(d),
                Effect::BasketOverflowed(_) => panic!("four items do not fill {MAX_LINES} lines"),
            }
        }
        match fact {
            Fact::Started => {
                self.basket.clear();
                self.open = Some(now.ns);
            }
            Fact::Ended => self.open = None,
            _ => {}
        }
        let held: HashMap<_, _> = cart.basket().lines().iter().map(|(i, n)| (*i, u32::from(*n))).collect();
        let mut told = self.basket.clone();
        told.retain(|_, n| *n > 0);
        assert_eq!(held, told, "the basket is what was published");
        assert_eq!(cart.is_open(), self.open.is_some());
    }

    fn publish(&mut self, d: &Decision) {
        self.published += 1;
        let settings = Settings::default();
        assert!((settings.reject..=1.0).contains(&d.confidence), "{d:?}");
        assert!(d.moment <= d.decided && d.decided.ns == self.latest, "{d:?}");
        assert_eq!(d.candidates[0].item, d.item);
        assert!(d.candidates.iter().map(|c| c.p).sum::<f32>() <= 1.0001, "{d:?}");
        assert!(d.cameras.iter().count() >= 1);
        let since_start = self.open.is_some_and(|start| d.moment.ns >= start);
        assert_eq!(d.in_session, since_start, "{d:?}");
        let held = self.basket.entry(d.item).or_default();
        match d.outcome {
            Outcome::Unresolved { .. } => assert!(d.confidence < settings.accept),
            Outcome::Added => *held += u32::from(d.in_session),
            Outcome::Removed { not_in_basket } => {
                assert_eq!(not_in_basket, !d.in_session || *held == 0, "{d:?}");
                *held -= u32::from(!not_in_basket);
            }
        }
    }
}

fn run(history: &[(i64, Fact)], answers: Answers) -> Vec<Effect> {
    let mut cart = cart();
    let mut effects = Effects::new();
    let mut book = Book::default();
    let mut all = vec![];
    let mut now = 1_000_000_000_u64;
    for (step, fact) in history {
        now = now.saturating_add_signed(step * 1_000_000);
        let at = MediaTime { ns: now };
        book.step(&mut cart, at, fact, &mut effects);
        let mut todo: Vec<Effect> = effects.to_vec();
        for effect in std::mem::take(&mut todo) {
            if let Effect::Classify(q) = &effect {
                let answer = match answers {
                    Answers::Analytic => analytic::classify(q),
                    Answers::Always(p) => ActProbabilities { none: 1.0 - p, added: p, removed: p },
                    Answers::Nobody => {
                        all.push(effect);
                        continue;
                    }
                };
                book.step(&mut cart, at, &Fact::Classified(q.id, answer), &mut effects);
                all.extend(effects.iter().cloned());
            }
            all.push(effect);
        }
    }
    assert!(
        book.published <= book.asked + cart.counters().questions_refused,
        "no decision without a question"
    );
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in(
        history in history(),
        answers in prop_oneof![
            Just(Answers::Analytic),
            any_number().prop_map(Answers::Always),
            Just(Answers::Nobody),
        ],
    ) {
        let first = run(&history, answers);
        // Debug text tells every bit of a finite number.
        prop_assert_eq!(format!("{first:?}"), format!("{:?}", run(&history, answers)));
    }

    /// Unsound detections among sound ones change nothing but the counter.
    #[test]
    fn unsound_detections_poison_nothing(
        at in 0..40_usize,
        bad in (any_number(), any_number(), any_number(), any_number(), any_number()),
    ) {
        let (x0, y0, x1, y1, score) = bad;
        let bad = Detection { class: ClassId(1), role: Role::Item, score, bbox: BBox { x0, y0, x1, y1 } };
        prop_assume!(!bad.is_sound());
        let good = |i: u64| {
            let x = 0.2 + (i as f32 * 0.03).min(0.4);
            Detection { class: ClassId(1), role: Role::Item, score: 0.9, bbox: BBox { x0: x, y0: 0.3, x1: x + 0.1, y1: 0.5 } }
        };
        let play = |poisoned: bool| {
            let mut cart = cart();
            let mut effects = Effects::new();
            let mut all = vec![];
            for i in 0..80 {
                let mut seen = vec![good(i)];
                if poisoned && i as usize == at {
                    seen.insert(0, bad);
                }
                let camera = CameraId::new(0).unwrap();
                let input = Input::Detected { camera, detections: &seen };
                cart.step(MediaTime::from_ms(2_000 + i * 33), input, &mut effects);
                all.extend(effects.iter().cloned());
            }
            (all, cart.counters().detections_refused)
        };
        let (clean, poisoned) = (play(false), play(true));
        prop_assert_eq!(format!("{:?}", clean.0), format!("{:?}", poisoned.0));
        prop_assert_eq!((clean.1, poisoned.1), (0, 1));
    }
}
