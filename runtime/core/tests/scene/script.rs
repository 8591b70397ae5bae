//! What happens in the scene.

use cartvision_core::Change;

use super::detector::{Lens, Noise, Rng};

/// A place in the scene.
pub type Place = (f32, f32);

/// Width and height of an item and of a hand.
const ITEM: Place = (0.10, 0.20);
const HAND: Place = (0.16, 0.26);
/// How long a hand takes to come and to go.
const REACH_S: f32 = 0.5;

/// A box that moves from place to place; it is in the scene from the first moment of its path to `until`.
#[derive(Clone, Debug)]
pub struct Thing {
    /// An item's class; `None` for a hand.
    pub item: Option<u16>,
    pub size: Place,
    /// Moments and places, in order; between them it starts and stops softly.
    pub path: Vec<(f32, Place)>,
    pub until: f32,
    /// Things with a higher layer cover those with a lower one.
    pub layer: usize,
}

impl Thing {
    /// Its centre at `t`, while it is in the scene.
    pub fn at(&self, t: f32) -> Option<Place> {
        let (first, last) = (self.path.first()?, self.path.last()?);
        if t < first.0 || t > self.until {
            return None;
        }
        let Some(leg) = self.path.windows(2).find(|leg| t < leg[1].0) else { return Some(last.1) };
        let ((t0, a), (t1, b)) = (leg[0], leg[1]);
        let share = ((t - t0) / (t1 - t0)).clamp(0.0, 1.0);
        let soft = share * share * (3.0 - 2.0 * share);
        Some((a.0 + (b.0 - a.0) * soft, a.1 + (b.1 - a.1) * soft))
    }
}

/// A change that the cart must report: what, which item, from when to when.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    pub change: Change,
    pub item: u16,
    pub start: f32,
    pub end: f32,
    /// Of a removal: whether the session's basket did not hold the item.
    pub not_in_basket: bool,
}

/// A script.
#[derive(Clone, Debug)]
pub struct Scene {
    pub things: Vec<Thing>,
    pub lenses: Vec<Lens>,
    pub noise: Noise,
    pub truth: Vec<Truth>,
    /// Whether `unresolved` events may come besides.
    pub may_doubt: bool,
    /// When the session starts and ends.
    pub session: Option<(f32, f32)>,
    pub length: f32,
    rng: Rng,
}

impl Scene {
    /// Nothing yet, in front of one camera that sees the whole basket.
    pub fn new(seed: u64) -> Self {
        Self {
            things: vec![],
            lenses: vec![Lens::default()],
            noise: Noise::default(),
            truth: vec![],
            may_doubt: false,
            session: Some((0.0, f32::MAX)),
            length: 10.0,
            rng: Rng::new(seed),
        }
    }

    /// An item that lies at `place` from the start.
    pub fn stock(&mut self, item: u16, place: Place) -> usize {
        self.item(item, place, 0.0)
    }

    fn item(&mut self, item: u16, place: Place, from: f32) -> usize {
        let layer = self.things.len();
        let thing = Thing { item: Some(item), size: ITEM, path: vec![(from, place)], until: f32::MAX, layer };
        self.things.push(thing);
        layer
    }

    /// A hand brings a new item from outside the picture to `place`; it lies there at `end`.
    pub fn bring(&mut self, item: u16, place: Place, start: f32, end: f32) -> usize {
        let from = outside(place);
        let thing = self.item(item, from, start);
        self.carry(thing, &[(start, from), (end, place)]);
        thing
    }

    /// A hand takes the item away, out of the picture.
    pub fn take(&mut self, thing: usize, start: f32, end: f32) {
        let from = self.lies_at(thing);
        self.carry(thing, &[(start, from), (end, outside(from))]);
        self.things[thing].until = end;
    }

    /// Where the item's path has led so far.
    pub fn lies_at(&self, thing: usize) -> Place {
        self.things[thing].path.last().expect("every path begins somewhere").1
    }

    /// A hand comes, moves the item along these moments and places, lets go, and leaves.
    pub fn carry(&mut self, thing: usize, legs: &[(f32, Place)]) {
        self.things[thing].path.extend_from_slice(legs);
        // The hand holds the item from below or from above and covers a part of it.
        let hold = self.rng.between(0.2, 0.4);
        let side = if legs[0].1.1 < 0.35 { -1.0 } else { 1.0 };
        let off = side * (ITEM.1 * (0.5 - hold) + HAND.1 * 0.5);
        let held = |(x, y): Place| (x + self.rng.clone().between(-0.02, 0.02), y + off);
        let mut path: Vec<_> = legs.iter().map(|(t, p)| (*t, held(*p))).collect();
        let (first, last) = (path[0], path[path.len() - 1]);
        let home = |(x, _): Place| (x, if side > 0.0 { 1.0 + HAND.1 } else { -HAND.1 });
        path.insert(0, (first.0 - REACH_S, home(first.1)));
        path.push((last.0 + REACH_S, home(last.1)));
        self.hand_along(path);
    }

    /// A hand by itself.
    pub fn hand_along(&mut self, path: Vec<(f32, Place)>) {
        let until = path.last().expect("a path has places").0;
        self.things.push(Thing { item: None, size: HAND, path, until, layer: 1000 + self.things.len() });
    }

    /// The cart must say that the item was added.
    pub fn added(&mut self, item: u16, start: f32, end: f32) {
        self.truth.push(Truth { change: Change::Added, item, start, end, not_in_basket: false });
    }

    /// The cart must say that the item was removed.
    pub fn removed(&mut self, item: u16, start: f32, end: f32, not_in_basket: bool) {
        self.truth.push(Truth { change: Change::Removed, item, start, end, not_in_basket });
    }
}

/// The place outside the picture from which an item at `place` comes: over the nearer of left and right.
fn outside((x, y): Place) -> Place {
    (if x < 0.5 { -ITEM.0 } else { 1.0 + ITEM.0 }, y)
}
