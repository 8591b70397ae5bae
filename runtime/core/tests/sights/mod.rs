//! What a session makes of detections that a test writes down itself, picture by picture.

use cartvision_core::{
    ActProbabilities, BBox, CameraId, ClassId, Decision, Detection, Effect, Effects, Input, MediaTime, Point,
    Question, Role, Session, Settings, Zone,
};

/// Ten pictures a second.
pub const PICTURE_MS: u64 = 100;
/// So many of them.
const PICTURES: u64 = 100;

fn seen(class: u16, role: Role, (x, y): (f32, f32)) -> Detection {
    let bbox = BBox { x0: x - 0.06, y0: y - 0.08, x1: x + 0.06, y1: y + 0.08 };
    Detection { class: ClassId(class), role, score: 0.9, bbox }
}

/// An item whose centre is there.
pub fn item(class: u16, place: (f32, f32)) -> Detection {
    seen(class, Role::Item, place)
}

/// A hand whose centre is there.
pub fn hand(place: (f32, f32)) -> Detection {
    seen(99, Role::Hand, place)
}

/// What is decided when the cameras `see` this (camera, picture), and questions are answered like that (asked when).
pub fn decided(
    cameras: usize,
    see: impl Fn(usize, u64) -> Vec<Detection>,
    answer: impl FnMut(&Question, MediaTime) -> ActProbabilities,
) -> Vec<Decision> {
    decided_with(Settings::default(), &vec![1; cameras], see, answer)
}

/// The same with other settings, and cameras of which one picture in so many is looked at.
pub fn decided_with(
    settings: Settings,
    one_in: &[u64],
    see: impl Fn(usize, u64) -> Vec<Detection>,
    mut answer: impl FnMut(&Question, MediaTime) -> ActProbabilities,
) -> Vec<Decision> {
    let square = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)].map(|(x, y)| Point { x, y });
    let zones = one_in.iter().map(|_| Zone::new(&square).unwrap());
    let mut session = Box::new(Session::new(settings, zones).unwrap());
    let mut effects = Effects::new();
    let mut decisions = vec![];
    let mut take = |session: &mut Session, at: MediaTime, input: Input<'_>| {
        session.step(at, input, &mut effects);
        let mut open = vec![];
        for effect in &effects {
            match effect {
                Effect::Classify(question) => open.push(*question),
                Effect::Publish(decision) => decisions.push(decision.clone()),
                Effect::BasketOverflowed(_) => {}
            }
        }
        open
    };
    take(&mut session, MediaTime::ZERO, Input::SessionStarted);
    for picture in 0..PICTURES {
        let at = MediaTime::from_ms(picture * PICTURE_MS);
        for index in (0..one_in.len()).filter(|n| picture % one_in[*n] == 0) {
            let detections = see(index, picture);
            let camera = CameraId::new(index).unwrap();
            let mut open = take(&mut session, at, Input::Detected { camera, detections: &detections });
            while let Some(question) = open.pop() {
                let answer = answer(&question, at);
                open.extend(take(&mut session, at, Input::Classified { question: question.id, answer }));
            }
        }
    }
    decisions
}
