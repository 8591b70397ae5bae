//! What one camera lost sight of is not gone while another one looks at it, or while a hand may still hold it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod sights;

use cartvision_core::{Decision, Outcome, analytic};

/// Where an item's or a hand's centre is in a picture, if it is seen.
type Sight = Option<(f32, f32)>;

/// What is decided when the cameras see this. `see` gives the item and the hand.
fn decided(cameras: usize, see: impl Fn(usize, u64) -> (Sight, Sight)) -> Vec<Decision> {
    let see = |camera, picture| {
        let (item, hand) = see(camera, picture);
        item.map(|place| sights::item(7, place)).into_iter().chain(hand.map(sights::hand)).collect()
    };
    sights::decided(cameras, see, |question, _| analytic::classify(question))
}

/// From `from` to `to` between two pictures, standing before and after.
fn between(picture: u64, (start, end): (u64, u64), from: (f32, f32), to: (f32, f32)) -> (f32, f32) {
    let share = (picture.clamp(start, end) - start) as f32 / (end - start) as f32;
    (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
}

const HERE: (f32, f32) = (0.4, 0.5);
const THERE: (f32, f32) = (0.6, 0.4);
const OUTSIDE: (f32, f32) = (0.4, -0.1);

/// Lifted from 3.0 s to 4.0 s and laid elsewhere.
fn moved(picture: u64) -> (f32, f32) {
    between(picture, (30, 40), HERE, THERE)
}

/// The same, towards the zone's edge, where it is lost for good.
fn lost(picture: u64) -> Sight {
    (picture < 33).then(|| between(picture, (30, 33), HERE, (0.4, 0.2)))
}

#[test]
fn a_camera_that_sees_the_item_objects_to_its_removal() {
    // Alone it is believed; that is what the other one is for.
    let alone = decided(1, |_, picture| (lost(picture), None));
    assert_eq!(alone.len(), 1, "{alone:?}");
    let both =
        decided(2, |camera, picture| (if camera == 0 { lost(picture) } else { Some(moved(picture)) }, None));
    assert_eq!(both, [], "the other camera saw where it was laid");
}

#[test]
fn a_camera_that_loses_it_later_agrees() {
    let taken = |picture: u64| (picture < 36).then(|| between(picture, (30, 36), HERE, OUTSIDE));
    let both = decided(2, |camera, picture| (if camera == 0 { lost(picture) } else { taken(picture) }, None));
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(matches!(both[0].outcome, Outcome::Removed { .. }));
    assert_eq!(both[0].cameras.iter().count(), 2);
}

#[test]
fn an_item_that_is_found_again_is_not_new_while_another_camera_knows_it() {
    // One camera finds it anew at 5.0 s, far from where it was lost.
    let both = decided(2, |camera, picture| {
        let first = if picture >= 50 { Some(THERE) } else { lost(picture) };
        (if camera == 0 { first } else { Some(moved(picture)) }, None)
    });
    assert_eq!(both, []);
}

#[test]
fn an_item_that_is_lost_under_a_hand_waits_for_the_hand() {
    // Covered by the hand while it is moved, and seen again where the hand lets go.
    let hand = |picture: u64| (28..46).contains(&picture).then(|| moved(picture));
    let item = |picture: u64| if (33..43).contains(&picture) { None } else { Some(moved(picture)) };
    let decisions = decided(1, |_, picture| (item(picture), hand(picture)));
    assert_eq!(decisions, [], "it was moved within the basket");
    // The hand takes it away under itself.
    let away = |picture: u64| between(picture, (30, 36), HERE, OUTSIDE);
    let decisions = decided(1, |_, picture| {
        ((picture < 32).then(|| away(picture)), (28..37).contains(&picture).then(|| away(picture)))
    });
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    assert!(matches!(decisions[0].outcome, Outcome::Removed { .. } | Outcome::Unresolved { .. }));
}
