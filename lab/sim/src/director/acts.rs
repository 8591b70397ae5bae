//! The movements of each act.

use glam::Vec3;

use super::{Director, Resting, SPEED};
use crate::act::Act;
use crate::form::Shape;
use crate::order::Style;
use crate::pile::{Block, DEPTH, LENGTH, Pose, WIDTH};
use crate::stranger;
use crate::world::{Kind, Motion, ZONE_TOP};

/// Free fall, metres a second squared.
const GRAVITY: f32 = 9.81;
/// Between what is held and the rim or the pile while it passes, metres.
const CLEAR: f32 = 0.06;

/// How a hand holds a thing.
#[derive(Clone, Copy, Debug)]
struct Hold {
    /// From the point that the hand holds to the thing's middle.
    offset: Vec3,
    width: f32,
    over: f32,
}

impl Director<'_> {
    /// Plays an act from `from` on; gives what it came to be and its end, or `None` if it cannot be played now.
    pub(super) fn act(&mut self, act: Act, from: f32) -> Option<(Act, f32)> {
        let hand = usize::from(self.shopper.right_handed != self.dice.chance(0.15));
        let end = match act {
            Act::Add => {
                let kind = self.any_product();
                self.put(hand, kind, from, false, false)?
            }
            Act::Drop => {
                let kind = self.any_product();
                self.put(hand, kind, from, true, false)?
            }
            Act::TwoHands => {
                if self.dice.chance(0.3)
                    && let Some(resting) = self.takeable(false)
                {
                    self.take(hand, resting, from, true)
                } else {
                    let kind = self.any_product();
                    self.put(hand, kind, from, false, true)?
                }
            }
            Act::AddUnknown => {
                let kind = Kind::Stranger(self.dice.below(stranger::ALL.len()));
                self.put(hand, kind, from, false, false)?
            }
            Act::Remove | Act::RemoveUnknown => {
                let resting = self.takeable(act == Act::RemoveUnknown)?;
                self.take(hand, resting, from, false)
            }
            Act::Swap => {
                let resting = self.takeable(false)?;
                let taken = self.take(hand, resting, from, false);
                // The other hand brings the new one while the first still leaves.
                let start = from + (taken - from) * self.dice.between(0.15, 0.45);
                let kind = self.any_product();
                match self.put(1 - hand, kind, start, false, false) {
                    Some(end) => end.max(taken),
                    None => return Some((Act::Remove, taken)),
                }
            }
            Act::Several => {
                let kind = self.any_product();
                let first = self.put(hand, kind, from, false, false)?;
                let kind = if self.dice.chance(0.3) { kind } else { self.any_product() };
                let start = from + self.dice.between(0.05, 0.4);
                match self.put(1 - hand, kind, start, false, false) {
                    Some(end) => end.max(first),
                    None => return Some((Act::Add, first)),
                }
            }
            Act::Move => {
                let resting = self.takeable(false)?;
                self.carry_over(hand, resting, from)?
            }
            Act::Shift => {
                let resting = self.takeable(false)?;
                self.shift(hand, resting, from)?
            }
            Act::HandInOut => self.reach_in(hand, from),
            Act::HoldOver => {
                let kind = self.any_product();
                self.hold_over(hand, kind, from)
            }
            Act::Jolt | Act::PasserBy | Act::Flicker | Act::Shadow => self.disturb(act, from),
        };
        Some((act, end))
    }

    /// Seconds for a way at the shopper's pace.
    fn seconds(&mut self, a: Vec3, b: Vec3) -> f32 {
        let speed = SPEED * self.shopper.pace * self.dice.between(0.85, 1.15);
        (a.distance(b) / speed).max(0.14)
    }

    /// Just outside the opening, above the rim, where this hand comes in.
    fn gate(&self, hand: usize) -> Vec3 {
        let out = -self.forward();
        let edge = if out.x.abs() * WIDTH > out.y.abs() * LENGTH {
            out * (LENGTH * 0.5 / out.x.abs())
        } else {
            out * (WIDTH * 0.5 / out.y.abs().max(0.1))
        };
        let aside = self.rightwards(hand) * 0.08;
        (edge + out * 0.07 + aside).extend(0.17)
    }

    /// How a thing in a pose is held: tall ones by the upper half from the side, flat ones from above.
    fn hold(&mut self, block: &Block, pose: &Pose) -> Hold {
        let bulk = block.bulk(pose);
        let up = (bulk.tall * 0.5 - 0.045).max(0.0);
        let narrow =
            block.size.min_element().max(if pose.lying { 0.0 } else { block.size.x.min(block.size.y) });
        let flat = bulk.tall < 0.09;
        let over = if flat { self.dice.between(0.7, 1.0) } else { self.dice.between(0.0, 0.45) };
        Hold { offset: Vec3::new(0.0, 0.0, -up), width: narrow.clamp(0.015, 0.1), over }
    }

    /// A hand comes from where it is to `point`, through the gate, ready to hold; gives the time it is there.
    fn come(&mut self, hand: usize, from: f32, point: Vec3, hold: &Hold, open: f32) -> f32 {
        let (width, over) = (hold.width + open, hold.over);
        let start = self.park(hand, from, width);
        self.push(hand, start);
        let gate = self.gate(hand);
        let mut at = from + self.seconds(start.point, gate);
        let key = self.key(hand, at, gate, width, over, false);
        self.push(hand, key);
        at += self.seconds(gate, point);
        let key = self.key(hand, at, point, width, over, true);
        self.push(hand, key);
        at
    }

    /// Straight on to `point`; gives the time it is there.
    fn go(
        &mut self,
        hand: usize,
        at: f32,
        from: Vec3,
        point: Vec3,
        (width, over): (f32, f32),
        halt: bool,
    ) -> f32 {
        let at = at + self.seconds(from, point);
        let key = self.key(hand, at, point, width, over, halt);
        self.push(hand, key);
        at
    }

    /// Out through the gate and back beside the body; gives the time it is there.
    fn leave(&mut self, hand: usize, at: f32, from: Vec3, hold: (f32, f32)) -> f32 {
        let gate = self.gate(hand);
        let at = self.go(hand, at, from, gate, hold, false);
        let park = self.park(hand, at, hold.0);
        let at = at + self.seconds(gate, park.point);
        self.push(hand, self.park(hand, at, hold.0));
        at
    }

    fn hesitates(&mut self) -> Option<f32> {
        let p = if self.shopper.style == Style::Hesitant { 0.6 } else { 0.12 };
        self.dice.chance(p).then(|| self.dice.between(0.3, 1.1))
    }

    /// The other hand helps: it follows at the other side of the thing, from `since` on.
    fn help(&mut self, hand: usize, since: usize, width: f32) {
        let other = 1 - hand;
        let aside = self.rightwards(other).extend(-0.25) * (width * 0.5 + 0.05);
        let keys: Vec<_> = self.world.hands[hand][since..].to_vec();
        for key in keys {
            let key = self.key(other, key.at, key.point + aside, 0.07, 0.2, key.halt);
            self.push(other, key);
        }
        if let Some(last) = self.world.hands[other].last() {
            let at = last.at + 0.3;
            let park = self.park(other, at, 0.05);
            self.push(other, park);
        }
    }

    /// A thing is brought and laid in (or let fall): gives the end.
    pub(super) fn put(&mut self, hand: usize, kind: Kind, from: f32, drop: bool, both: bool) -> Option<f32> {
        let block = self.block(kind);
        let pile = self.pile(None);
        let pose = pile.place(&block, &mut self.dice, None)?;
        let thing = self.bring(kind);
        let since = self.world.hands[hand].len();
        let hold = self.hold(&block, &pose);
        let target = self.placed(thing, &pose);
        let grip = target.middle - hold.offset;
        let height = block.bulk(&pose).tall;
        // High enough that its lower end passes over rim and pile.
        let above = Vec3::new(grip.x, grip.y, (height * 0.5 + CLEAR - hold.offset.z).max(grip.z + 0.05));
        let mut at = self.come(hand, from, above, &hold, 0.0);
        if let Some(pause) = self.hesitates() {
            at += pause;
            let sway = above + self.dice.vec3(0.012);
            let key = self.key(hand, at, sway, hold.width, hold.over, true);
            self.push(hand, key);
        }
        let fall = if drop { self.dice.between(0.05, 0.16) } else { self.dice.between(0.0, 0.015) };
        let low = Vec3::new(grip.x, grip.y, (grip.z + fall).min(above.z));
        at = self.go(hand, at, above, low, (hold.width, hold.over), true);
        let release = at + 0.04;
        self.leg(
            thing,
            from,
            release,
            Motion::Carried { hand, offset: hold.offset, rotation: target.rotation },
        );
        let open = (hold.width + 0.035, hold.over);
        at += 0.14 / self.shopper.pace;
        let key = self.key(hand, at, low, open.0, open.1, false);
        self.push(hand, key);
        at = self.go(hand, at, low, Vec3::new(low.x, low.y, above.z + 0.04), open, false);
        let end = self.leave(hand, at, above, open);
        if both {
            self.help(hand, since, block.size.y);
        }

        // Down, and on: what is round rolls a little before it rests.
        let mut landed = target;
        landed.middle.z += low.z - grip.z;
        let mut rest_at = release;
        let mut lands = pose;
        let rolling = block.shape.rolls() && (pose.lying || block.shape == Shape::Produce);
        if rolling || (drop && self.dice.chance(0.5)) {
            let far = if rolling { 0.03 } else { 0.012 };
            let aside = Pose { at: pose.at + self.dice.vec2(far), ..pose };
            if let Some(aside) =
                pile.settled(&block, aside).filter(|a| (a.height - pose.height).abs() < 0.004)
            {
                lands = aside;
            }
        }
        let height = low.z - grip.z;
        let first = self.placed(thing, &pose);
        let fall_time = libm::sqrtf(2.0 * height.max(0.0) / GRAVITY);
        if fall_time > 0.02 {
            self.leg(thing, rest_at, rest_at + fall_time, Motion::Flying(landed, first));
            rest_at += fall_time;
        }
        if lands.at != pose.at {
            let seconds = 0.18 + pose.at.distance(lands.at) * 6.0;
            let last = self.placed(thing, &lands);
            self.leg(thing, rest_at, rest_at + seconds, Motion::Sliding(first, last));
            rest_at += seconds;
        }
        self.rest(thing, rest_at, lands);
        Some(end.max(rest_at))
    }

    /// A hand goes down to what rests and closes on it; gives the hold, the grip and the time.
    fn grasp(&mut self, hand: usize, resting: &Resting, from: f32) -> (Hold, Vec3, Vec3, f32) {
        let block = self.world.things[resting.thing].block;
        let hold = self.hold(&block, &resting.pose);
        let grip = self.placed(resting.thing, &resting.pose).middle - hold.offset;
        let above = Vec3::new(grip.x, grip.y, (grip.z + 0.12).max(0.0));
        let mut at = self.come(hand, from, above, &hold, 0.04);
        if let Some(pause) = self.hesitates() {
            at += pause;
            let key = self.key(hand, at, above, hold.width + 0.04, hold.over, true);
            self.push(hand, key);
        }
        at = self.go(hand, at, above, grip, (hold.width + 0.035, hold.over), true);
        at += 0.16 / self.shopper.pace;
        let key = self.key(hand, at, grip, hold.width, hold.over, true);
        self.push(hand, key);
        (hold, grip, above, at)
    }

    /// Something is taken out: gives the end.
    pub(super) fn take(&mut self, hand: usize, resting: Resting, from: f32, both: bool) -> f32 {
        let Resting { thing, pose } = resting;
        let block = self.world.things[thing].block;
        let since = self.world.hands[hand].len();
        let (hold, grip, _, at) = self.grasp(hand, &resting, from);
        let rotation = self.placed(thing, &pose).rotation;
        self.leg(thing, at, f32::MAX, Motion::Carried { hand, offset: hold.offset, rotation });
        let tall = block.bulk(&pose).tall;
        let high = Vec3::new(grip.x, grip.y, tall * 0.5 + CLEAR - hold.offset.z);
        let out = self.go(hand, at, grip, high, (hold.width, hold.over), false);
        let end = self.leave(hand, out, high, (hold.width, hold.over));
        self.away(thing, end);
        self.resting.retain(|r| r.thing != thing);
        if both {
            self.help(hand, since, block.size.y);
        }
        end
    }

    /// From `at` on it is elsewhere.
    fn away(&mut self, thing: usize, at: f32) {
        if let Some(leg) = self.world.things[thing].legs.last_mut() {
            leg.to = at;
        }
    }

    /// Lifted and laid elsewhere; it never leaves the basket region.
    fn carry_over(&mut self, hand: usize, resting: Resting, from: f32) -> Option<f32> {
        let Resting { thing, pose } = resting;
        let block = self.world.things[thing].block;
        let pile = self.pile(Some(thing));
        // Turned about the upright only: a hand does not juggle.
        let new = (0..24).find_map(|_| {
            let at = self.dice.vec2(0.12);
            pile.settled(&block, Pose { at, ..pose }).filter(|p| p.at.distance(pose.at) > 0.08)
        })?;
        let (hold, grip, _, at) = self.grasp(hand, &resting, from);
        let target = self.placed(thing, &new);
        let to = target.middle - hold.offset;
        let tops = new.height.max(pose.height) - DEPTH + block.bulk(&pose).tall * 0.5 - hold.offset.z;
        let high = (tops + 0.07).min(ZONE_TOP - 0.03 - hold.offset.z).max(grip.z.max(to.z));
        self.leg(
            thing,
            at,
            f32::MAX,
            Motion::Carried { hand, offset: hold.offset, rotation: target.rotation },
        );
        let held = (hold.width, hold.over);
        let (a, b) = (Vec3::new(grip.x, grip.y, high), Vec3::new(to.x, to.y, high));
        let at = self.go(hand, at, grip, a, held, false);
        let at = self.go(hand, at, a, b, held, false);
        let at = self.go(hand, at, b, to, held, true);
        self.rest(thing, at + 0.04, new);
        Some(self.let_go(hand, at, to, &hold))
    }

    /// The hand opens, goes up and leaves; gives the time it is back.
    fn let_go(&mut self, hand: usize, at: f32, from: Vec3, hold: &Hold) -> f32 {
        let open = (hold.width + 0.035, hold.over);
        let freed = at + 0.14;
        let key = self.key(hand, freed, from, open.0, open.1, false);
        self.push(hand, key);
        let up = Vec3::new(from.x, from.y, (from.z + 0.14).max(0.05));
        let at = self.go(hand, freed, from, up, open, false);
        self.leave(hand, at, up, open)
    }

    /// Pushed aside where it stands.
    fn shift(&mut self, hand: usize, resting: Resting, from: f32) -> Option<f32> {
        let Resting { thing, pose } = resting;
        let block = self.world.things[thing].block;
        let pile = self.pile(Some(thing));
        let new = (0..24).find_map(|_| {
            let at = pose.at + self.dice.vec2(0.04);
            pile.settled(&block, Pose { at, ..pose })
                .filter(|p| (p.height - pose.height).abs() < 0.004 && p.at.distance(pose.at) > 0.02)
        })?;
        let (hold, grip, _, at) = self.grasp(hand, &resting, from);
        let target = self.placed(thing, &new);
        let to = target.middle - hold.offset;
        self.leg(
            thing,
            at,
            f32::MAX,
            Motion::Carried { hand, offset: hold.offset, rotation: target.rotation },
        );
        let at = self.go(hand, at, grip, to, (hold.width, hold.over), true);
        self.rest(thing, at, new);
        Some(self.let_go(hand, at, to, &hold))
    }

    /// An empty hand goes in, looks for something, and comes out.
    fn reach_in(&mut self, hand: usize, from: f32) -> f32 {
        let hold = Hold {
            offset: Vec3::ZERO,
            width: self.dice.between(0.03, 0.09),
            over: self.dice.between(0.2, 1.0),
        };
        let deep = self.dice.between(-0.22, 0.02);
        let spot = |director: &mut Self| {
            let x = director.dice.between(-0.35, 0.35) * LENGTH;
            let y = director.dice.between(-0.35, 0.35) * WIDTH;
            Vec3::new(x, y, deep)
        };
        let mut at_point = spot(self);
        let mut at = self.come(hand, from, at_point, &hold, 0.0);
        for _ in 0..self.dice.below(3) {
            let next = at_point + (spot(self) - at_point) * 0.4;
            at = self.go(hand, at, at_point, next, (hold.width, hold.over), true);
            at_point = next;
        }
        at += self.dice.between(0.05, 0.5);
        let key = self.key(hand, at, at_point, hold.width, hold.over, true);
        self.push(hand, key);
        let up = Vec3::new(at_point.x, at_point.y, 0.12);
        let at = self.go(hand, at, at_point, up, (hold.width, hold.over), false);
        self.leave(hand, at, up, (hold.width, hold.over))
    }

    /// Held over the basket, looked at, and taken back.
    fn hold_over(&mut self, hand: usize, kind: Kind, from: f32) -> f32 {
        let block = self.block(kind);
        let lying = !block.shape.stands();
        let yaw = self.dice.between(0.0, crate::mesh::TURN);
        let pose = Pose { at: glam::Vec2::ZERO, height: 0.0, yaw, lying, roll: 0.0 };
        let thing = self.bring(kind);
        let hold = self.hold(&block, &pose);
        let rotation = block.placement(&pose).rotation;
        let over = Vec3::new(
            self.dice.between(-0.3, 0.3) * LENGTH,
            self.dice.between(-0.3, 0.3) * WIDTH,
            self.dice.between(-0.02, ZONE_TOP + 0.06),
        ) - hold.offset;
        let mut at = self.come(hand, from, over, &hold, 0.0);
        at += self.dice.between(0.2, 1.0);
        let sway = over + self.dice.vec3(0.015);
        let key = self.key(hand, at, sway, hold.width, hold.over, true);
        self.push(hand, key);
        let end = self.leave(hand, at, over, (hold.width, hold.over));
        self.leg(thing, from, end, Motion::Carried { hand, offset: hold.offset, rotation });
        end
    }
}
