//! Constant-velocity Kalman filter of a box: four axes (centre x, centre y, width, height), each on its own.

use crate::geometry::{BBox, Point};
use crate::time::Span;

/// Standard deviation of a measured edge, in box sizes (detector jitter).
const MEASURED: f32 = 0.05;
/// Standard deviation of the acceleration, in box sizes per second² (a hand starts and stops an item in a
/// few tenths of a second, over a few of its sizes).
const ACCELERATION: f32 = 15.0;
/// Standard deviation of a new track's velocity, in box sizes per second.
const FIRST_VELOCITY: f32 = 3.0;

/// The filter looks ahead this far at most, seconds: nothing is carried at one velocity for longer.
const LONGEST_S: f32 = 1.0;

/// One axis: position, velocity, and their covariance.
#[derive(Clone, Copy, Debug)]
struct Axis {
    position: f32,
    velocity: f32,
    pp: f32,
    pv: f32,
    vv: f32,
}

impl Axis {
    fn new(position: f32, size: f32) -> Self {
        let (m, v) = (MEASURED * size, FIRST_VELOCITY * size);
        Self { position, velocity: 0.0, pp: m * m, pv: 0.0, vv: v * v }
    }

    fn predict(&mut self, dt: f32, size: f32) {
        let a = ACCELERATION * size;
        let q = a * a;
        self.position += self.velocity * dt;
        self.pp += dt * (2.0 * self.pv + dt * self.vv) + q * dt * dt * dt * dt / 4.0;
        self.pv += dt * self.vv + q * dt * dt * dt / 2.0;
        self.vv += q * dt * dt;
    }

    fn update(&mut self, measured: f32, size: f32) {
        let m = MEASURED * size;
        let s = self.pp + m * m;
        let (kp, kv) = (self.pp / s, self.pv / s);
        let off = measured - self.position;
        self.position += kp * off;
        self.velocity += kv * off;
        self.vv -= kv * self.pv;
        self.pv *= 1.0 - kp;
        self.pp *= 1.0 - kp;
    }
}

/// The filtered motion of one box, normalized coordinates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Motion {
    x: Axis,
    y: Axis,
    width: Axis,
    height: Axis,
}

/// Smallest width and height the filter works with: a hundredth of a picture with a thousand pixels.
const SMALLEST: f32 = 1e-5;

impl Motion {
    /// A box first seen, at rest as far as one knows.
    pub(crate) fn new(bbox: &BBox) -> Self {
        let (c, w, h) = (bbox.centre(), bbox.width().max(SMALLEST), bbox.height().max(SMALLEST));
        Self { x: Axis::new(c.x, w), y: Axis::new(c.y, h), width: Axis::new(w, w), height: Axis::new(h, h) }
    }

    /// Moves on by `dt` (of more than a second, by one).
    pub(crate) fn predict(&mut self, dt: Span) {
        let dt = dt.as_seconds().min(LONGEST_S);
        let (w, h) = (self.width.position, self.height.position);
        self.x.predict(dt, w);
        self.y.predict(dt, h);
        // A size does not run away while nobody measures it: its velocity is for the filter's lag only.
        self.width.velocity = 0.0;
        self.height.velocity = 0.0;
        self.width.predict(dt, w);
        self.height.predict(dt, h);
    }

    /// Takes in a measured box.
    pub(crate) fn update(&mut self, bbox: &BBox) {
        let (c, w, h) = (bbox.centre(), bbox.width().max(SMALLEST), bbox.height().max(SMALLEST));
        self.x.update(c.x, w);
        self.y.update(c.y, h);
        self.width.update(w, w);
        self.height.update(h, h);
        self.width.position = self.width.position.max(SMALLEST);
        self.height.position = self.height.position.max(SMALLEST);
    }

    /// Where the box is thought to be.
    pub(crate) fn bbox(&self) -> BBox {
        let (w, h) = (self.width.position * 0.5, self.height.position * 0.5);
        let (x, y) = (self.x.position, self.y.position);
        BBox { x0: x - w, y0: y - h, x1: x + w, y1: y + h }
    }

    /// Where the centre will be in `seconds` at the present velocity.
    pub(crate) fn centre_in(&self, seconds: f32) -> Point {
        Point {
            x: self.x.position + self.x.velocity * seconds,
            y: self.y.position + self.y.velocity * seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, y: f32) -> BBox {
        BBox { x0: x - 0.05, y0: y - 0.1, x1: x + 0.05, y1: y + 0.1 }
    }

    #[test]
    fn constant_velocity_is_followed() {
        let mut motion = Motion::new(&at(0.2, 0.3));
        for i in 1..30 {
            motion.predict(Span::from_ms(33));
            motion.update(&at(0.2 + 0.01 * i as f32, 0.3 + 0.005 * i as f32));
        }
        // Three pictures without a sighting.
        motion.predict(Span::from_ms(99));
        let expected = at(0.2 + 0.01 * 32.0, 0.3 + 0.005 * 32.0);
        assert!(motion.bbox().iou(&expected) > 0.95, "{:?}", motion.bbox());
        let ahead = motion.centre_in(0.33);
        assert!((ahead.x - 0.62).abs() < 0.01 && (ahead.y - 0.51).abs() < 0.01, "{ahead:?}");
    }

    #[test]
    fn no_time_changes_nothing() {
        let mut motion = Motion::new(&at(0.5, 0.5));
        motion.predict(Span::from_ms(33));
        motion.update(&at(0.52, 0.5));
        let before = motion.bbox();
        motion.predict(Span::ZERO);
        assert_eq!(motion.bbox(), before);
    }

    #[test]
    fn any_span_leaves_numbers() {
        for ns in [1, 1_000_000_000_000, u64::MAX] {
            let mut motion = Motion::new(&at(0.5, 0.5));
            for _ in 0..1000 {
                motion.predict(Span { ns });
            }
            for _ in 0..30 {
                motion.predict(Span::from_ms(33));
                motion.update(&at(0.3, 0.6));
            }
            assert!(motion.bbox().iou(&at(0.3, 0.6)) > 0.95, "{ns} ns: {:?}", motion.bbox());
        }
    }

    #[test]
    fn an_empty_box_leaves_numbers() {
        let empty = BBox { x0: 0.5, y0: 0.5, x1: 0.5, y1: 0.5 };
        let mut motion = Motion::new(&empty);
        for _ in 0..100 {
            motion.predict(Span::from_ms(33));
            motion.update(&empty);
        }
        let b = motion.bbox();
        assert!(b.width() > 0.0 && b.height() > 0.0 && b.centre().x.is_finite(), "{b:?}");
    }
}
