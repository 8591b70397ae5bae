//! Every bound of the core: what happens when the place is full, and which counter tells.
#![allow(clippy::unwrap_used, missing_docs)]

use cartvision_core::{
    ActProbabilities, BBox, CameraId, Change, ClassId, Counters, Detection, Effect, Effects, Input,
    MAX_DETECTIONS, MAX_EFFECTS, MAX_LINES, MAX_QUESTIONS, MAX_TRACKS, MediaTime, Outcome, QuestionId, Role,
    Session, Settings, Zone,
};

const CAMERA: usize = 0;

struct Cart {
    core: Box<Session>,
    effects: Effects,
    now: u64,
}

impl Cart {
    fn new(settings: Settings) -> Self {
        let core = Box::new(Session::new(settings, [Zone::whole()]).unwrap());
        Self { core, effects: Effects::new(), now: 10_000 }
    }

    fn step(&mut self, input: Input<'_>) -> Vec<Effect> {
        self.core.step(MediaTime::from_ms(self.now), input, &mut self.effects);
        self.effects.to_vec()
    }

    fn see(&mut self, detections: &[Detection]) -> Vec<Effect> {
        self.now += 100;
        self.step(Input::Detected { camera: CameraId::new(CAMERA).unwrap(), detections })
    }

    /// Pictures of nothing until what is seen later is no stock.
    fn after_stock(&mut self) {
        for _ in 0..15 {
            assert_eq!(self.see(&[]), []);
        }
    }

    fn counters(&self) -> Counters {
        self.core.counters()
    }
}

/// Many small items that do not touch.
fn grid(n: usize) -> Vec<Detection> {
    (0..n)
        .map(|i| {
            let (x, y) = ((i % 10) as f32 * 0.1, (i / 10) as f32 * 0.1);
            let bbox = BBox { x0: x + 0.01, y0: y + 0.01, x1: x + 0.06, y1: y + 0.06 };
            Detection { class: ClassId(i as u16), role: Role::Item, score: 0.9, bbox }
        })
        .collect()
}

fn questions(effects: &[Effect]) -> Vec<QuestionId> {
    effects.iter().filter_map(|e| if let Effect::Classify(q) = e { Some(q.id) } else { None }).collect()
}

fn published(effects: &[Effect]) -> Vec<Outcome> {
    effects.iter().filter_map(|e| if let Effect::Publish(d) = e { Some(d.outcome) } else { None }).collect()
}

const SURE: ActProbabilities = ActProbabilities { none: 0.0, added: 1.0, removed: 0.0 };

#[test]
fn detections_beyond_the_bound_are_not_looked_at() {
    let mut cart = Cart::new(Settings::default());
    cart.see(&grid(MAX_DETECTIONS + 20));
    assert_eq!(cart.core.most_tracks(), MAX_TRACKS);
    assert_eq!(cart.counters().tracks_refused, (MAX_DETECTIONS - MAX_TRACKS) as u64);
}

#[test]
fn tracks_when_full_refuse_the_newcomer_and_keep_the_old() {
    let mut cart = Cart::new(Settings::default());
    cart.see(&grid(MAX_TRACKS));
    assert_eq!(cart.counters().tracks_refused, 0);
    cart.see(&grid(MAX_TRACKS + 1));
    assert_eq!(cart.counters().tracks_refused, 1);
    assert_eq!(cart.core.most_tracks(), MAX_TRACKS);
    // Once the others are forgotten there is room again.
    for _ in 0..30 {
        cart.see(&grid(MAX_TRACKS + 1)[MAX_TRACKS..]);
    }
    assert_eq!(cart.core.most_tracks(), 1);
}

#[test]
fn questions_when_full_are_not_asked_and_their_acts_are_unresolved() {
    let mut cart = Cart::new(Settings::default());
    cart.after_stock();
    let extra = 5;
    let (mut asked, mut told) = (vec![], vec![]);
    for _ in 0..20 {
        let effects = cart.see(&grid(MAX_QUESTIONS + extra));
        asked.extend(questions(&effects));
        told.extend(published(&effects));
    }
    assert_eq!(asked.len(), MAX_QUESTIONS);
    assert_eq!(cart.counters().questions_refused, extra as u64);
    assert_eq!(told, vec![Outcome::Unresolved { change: Change::Added }; extra]);
    // An answer makes room.
    cart.step(Input::Classified { question: asked[0], answer: SURE });
    let mut later = grid(MAX_QUESTIONS + extra + 1);
    for _ in 0..20 {
        asked.extend(questions(&cart.see(&later)));
    }
    assert_eq!(asked.len(), MAX_QUESTIONS + 1);
    assert_eq!(cart.counters().stray_answers, 0);
    later.clear();
    cart.step(Input::Classified { question: asked[0], answer: SURE });
    assert_eq!(cart.counters().stray_answers, 1, "it was answered before");
}

/// More acts at one moment than can wait: the last ones are not decided, and counted. Every effect fits.
#[test]
fn acts_when_full_refuse_the_newcomer() {
    // With equal thresholds what nobody was asked about is published as sure.
    let settings = Settings { accept: 0.5, reject: 0.5, ..Settings::default() };
    let mut cart = Cart::new(settings);
    cart.after_stock();
    let mut told = 0;
    for _ in 0..30 {
        let effects = cart.see(&grid(MAX_TRACKS));
        assert!(effects.len() <= MAX_EFFECTS);
        told += published(&effects).len();
    }
    let refused = cart.counters();
    assert_eq!(refused.questions_refused, (MAX_TRACKS - MAX_QUESTIONS) as u64);
    assert!(refused.acts_refused > 0);
    assert_eq!(told as u64 + refused.acts_refused, refused.questions_refused);
}

#[test]
fn a_full_basket_overflows_aloud() {
    let mut cart = Cart::new(Settings::default());
    cart.step(Input::SessionStarted);
    for i in 0..MAX_LINES as u16 {
        assert_eq!(
            cart.step(Input::Adjusted { item: ClassId(1000 + i), count: 1, change: Change::Added }),
            []
        );
    }
    let one_more = Input::Adjusted { item: ClassId(1), count: 1, change: Change::Added };
    assert_eq!(cart.step(one_more), [Effect::BasketOverflowed(ClassId(1))]);
    // One more of what it holds is fine, up to 65,535.
    for _ in 1..u16::MAX {
        assert_eq!(cart.step(Input::Adjusted { item: ClassId(1000), count: 1, change: Change::Added }), []);
    }
    let item = ClassId(1000);
    assert_eq!(
        cart.step(Input::Adjusted { item, count: 1, change: Change::Added }),
        [Effect::BasketOverflowed(item)]
    );
    assert_eq!(cart.core.basket().count(item), u16::MAX);

    // A decision is published all the same.
    cart.after_stock();
    let mut asked = vec![];
    for _ in 0..20 {
        asked.extend(questions(&cart.see(&grid(1))));
    }
    let effects = cart.step(Input::Classified { question: asked[0], answer: SURE });
    assert_eq!(published(&effects), [Outcome::Added]);
    assert_eq!(effects[1..], [Effect::BasketOverflowed(ClassId(0))]);
}

#[test]
fn cameras_beyond_the_zones_are_not_looked_at() {
    let mut cart = Cart::new(Settings::default());
    let camera = CameraId::new(3).unwrap();
    assert_eq!(cart.step(Input::Detected { camera, detections: &grid(3) }), []);
    assert_eq!(cart.core.most_tracks(), 0);
}

#[test]
fn late_pictures_are_dropped_and_counted() {
    let mut cart = Cart::new(Settings::default());
    cart.see(&grid(1));
    let detections = grid(2);
    let camera = CameraId::new(CAMERA).unwrap();
    cart.step(Input::Detected { camera, detections: &detections });
    assert_eq!(cart.counters().out_of_order, 1, "the same moment again");
    assert_eq!(cart.core.most_tracks(), 1);
}

#[test]
fn answers_that_are_no_probabilities_are_doubts() {
    for p in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.1, 1.1] {
        let mut cart = Cart::new(Settings::default());
        cart.after_stock();
        let mut asked = vec![];
        for _ in 0..20 {
            asked.extend(questions(&cart.see(&grid(1))));
        }
        let answer = ActProbabilities { none: p, added: p, removed: p };
        let told = published(&cart.step(Input::Classified { question: asked[0], answer }));
        assert_eq!(told, [Outcome::Unresolved { change: Change::Added }], "{p}");
    }
}
