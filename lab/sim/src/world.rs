//! What happens, as a function of time: where every thing and hand is at any moment. Written by the director, read
//! by the renderer and by the truth; never changed by looking.

use glam::{Mat3, Vec2, Vec3};

use crate::hand::{Arms, Grasp};
use crate::pile::{Block, DEPTH, LENGTH, WIDTH};
use crate::raster::Placement;

/// How far above the rim the zone (the basket region) ends, metres.
pub(crate) const ZONE_TOP: f32 = 0.10;

/// Whether a point is in the basket region: over the opening's area and not above the zone's top.
pub(crate) fn in_zone(p: Vec3) -> bool {
    p.x.abs() < LENGTH * 0.5 && p.y.abs() < WIDTH * 0.5 && p.z < ZONE_TOP && p.z > -DEPTH - 0.05
}

/// One thing of the world: an instance of a product, or something that is not sold.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) kind: Kind,
    /// Which print of it.
    pub(crate) variant: u32,
    pub(crate) block: Block,
    /// What it does, in order of time and without gaps; before the first leg and after the last it is elsewhere.
    pub(crate) legs: Vec<Leg>,
}

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A product, by its place in the catalogue.
    Product(usize),
    /// Something that is not in the catalogue, by its place among [`crate::stranger::ALL`].
    Stranger(usize),
}

/// ```text
/// (elsewhere) ─► Carried ─► Flying ─► Sliding ─► Resting ─► Carried ─► (elsewhere)
/// ```
/// Any may be left out; a shift within the basket is Resting ─► Sliding ─► Resting.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) from: f32,
    pub(crate) to: f32,
    pub(crate) motion: Motion,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Motion {
    /// It rests.
    Resting(Placed),
    /// A hand holds it: its middle is this far from the point that the hand holds.
    Carried { hand: usize, offset: Vec3, rotation: Mat3 },
    /// Let go: falls from one place to another.
    Flying(Placed, Placed),
    /// Slides or rolls from one place to another, slowing down.
    Sliding(Placed, Placed),
}

/// A thing's middle and how it is turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) middle: Vec3,
    pub(crate) rotation: Mat3,
}

/// Where a hand is at a moment, and between moments by a smooth curve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) at: f32,
    pub(crate) point: Vec3,
    pub(crate) width: f32,
    pub(crate) over: f32,
    pub(crate) shoulder: Vec3,
    /// It comes to a halt here, rather than passing through.
    pub(crate) halt: bool,
}

/// Something that is no act: an interval and how strong it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disturbance {
    /// The cart is knocked: the cameras shake.
    Jolt { from: f32, to: f32, size: f32 },
    /// Somebody walks by, on the left (1) or right (−1).
    PasserBy { from: f32, to: f32, side: f32, shirt: [u8; 3] },
    /// The light flickers.
    Flicker { from: f32, to: f32, depth: f32 },
    /// A shadow passes over the basket.
    Shadow { from: f32, to: f32, depth: f32 },
}

impl Disturbance {
    pub(crate) fn span(&self) -> (f32, f32) {
        match *self {
            Self::Jolt { from, to, .. }
            | Self::PasserBy { from, to, .. }
            | Self::Flicker { from, to, .. }
            | Self::Shadow { from, to, .. } => (from, to),
        }
    }
}

/// All that happens.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) duration: f32,
    pub(crate) things: Vec<Thing>,
    /// The left hand's keys, then the right one's.
    pub(crate) hands: [Vec<Key>; 2],
    pub(crate) arms: Arms,
    pub(crate) disturbances: Vec<Disturbance>,
    /// When the cart rolls: from, to, metres along the aisle.
    pub(crate) rolls: Vec<(f32, f32, f32)>,
    /// Where the shopper stands over time.
    pub(crate) stands: Vec<(f32, Vec2)>,
}

/// Smooth start and end.
pub(crate) fn ease(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * t * (10.0 + t * (6.0 * t - 15.0))
}

impl Placed {
    fn towards(&self, to: &Self, share: f32) -> Self {
        // Columns blended and made square again: small turns only.
        let (a, b) = (self.rotation, to.rotation);
        let x = a.x_axis.lerp(b.x_axis, share).normalize_or(b.x_axis);
        let y = a.y_axis.lerp(b.y_axis, share);
        let y = (y - x * x.dot(y)).normalize_or(b.y_axis);
        let rotation = Mat3::from_cols(x, y, x.cross(y));
        Self { middle: self.middle.lerp(to.middle, share), rotation }
    }
}

impl World {
    /// What hand number `hand` does at `t`.
    pub(crate) fn grasp(&self, hand: usize, t: f32) -> Grasp {
        let keys = &self.hands[hand];
        let after = keys.partition_point(|k| k.at <= t);
        let (Some(a), Some(b)) =
            (keys.get(after.saturating_sub(1)), keys.get(after.min(keys.len().saturating_sub(1))))
        else {
            return Grasp { point: FAR, width: 0.05, over: 0.5, shoulder: FAR, right: hand == 1 };
        };
        let span = (b.at - a.at).max(1e-4);
        let s = ((t - a.at) / span).clamp(0.0, 1.0);
        let slope = |i: usize| {
            if keys[i].halt || i == 0 || i + 1 >= keys.len() {
                return Vec3::ZERO;
            }
            let (before, next) = (&keys[i - 1], &keys[i + 1]);
            (next.point - before.point) / (next.at - before.at).max(1e-4)
        };
        let (i, j) = (after.saturating_sub(1), after.min(keys.len() - 1));
        let (s2, s3) = (s * s, s * s * s);
        let point = a.point * (2.0 * s3 - 3.0 * s2 + 1.0)
            + slope(i) * (span * (s3 - 2.0 * s2 + s))
            + b.point * (3.0 * s2 - 2.0 * s3)
            + slope(j) * (span * (s3 - s2));
        // No hand is quite still.
        let wave = |f: f32, p: f32| libm::sinf(t * f + p + hand as f32 * 2.0);
        let tremor = Vec3::new(
            wave(7.1, 0.3) + wave(13.7, 1.9),
            wave(6.3, 2.2) + wave(15.1, 0.7),
            wave(8.3, 4.1) + wave(11.9, 3.0),
        ) * 0.0012;
        let e = ease(s);
        Grasp {
            point: point + tremor,
            width: a.width + (b.width - a.width) * e,
            over: a.over + (b.over - a.over) * e,
            shoulder: a.shoulder.lerp(b.shoulder, e),
            right: hand == 1,
        }
    }

    /// Where a thing is at `t`, and whether it moves; `None` while it is elsewhere.
    pub(crate) fn place(&self, thing: &Thing, t: f32) -> Option<(Placed, bool)> {
        let leg = leg_at(thing, t)?;
        let s = (t - leg.from) / (leg.to - leg.from).max(1e-4);
        Some(match &leg.motion {
            Motion::Resting(placed) => (*placed, false),
            Motion::Carried { hand, offset, rotation } => {
                let grasp = self.grasp(*hand, t);
                (Placed { middle: grasp.point + *offset, rotation: *rotation }, true)
            }
            Motion::Flying(a, b) => {
                let mut placed = a.towards(b, s);
                // Falls freely for the way down.
                placed.middle.z = a.middle.z + (b.middle.z - a.middle.z) * s * s;
                (placed, true)
            }
            Motion::Sliding(a, b) => (a.towards(b, 1.0 - (1.0 - s) * (1.0 - s)), true),
        })
    }

    /// How far the cart has rolled at `t`, metres.
    pub(crate) fn rolled(&self, t: f32) -> f32 {
        self.rolls.iter().map(|(from, to, far)| far * ease((t - from) / (to - from))).sum()
    }

    /// Where the shopper stands at `t`.
    pub(crate) fn stand(&self, t: f32) -> Vec2 {
        let after = self.stands.partition_point(|(at, _)| *at <= t);
        let last = self.stands.len() - 1;
        let (a, b) = (self.stands[after.saturating_sub(1)], self.stands[after.min(last)]);
        a.1.lerp(b.1, ease((t - a.0) / (b.0 - a.0).max(1e-4)))
    }
}

/// The leg that a thing is on at `t`.
pub(crate) fn leg_at(thing: &Thing, t: f32) -> Option<&Leg> {
    thing.legs.iter().find(|l| l.from <= t && t < l.to)
}

/// Nowhere near the cart.
pub(crate) const FAR: Vec3 = Vec3::new(-3.0, 0.0, 0.0);

impl Thing {
    pub(crate) fn placement(&self, placed: &Placed) -> Placement {
        self.block.placed(placed.rotation, placed.middle)
    }
}
