//! What rests in the basket, and on what: a field of heights instead of a physics engine. Things come to rest where
//! something carries them; what nothing carries evenly rolls or slides to where something does.

use glam::{Mat3, Vec2, Vec3};

use crate::dice::Dice;
use crate::form::Shape;
use crate::raster::Placement;

/// Inside of the basket, metres: along x, along y, and its depth.
pub(crate) const LENGTH: f32 = 0.54;
pub(crate) const WIDTH: f32 = 0.42;
pub(crate) const DEPTH: f32 = 0.30;

const CELL: f32 = 0.01;
const COLUMNS: usize = 54;
const ROWS: usize = 42;
/// Heights this close carry together, metres.
const LEVEL: f32 = 0.012;

/// How a thing lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pose {
    /// Middle of its footprint.
    pub(crate) at: Vec2,
    /// Its lowest point above the basket's floor, metres.
    pub(crate) height: f32,
    /// Radians about the upright.
    pub(crate) yaw: f32,
    /// On its back or side, turned by `roll` about its own long axis.
    pub(crate) lying: bool,
    pub(crate) roll: f32,
}

/// What a thing takes up in a pose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bulk {
    /// Half its footprint's sides, along and across its yaw.
    half: Vec2,
    pub(crate) tall: f32,
    /// Its footprint is an ellipse, or its top a cylinder's along the first axis.
    ellipse: bool,
    arched: bool,
}

/// A thing's shape and size, as far as resting goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) shape: Shape,
    /// Depth, width, height, metres.
    pub(crate) size: Vec3,
}

impl Block {
    pub(crate) fn bulk(&self, pose: &Pose) -> Bulk {
        let Vec3 { x, y, z } = self.size;
        let round = matches!(self.shape, Shape::Bottle | Shape::Can | Shape::Jar);
        if !pose.lying {
            let half = Vec2::new(x, y) * 0.5;
            let ellipse = round || self.shape == Shape::Produce;
            return Bulk { half, tall: z, ellipse, arched: self.shape == Shape::Produce };
        }
        // Turned by a quarter about its long axis, a box lies on its narrow side.
        let on_edge = !round && libm::sinf(pose.roll).abs() > 0.7;
        let (across, tall) = if on_edge { (x, y) } else { (y, x) };
        Bulk { half: Vec2::new(z, across) * 0.5, tall, ellipse: self.shape == Shape::Produce, arched: round }
    }

    /// Where its body's mesh goes.
    pub(crate) fn placement(&self, pose: &Pose) -> Placement {
        let upright = Mat3::from_rotation_z(pose.yaw);
        let rotation = if pose.lying {
            upright * Mat3::from_rotation_y(-std::f32::consts::FRAC_PI_2) * Mat3::from_rotation_z(pose.roll)
        } else {
            upright
        };
        let tall = self.bulk(pose).tall;
        let middle = Vec3::new(pose.at.x, pose.at.y, pose.height - DEPTH + tall * 0.5);
        self.placed(rotation, middle)
    }

    /// The mesh stands on its own z = 0; bodies here are known by their middles.
    pub(crate) fn placed(&self, rotation: Mat3, middle: Vec3) -> Placement {
        Placement { rotation, position: middle - rotation * Vec3::new(0.0, 0.0, self.size.z * 0.5) }
    }
}

impl Pose {
    /// The thing's middle.
    pub(crate) fn middle(&self, block: &Block) -> Vec3 {
        Vec3::new(self.at.x, self.at.y, self.height - DEPTH + block.bulk(self).tall * 0.5)
    }
}

/// Heights over the basket's floor.
#[derive(Clone, Debug)]
pub(crate) struct Pile {
    tops: Vec<f32>,
}

/// How a thing would be carried at a place.
#[derive(Clone, Copy, Debug)]
struct Carried {
    height: f32,
    /// Share of its footprint that something carries.
    share: f32,
    /// How far the middle of what carries it is from its own, in half-sides.
    off: f32,
}

impl Pile {
    /// What these things make.
    pub(crate) fn of<'a>(things: impl IntoIterator<Item = (&'a Block, &'a Pose)>) -> Self {
        let mut pile = Self { tops: vec![0.0; COLUMNS * ROWS] };
        for (block, pose) in things {
            pile.add(block, pose);
        }
        pile
    }

    fn add(&mut self, block: &Block, pose: &Pose) {
        let bulk = block.bulk(pose);
        let tops = &mut self.tops;
        cells(&bulk, pose.at, pose.yaw, |i, local| {
            let dome = if bulk.arched {
                let far = if bulk.ellipse { local.length_squared() } else { local.y * local.y };
                libm::sqrtf((1.0 - far).max(0.0)) * 0.5 + 0.5
            } else {
                1.0
            };
            tops[i] = tops[i].max(pose.height + bulk.tall * dome);
        });
    }

    fn carried(&self, bulk: &Bulk, at: Vec2, yaw: f32) -> Carried {
        let mut height = 0.0_f32;
        cells(bulk, at, yaw, |i, local| {
            // What is arched touches with its middle.
            let lift =
                if bulk.arched && !bulk.ellipse { (local.y * local.y) * bulk.tall * 0.25 } else { 0.0 };
            height = height.max(self.tops[i] - lift);
        });
        let (mut all, mut carrying, mut sum) = (0, 0, Vec2::ZERO);
        cells(bulk, at, yaw, |i, local| {
            all += 1;
            if self.tops[i] > height - LEVEL {
                carrying += 1;
                sum += local;
            }
        });
        let off = if carrying == 0 { 0.0 } else { (sum / carrying as f32).length() };
        Carried { height, share: carrying as f32 / all.max(1) as f32, off }
    }

    /// Whether a footprint lies within the basket.
    fn fits(bulk: &Bulk, at: Vec2, yaw: f32) -> bool {
        let (sin, cos) = (libm::sinf(yaw).abs(), libm::cosf(yaw).abs());
        let reach = Vec2::new(bulk.half.x * cos + bulk.half.y * sin, bulk.half.x * sin + bulk.half.y * cos);
        at.x.abs() + reach.x < LENGTH * 0.5 - 0.008 && at.y.abs() + reach.y < WIDTH * 0.5 - 0.008
    }

    /// A place where the thing can come to rest, low rather than high; `near` keeps it close to a place. `None` when
    /// the basket is too full for it.
    pub(crate) fn place(&self, block: &Block, dice: &mut Dice, near: Option<(Vec2, f32)>) -> Option<Pose> {
        let mut best: Option<(f32, Pose)> = None;
        for _ in 0..48 {
            let stands = block.shape.stands() && dice.chance(0.6);
            let lying = block.shape != Shape::Produce && !stands;
            let round = matches!(block.shape, Shape::Bottle | Shape::Can | Shape::Jar);
            let roll = match (lying, round) {
                (false, _) => 0.0,
                (true, true) => dice.between(0.0, crate::mesh::TURN),
                (true, false) => {
                    [0.0, 0.25, 0.5, 0.75][dice.weighted(&[3.0, 1.0, 3.0, 1.0])] * crate::mesh::TURN
                }
            };
            // Pouches do not balance on an edge.
            let roll = if block.shape == Shape::Pouch && libm::sinf(roll).abs() > 0.7 { 0.0 } else { roll };
            let mut pose =
                Pose { at: Vec2::ZERO, height: 0.0, yaw: dice.between(0.0, crate::mesh::TURN), lying, roll };
            pose.at = match near {
                Some((middle, spread)) => middle + dice.vec2(spread),
                None => Vec2::new(dice.between(-0.5, 0.5) * LENGTH, dice.between(-0.5, 0.5) * WIDTH),
            };
            if let Some(pose) = self.settled(block, pose) {
                let cost = pose.height + 0.03 * dice.share();
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, pose));
                }
            }
        }
        best.map(|(_, pose)| pose)
    }

    /// The pose with its height, if the thing fits there, is carried evenly and does not stand out of the basket.
    pub(crate) fn settled(&self, block: &Block, pose: Pose) -> Option<Pose> {
        let bulk = block.bulk(&pose);
        if !Self::fits(&bulk, pose.at, pose.yaw) {
            return None;
        }
        let carried = self.carried(&bulk, pose.at, pose.yaw);
        let even = carried.share > 0.3 && carried.off < 0.35;
        let low = carried.height + bulk.tall < DEPTH + 0.06;
        (even && low).then_some(Pose { height: carried.height, ..pose })
    }
}

/// Whether `upper` rests on `lower`.
pub(crate) fn rests_on(upper: (&Block, &Pose), lower: (&Block, &Pose)) -> bool {
    let (above, below) = (upper.0.bulk(upper.1), lower.0.bulk(lower.1));
    let top = lower.1.height + below.tall;
    if upper.1.height < lower.1.height + LEVEL || upper.1.height > top + 0.02 {
        return false;
    }
    let mut under = vec![false; COLUMNS * ROWS];
    cells(&below, lower.1.at, lower.1.yaw, |i, _| under[i] = true);
    let mut touches = false;
    cells(&above, upper.1.at, upper.1.yaw, |i, _| touches |= under[i]);
    touches
}

/// Every cell of a footprint, with its place in the footprint (−1 to 1 along and across).
fn cells(bulk: &Bulk, at: Vec2, yaw: f32, mut each: impl FnMut(usize, Vec2)) {
    let (sin, cos) = (libm::sinf(yaw), libm::cosf(yaw));
    let reach = bulk.half.length();
    let column = |x: f32| ((x / LENGTH + 0.5) * COLUMNS as f32).clamp(0.0, COLUMNS as f32) as usize;
    let row = |y: f32| ((y / WIDTH + 0.5) * ROWS as f32).clamp(0.0, ROWS as f32) as usize;
    for j in row(at.y - reach)..(row(at.y + reach) + 1).min(ROWS) {
        for i in column(at.x - reach)..(column(at.x + reach) + 1).min(COLUMNS) {
            let cell =
                Vec2::new((i as f32 + 0.5) * CELL - LENGTH * 0.5, (j as f32 + 0.5) * CELL - WIDTH * 0.5) - at;
            let local = Vec2::new(cell.x * cos + cell.y * sin, cell.y * cos - cell.x * sin) / bulk.half;
            let inside =
                if bulk.ellipse { local.length_squared() <= 1.0 } else { local.abs().max_element() <= 1.0 };
            if inside {
                each(j * COLUMNS + i, local);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIN: Block = Block { shape: Shape::Can, size: Vec3::new(0.075, 0.075, 0.11) };
    const CARTON: Block = Block { shape: Shape::Box, size: Vec3::new(0.05, 0.16, 0.22) };

    fn standing(at: Vec2) -> Pose {
        Pose { at, height: 0.0, yaw: 0.0, lying: false, roll: 0.0 }
    }

    #[test]
    fn things_stand_on_the_floor_or_on_each_other_and_not_in_the_air() {
        let floor = Pile::of([]);
        let flat = Pose { lying: true, ..standing(Vec2::ZERO) };
        let below = floor.settled(&CARTON, flat).unwrap();
        assert_eq!(below.height, 0.0);
        let pile = Pile::of([(&CARTON, &below)]);
        let above = pile.settled(&TIN, standing(Vec2::ZERO)).unwrap();
        assert!((above.height - 0.05).abs() < 1e-6);
        assert!(rests_on((&TIN, &above), (&CARTON, &below)));
        assert!(!rests_on((&CARTON, &below), (&TIN, &above)));
        // Half over the edge: nothing carries it evenly.
        assert_eq!(pile.settled(&TIN, standing(Vec2::new(0.12, 0.0))), None);
        assert_eq!(floor.settled(&TIN, standing(Vec2::new(0.25, 0.0))), None, "through the wall");
    }

    #[test]
    fn placing_by_chance_never_breaks_the_rules() {
        for seed in 0..40 {
            let mut dice = Dice::new(seed, "pile", 0);
            let mut things: Vec<(Block, Pose)> = Vec::new();
            for n in 0..14 {
                let block = if n % 2 == 0 { TIN } else { CARTON };
                let pile = Pile::of(things.iter().map(|(b, p)| (b, p)));
                let Some(pose) = pile.place(&block, &mut dice, None) else { continue };
                let bulk = block.bulk(&pose);
                assert!(Pile::fits(&bulk, pose.at, pose.yaw));
                assert!(pose.height >= 0.0 && pose.height + bulk.tall < DEPTH + 0.06, "seed {seed}");
                things.push((block, pose));
            }
            assert!(things.len() > 5, "seed {seed}: {}", things.len());
        }
    }
}
