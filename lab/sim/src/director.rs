//! Writes what happens in a session: which acts, when, and every movement for them.

use glam::{Vec2, Vec3};

use crate::act::Act;
use crate::catalogue::Catalogue;
use crate::dice::Dice;
use crate::order::{Difficulty, Order, Shopper, Split, Style};
use crate::pile::{Block, Pile, Pose, rests_on};
use crate::stranger;
use crate::world::{Disturbance, Key, Kind, Leg, Motion, Placed, Thing, World};

mod acts;

/// That an act was played, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Note {
    pub(crate) act: Act,
    pub(crate) from: f32,
    pub(crate) to: f32,
}

/// A thing that rests, and how.
#[derive(Clone, Copy, Debug)]
struct Resting {
    thing: usize,
    pose: Pose,
}

/// One who writes a session.
struct Director<'a> {
    dice: Dice,
    order: &'a Order,
    shopper: &'a Shopper,
    catalogue: &'a Catalogue,
    world: World,
    notes: Vec<Note>,
    resting: Vec<Resting>,
    /// Everything up to here is written.
    now: f32,
    stand: Vec2,
}

/// Writes a session.
pub(crate) fn direct(order: &Order, shopper: &Shopper, catalogue: &Catalogue) -> (World, Vec<Note>) {
    let stand = HANDLE;
    let world = World {
        duration: order.duration,
        things: Vec::new(),
        hands: [Vec::new(), Vec::new()],
        arms: shopper.arms,
        disturbances: Vec::new(),
        rolls: Vec::new(),
        stands: vec![(0.0, stand)],
    };
    let mut director = Director {
        dice: Dice::new(order.seed, "acts", 0),
        order,
        shopper,
        catalogue,
        world,
        notes: Vec::new(),
        resting: Vec::new(),
        now: 0.0,
        stand,
    };
    director.play();
    (director.world, director.notes)
}

/// Where the shopper stands, at the handle; and at the cart's sides.
const HANDLE: Vec2 = Vec2::new(-0.74, 0.0);
const SIDES: [Vec2; 2] = [Vec2::new(-0.10, 0.66), Vec2::new(-0.10, -0.66)];
/// Shoulders: above the rim, and from the middle of the body, metres.
const SHOULDER: (f32, f32) = (0.44, 0.19);
/// Speed of a usual hand, metres a second.
const SPEED: f32 = 1.15;
/// Between a hand's return and the next one's start, seconds: with the way out of the basket and in again it is more
/// than the second of quiet that tells two episodes apart (metric.md).
const QUIET: f32 = 0.35;

impl Director<'_> {
    fn play(&mut self) {
        for hand in 0..2 {
            let key = self.park(hand, 0.0, 0.05);
            self.world.hands[hand].push(key);
        }
        let (least, most) = self.order.difficulty.of((0, 3), (1, 7), (4, 13));
        for _ in 0..least + self.dice.below(most - least + 1) {
            let kind = self.any_product();
            self.lay_stock(kind);
        }
        self.now = self.dice.between(1.6, 2.4);
        // An act that starts in the last seconds would be cut off.
        let last = self.order.duration - 5.0;
        let (mut episodes, mut nulls, mut changes) = (0, 0, 0);
        while self.now < last {
            let act = self.next_act(episodes, nulls, changes);
            let from = self.now;
            let Some((act, to)) = self.act(act, from) else {
                // Not possible now (nothing to take, no room): something else.
                self.now += 0.05;
                continue;
            };
            self.notes.push(Note { act, from, to });
            episodes += 1;
            nulls += usize::from(act.is_null());
            changes += match act {
                Act::Swap | Act::Several => 2,
                act => usize::from(!act.is_null()),
            };
            self.now = to;
            self.pause();
        }
        // Hands stay where they are at the end.
        let end = self.order.duration + 1.0;
        for hand in 0..2 {
            let at = self.world.hands[hand].last().map_or(0.0, |k| k.at);
            if at < end {
                let key = self.park(hand, end, 0.05);
                self.world.hands[hand].push(key);
            }
        }
    }

    fn next_act(&mut self, episodes: usize, nulls: usize, changes: usize) -> Act {
        // At least a third of all episodes are null (two in five are aimed at); a session has 3 to 15 changes.
        let must_be_null = changes >= 14 || (episodes >= 1 && nulls * 3 < episodes && self.dice.chance(0.75));
        let left = (self.order.duration - 5.0 - self.now).max(0.0);
        let must_change = changes < 3 && left < 12.0;
        let level = self.order.difficulty as usize;
        let weights = Act::ALL.map(|act| {
            let wanted = if must_change { !act.is_null() } else { !must_be_null || act.is_null() };
            let style = match (self.shopper.style, act) {
                (Style::TwoHanded, Act::TwoHands | Act::Several | Act::Swap) => 3.0,
                (Style::Hesitant, Act::HoldOver | Act::HandInOut | Act::Move) => 1.6,
                _ => 1.0,
            };
            if wanted { act.weights()[level] * style } else { 0.0 }
        });
        Act::ALL[self.dice.weighted(&weights)]
    }

    /// Time between acts; the cart may roll on, or the shopper walk round it.
    fn pause(&mut self) {
        let more = match self.shopper.style {
            Style::Fast => 0.3,
            Style::Hesitant => 1.2,
            _ => 0.7,
        };
        let from = self.now + 0.3;
        self.now += QUIET + self.dice.between(0.1, 0.1 + more);
        if self.dice.chance(self.order.difficulty.of(0.1, 0.2, 0.25)) {
            let seconds = self.dice.between(0.9, 1.8);
            self.now = self.now.max(from + seconds + 0.2);
            let far = self.dice.between(0.3, 0.8) * seconds;
            self.world.rolls.push((from, from + seconds, far));
        } else if self.dice.chance(0.2) {
            let place = self.dice.weighted(&[2.0, 1.0, 1.0]);
            // Not through the basket: from one side to the other is by way of the handle.
            let stand = if self.stand == HANDLE { [HANDLE, SIDES[0], SIDES[1]][place] } else { HANDLE };
            if stand != self.stand {
                let seconds = self.stand.distance(stand) / 0.9;
                self.now = self.now.max(from + seconds + 0.4);
                self.world.stands.push((from, self.stand));
                self.world.stands.push((from + seconds, stand));
                for hand in 0..2 {
                    let key = self.park(hand, from, 0.05);
                    self.push(hand, key);
                }
                self.stand = stand;
                for hand in 0..2 {
                    let key = self.park(hand, from + seconds, 0.05);
                    self.push(hand, key);
                }
            }
        }
    }

    /// A product, at random; not two of a near-twin pair in an easy session.
    fn any_product(&mut self) -> Kind {
        let products = self.catalogue.products();
        loop {
            let i = self.dice.below(products.len());
            if self.order.difficulty == Difficulty::Easy
                && products[i].twin_of.is_some()
                && self.dice.chance(0.8)
            {
                continue;
            }
            return Kind::Product(i);
        }
    }

    fn block(&self, kind: Kind) -> Block {
        match kind {
            Kind::Product(i) => {
                let product = &self.catalogue.products()[i];
                Block { shape: product.shape, size: product.size }
            }
            Kind::Stranger(i) => stranger::ALL[i].block(),
        }
    }

    /// A new thing of this kind, elsewhere until it gets a leg.
    fn bring(&mut self, kind: Kind) -> usize {
        let (from, to) = Split::of_seed(self.order.seed).variants();
        let variant = from + self.dice.below((to - from) as usize) as u32;
        self.world.things.push(Thing { kind, variant, block: self.block(kind), legs: Vec::new() });
        self.world.things.len() - 1
    }

    fn lay_stock(&mut self, kind: Kind) {
        let pile = self.pile(None);
        let block = self.block(kind);
        let Some(pose) = pile.place(&block, &mut self.dice, None) else { return };
        let thing = self.bring(kind);
        self.rest(thing, 0.0, pose);
    }

    /// The pile as it is now, without one thing.
    fn pile(&self, without: Option<usize>) -> Pile {
        Pile::of(
            self.resting
                .iter()
                .filter(|r| Some(r.thing) != without)
                .map(|r| (&self.world.things[r.thing].block, &r.pose)),
        )
    }

    fn placed(&self, thing: usize, pose: &Pose) -> Placed {
        let block = &self.world.things[thing].block;
        Placed { middle: pose.middle(block), rotation: block.placement(pose).rotation }
    }

    /// From `at` on it rests, until further notice.
    fn rest(&mut self, thing: usize, at: f32, pose: Pose) {
        let placed = self.placed(thing, &pose);
        self.leg(thing, at, self.order.duration + 10.0, Motion::Resting(placed));
        self.resting.retain(|r| r.thing != thing);
        self.resting.push(Resting { thing, pose });
    }

    /// Adds a leg; the one before ends where it begins.
    fn leg(&mut self, thing: usize, from: f32, to: f32, motion: Motion) {
        let legs = &mut self.world.things[thing].legs;
        if let Some(last) = legs.last_mut() {
            last.to = last.to.min(from);
        }
        legs.push(Leg { from, to, motion });
    }

    /// Something to take, with nothing on it; `strange` asks for what is not sold.
    fn takeable(&mut self, strange: bool) -> Option<Resting> {
        let free: Vec<Resting> = self
            .resting
            .iter()
            .filter(|r| matches!(self.world.things[r.thing].kind, Kind::Stranger(_)) == strange)
            .filter(|r| {
                let block = &self.world.things[r.thing].block;
                !self.resting.iter().any(|other| {
                    let above = &self.world.things[other.thing].block;
                    other.thing != r.thing && rests_on((above, &other.pose), (block, &r.pose))
                })
            })
            .copied()
            .collect();
        (!free.is_empty()).then(|| free[self.dice.below(free.len())])
    }

    fn forward(&self) -> Vec2 {
        -self.stand.normalize_or(Vec2::NEG_X)
    }

    /// To the shopper's right.
    fn rightwards(&self, hand: usize) -> Vec2 {
        let right = Vec2::new(self.forward().y, -self.forward().x);
        if hand == 1 { right } else { -right }
    }

    fn shoulder(&self, hand: usize) -> Vec3 {
        let at = self.stand + self.rightwards(hand) * SHOULDER.1;
        at.extend(SHOULDER.0)
    }

    fn key(&self, hand: usize, at: f32, point: Vec3, width: f32, over: f32, halt: bool) -> Key {
        Key { at, point, width, over, shoulder: self.shoulder(hand), halt }
    }

    /// The hand beside the body.
    fn park(&self, hand: usize, at: f32, width: f32) -> Key {
        let point = self.stand + self.forward() * 0.10 + self.rightwards(hand) * 0.24;
        self.key(hand, at, point.extend(-0.06), width, 0.3, true)
    }

    fn push(&mut self, hand: usize, key: Key) {
        // Keys come in order; one at the same moment would make a jump.
        let keys = &mut self.world.hands[hand];
        if keys.last().is_none_or(|last| key.at > last.at + 1e-3) {
            keys.push(key);
        }
    }

    fn disturb(&mut self, act: Act, from: f32) -> f32 {
        let hard = self.order.difficulty.of(0.6, 1.0, 1.4);
        let disturbance = match act {
            Act::Jolt => Disturbance::Jolt {
                from,
                to: from + self.dice.between(0.35, 0.8),
                size: self.dice.between(2.0, 5.0) * hard,
            },
            Act::PasserBy => Disturbance::PasserBy {
                from,
                to: from + self.dice.between(1.8, 3.0),
                side: if self.dice.chance(0.5) { 1.0 } else { -1.0 },
                shirt: std::array::from_fn(|_| 40 + self.dice.below(180) as u8),
            },
            Act::Flicker => Disturbance::Flicker {
                from,
                to: from + self.dice.between(0.4, 1.6),
                depth: self.dice.between(0.25, 0.5) * hard,
            },
            _ => Disturbance::Shadow {
                from,
                to: from + self.dice.between(1.0, 2.2),
                depth: self.dice.between(0.35, 0.6) * hard.min(1.2),
            },
        };
        let to = disturbance.span().1;
        self.world.disturbances.push(disturbance);
        if act == Act::Jolt {
            self.jolt(from + 0.05, to);
        }
        to
    }

    /// What stands free slides a little; what rolls, rolls.
    fn jolt(&mut self, from: f32, to: f32) {
        for i in 0..self.resting.len() {
            let Resting { thing, pose } = self.resting[i];
            let block = self.world.things[thing].block;
            let rolls = block.shape.rolls() && (pose.lying || !block.shape.stands());
            let far = if rolls { 0.04 } else { 0.008 };
            let moved = Pose { at: pose.at + self.dice.vec2(far), ..pose };
            let pile = self.pile(Some(thing));
            let carries = self.resting.iter().any(|other| {
                let above = &self.world.things[other.thing].block;
                other.thing != thing && rests_on((above, &other.pose), (&block, &pose))
            });
            let Some(moved) = pile.settled(&block, moved).filter(|m| (m.height - pose.height).abs() < 0.003)
            else {
                continue;
            };
            if carries {
                continue;
            }
            let (a, b) = (self.placed(thing, &pose), self.placed(thing, &moved));
            let end = from + (to - from) * self.dice.between(0.5, 1.0);
            self.leg(thing, from, end, Motion::Sliding(a, b));
            self.rest(thing, end, moved);
            // `rest` moved it to the end of the list: keep its place.
            if let Some(last) = self.resting.pop() {
                self.resting.insert(i, last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::leg_at;

    /// Nothing jumps: neither hands nor what they hold, and legs follow each other without gaps.
    #[test]
    fn movements_are_continuous() {
        const STEP: f32 = 0.004;
        /// Metres a second.
        const FASTEST: f32 = 6.0;
        let catalogue = Catalogue::own();
        for seed in 0..30 {
            let difficulty = Difficulty::ALL[seed as usize % 3];
            let order =
                Order { seed, difficulty, cameras: 2, duration: 40.0, fps: 15, width: 640, height: 360 };
            let shopper = Shopper::of(&order);
            let (world, _) = direct(&order, &shopper, &catalogue);
            for (n, thing) in world.things.iter().enumerate() {
                for pair in thing.legs.windows(2) {
                    assert_eq!(pair[0].to, pair[1].from, "seed {seed}, thing {n}: {pair:?}");
                }
                let mut before: Option<Vec3> = None;
                for i in 0..10_000 {
                    let t = i as f32 * STEP;
                    let now = world.place(thing, t).map(|(placed, _)| placed.middle);
                    if let (Some(a), Some(b)) = (before, now) {
                        let speed = a.distance(b) / STEP;
                        assert!(
                            speed < FASTEST,
                            "seed {seed}, thing {n} at {t}: {speed} m/s, {:?}",
                            leg_at(thing, t)
                        );
                    }
                    before = now;
                }
            }
            for hand in 0..2 {
                let keys = &world.hands[hand];
                assert!(keys.windows(2).all(|k| k[0].at < k[1].at));
                let mut before = world.grasp(hand, 0.0).point;
                for i in 1..10_000 {
                    let now = world.grasp(hand, i as f32 * STEP).point;
                    let speed = now.distance(before) / STEP;
                    assert!(speed < FASTEST, "seed {seed}, hand {hand} at {}: {speed} m/s", i as f32 * STEP);
                    before = now;
                }
            }
        }
    }
}
